/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proto/store_path.h"

#include <errno.h>
#include <stdio.h>

#include "proto/validate.h"

int store_path_name(const char *vm, const char *relationship, char name[STORE_NAME_LEN])
{
	if (!validate_vm_name(vm) || !validate_uuid(relationship)) {
		return -EINVAL;
	}
	snprintf(name, STORE_NAME_LEN, "%s-%.8s", vm, relationship);
	return 0;
}

int store_path_directory(const char *storage, const char *peer_site, const char *vm,
			 const char *relationship, char *buf, size_t size)
{
	char name[STORE_NAME_LEN];
	int len;

	if (!validate_absolute_path(storage) || !validate_site_name(peer_site) ||
	    store_path_name(vm, relationship, name) < 0) {
		return -EINVAL;
	}
	len = snprintf(buf, size, "%s/%s/%s", storage, peer_site, name);
	return len >= 0 && (size_t)len < size ? 0 : -ENAMETOOLONG;
}

int store_path_definition(const char *storage, const char *peer_site, const char *vm,
			  const char *relationship, char *buf, size_t size)
{
	char path[PATH_LEN_MAX + 1];
	int result = store_path_directory(storage, peer_site, vm, relationship, path, sizeof(path));
	int len;

	if (result < 0) {
		return result;
	}
	len = snprintf(buf, size, "%s.xml", path);
	return len >= 0 && (size_t)len < size ? 0 : -ENAMETOOLONG;
}
