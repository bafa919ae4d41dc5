/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where libvirt's definition says that a VM keeps its variables and its TPM, and what is read
 * there. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/source_state.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/unit.h"

#define UUID "0b6f4b1c-93a5-4f7e-8b1a-5d2f6c7e8a90"

static char *domain_xml(const char *nvram, const char *backend)
{
	char *xml;

	if (asprintf(&xml,
		     "<domain type='kvm'><name>web1</name><uuid>" UUID "</uuid><os firmware='efi'>"
		     "<type>hvm</type>%s</os><devices><tpm model='tpm-crb'>%s</tpm></devices>"
		     "</domain>",
		     nvram, backend) < 0) {
		abort();
	}
	return xml;
}

static void find(const char *nvram, const char *backend, struct source_state_paths *paths)
{
	char *xml = domain_xml(nvram, backend);

	*paths = (struct source_state_paths){.count = 99};
	CU_ASSERT_EQUAL_FATAL(source_state_find(xml, tempdir(), paths), 0);
	free(xml);
}

static void test_where_they_are(void)
{
	struct source_state_paths paths;
	char expected[TEMP_PATH_LEN];

	find("<nvram template='/usr/share/OVMF/OVMF_VARS_4M.fd'>/var/lib/web1_VARS.fd</nvram>",
	     "<backend type='emulator' version='2.0'/>", &paths);
	CU_ASSERT_EQUAL_FATAL(paths.count, 2);
	CU_ASSERT_STRING_EQUAL(paths.names[0], VM_STATE_NVRAM);
	CU_ASSERT_STRING_EQUAL(paths.paths[0], "/var/lib/web1_VARS.fd");
	CU_ASSERT_STRING_EQUAL(paths.names[1], VM_STATE_TPM_2_0);
	CU_ASSERT_STRING_EQUAL(paths.paths[1], temp_path(expected, UUID "/tpm2/tpm2-00.permall"));
	source_state_paths_destroy(&paths);
	find("", "<backend type='emulator' version='1.2'/>", &paths);
	CU_ASSERT_EQUAL_FATAL(paths.count, 1);
	CU_ASSERT_STRING_EQUAL(paths.paths[0], temp_path(expected, UUID "/tpm1.2/tpm-00.permall"));
	source_state_paths_destroy(&paths);
	/* nothing of ours: a TPM of the host, variables on the network */
	find("<nvram type='network'><source protocol='iscsi' name='x'/></nvram>",
	     "<backend type='passthrough'><device path='/dev/tpm0'/></backend>", &paths);
	CU_ASSERT_EQUAL(paths.count, 0);
	CU_ASSERT_EQUAL(source_state_find("<domain", tempdir(), &paths), -EBADMSG);
}

static void test_what_is_read(void)
{
	char file[TEMP_PATH_LEN], nvram[TEMP_PATH_LEN + 32], error[SOURCE_ERROR_LEN] = "";
	struct source_state_paths paths;
	struct vm_state state;
	uint8_t *archive = NULL;
	const char *why;
	size_t len = 0;

	snprintf(nvram, sizeof(nvram), "<nvram>%s</nvram>", temp_path(file, "web1_VARS.fd"));
	find(nvram, "<backend type='emulator' version='2.0'/>", &paths);
	/* before the first start of the VM there are none */
	CU_ASSERT_EQUAL(source_state_read(&paths, false, &archive, &len, error), 0);
	CU_ASSERT_PTR_NULL(archive);
	temp_file(file, "web1_VARS.fd", "boot order");
	CU_ASSERT_EQUAL_FATAL(source_state_read(&paths, false, &archive, &len, error), 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(archive);
	CU_ASSERT_EQUAL_FATAL(vm_state_decode(archive, len, &state, &why), 0);
	CU_ASSERT_EQUAL(state.count, 1);
	CU_ASSERT_EQUAL(state.files[0].len, strlen("boot order"));
	free(archive);
	/* of a VM that is shut off: its TPM has gone with it */
	CU_ASSERT_EQUAL(source_state_read(&paths, true, &archive, &len, error), 0);
	CU_ASSERT_PTR_NULL(archive);
	/* swtpm's directory as libvirt lays it out */
	CU_ASSERT_EQUAL(mkdir(temp_path(file, UUID), 0700), 0);
	CU_ASSERT_EQUAL(mkdir(temp_path(file, UUID "/tpm2"), 0700), 0);
	temp_file(file, UUID "/tpm2/tpm2-00.permall", "seeds");
	temp_file(file, UUID "/tpm2/.lock", "");
	CU_ASSERT_EQUAL_FATAL(source_state_read(&paths, false, &archive, &len, error), 0);
	CU_ASSERT_EQUAL_FATAL(vm_state_decode(archive, len, &state, &why), 0);
	CU_ASSERT_EQUAL(state.count, 2);
	CU_ASSERT_EQUAL(state.files[1].len, strlen("seeds"));
	free(archive);
	unlink(temp_path(file, UUID "/tpm2/tpm2-00.permall"));
	unlink(temp_path(file, UUID "/tpm2/.lock"));
	rmdir(temp_path(file, UUID "/tpm2"));
	rmdir(temp_path(file, UUID));
	/* a 64 MiB flash, as other machines have it */
	CU_ASSERT_EQUAL(truncate(temp_path(file, "web1_VARS.fd"), 64 << 20), 0);
	archive = NULL;
	CU_ASSERT_EQUAL(source_state_read(&paths, false, &archive, &len, error), -EFBIG);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "web1_VARS.fd does not travel"));
	CU_ASSERT_EQUAL(truncate(temp_path(file, "web1_VARS.fd"), VM_STATE_MAX), 0);
	CU_ASSERT_EQUAL(source_state_read(&paths, false, &archive, &len, error), -EFBIG);
	CU_ASSERT_PTR_NULL(archive);
	source_state_paths_destroy(&paths);
}

static const struct unit_test tests[] = {
	{"where they are", test_where_they_are},
	{"what is read", test_what_is_read},
};

int main(void)
{
	int result = unit_run("source_state", tests, sizeof(tests) / sizeof(tests[0]));

	tempdir_remove();
	return result;
}
