/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a replica's files lie below its storage: <storage>/<peer site>/<vm>-<first 8 of
 * relationship>. Pure. */
#ifndef VMR_PROTO_STORE_PATH_H
#define VMR_PROTO_STORE_PATH_H

#include <stddef.h>

#include "proto/limits.h"

#define STORE_NAME_LEN (VM_NAME_MAX + 16)

/* The last component. 0 or -EINVAL. */
int store_path_name(const char *vm, const char *relationship, char name[STORE_NAME_LEN]);
/* Path into buf. 0, or -EINVAL (a component is not plain), -ENAMETOOLONG. */
int store_path_directory(const char *storage, const char *peer_site, const char *vm,
			 const char *relationship, char *buf, size_t size);
/* Path of the replica VM's definition, beside the store's directory. Likewise. */
int store_path_definition(const char *storage, const char *peer_site, const char *vm,
			  const char *relationship, char *buf, size_t size);

#endif
