/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For pcs-equality.sh: the same example either as pcs commands or made by vmreplica-cib.
 *   cib_example commands N          print the commands
 *   cib_example create N FILE       let the helper create it in the CIB file
 *   cib_example delete N FILE       and delete it again
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/pcs_commands.h"
#include "tests/unit/cib_session.h"

static int print_commands(const Vmreplica__Ipc__CibCreateVm *request)
{
	char error[VM_RESOURCE_ERROR_LEN] = "";
	struct pcs_commands commands;

	if (pcs_commands_create_vm(request, &commands, error) < 0) {
		fprintf(stderr, "%s\n", error);
		return 1;
	}
	for (size_t i = 0; i < commands.count; i++) {
		printf("%s\n", commands.lines[i]);
	}
	pcs_commands_destroy(&commands);
	return 0;
}

static int change(const char *what, Vmreplica__Ipc__CibCreateVm *request, const char *file)
{
	Vmreplica__Ipc__CibDeleteVm removal = VMREPLICA__IPC__CIB_DELETE_VM__INIT;
	char text[VM_RESOURCE_ERROR_LEN] = "";
	struct cib_session session;
	int error;

	removal.id = 1;
	removal.resource = request->resource;
	if (cib_session_start(&session, file) < 0) {
		return 1;
	}
	(void)cib_session_ready(&session);
	error = strcmp(what, "create") == 0
			? cib_session_request(&session, FRAME_CIB_CREATE_VM, &request->base, text)
			: cib_session_request(&session, FRAME_CIB_DELETE_VM, &removal.base, text);
	if (error != 0) {
		fprintf(stderr, "%s: %d %s\n", what, error, text);
	}
	return cib_session_end(&session) == 0 && error == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	Vmreplica__Ipc__CibCreateVm *request;

	if (argc < 3 || atoi(argv[2]) < 0 || atoi(argv[2]) >= CIB_EXAMPLES) {
		return 2;
	}
	request = cib_example((unsigned int)atoi(argv[2]));
	if (strcmp(argv[1], "commands") == 0) {
		return print_commands(request);
	}
	return argc == 4 ? change(argv[1], request, argv[3]) : 2;
}
