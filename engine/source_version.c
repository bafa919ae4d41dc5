/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/source_version.h"

#include <errno.h>
#include <stdio.h>

#include "engine/source_call.h"
#include "engine/source_error.h"

/* libvirt's encoding: major * 1,000,000 + minor * 1,000 + release (virConnectGetLibVersion). */
static struct source_version decode(unsigned long number)
{
	return (struct source_version){
		.major = (unsigned int)(number / 1000000),
		.minor = (unsigned int)(number / 1000 % 1000),
		.release = (unsigned int)(number % 1000),
	};
}

static int get_versions(struct source_call *call, virConnectPtr conn, virDomainPtr domain)
{
	unsigned long libvirt, qemu;

	(void)domain;
	if (virConnectGetLibVersion(conn, &libvirt) < 0 || virConnectGetVersion(conn, &qemu) < 0) {
		return source_call_translate(call, conn, "asking for the versions");
	}
	call->number = (int)libvirt;
	call->flags = (unsigned int)qemu;
	return 0;
}

int source_versions(struct source_connection *connection, struct source_version *ret_libvirt,
		    struct source_version *ret_qemu, char error[SOURCE_ERROR_LEN])
{
	cleanup_source_call struct source_call *call =
		source_call_new(connection, NULL, get_versions, NULL, NULL);
	int result;

	if (call == NULL) {
		return source_fail(-ENOMEM, error, "out of memory");
	}
	result = source_call_run(call, SOURCE_CALL_QUERY_MS, error);
	if (result == 0) {
		*ret_libvirt = decode((unsigned long)call->number);
		*ret_qemu = decode(call->flags);
	}
	return result;
}

bool source_version_is_enough(struct source_version version, struct source_version least)
{
	if (version.major != least.major) {
		return version.major > least.major;
	}
	if (version.minor != least.minor) {
		return version.minor > least.minor;
	}
	return version.release >= least.release;
}
