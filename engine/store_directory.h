/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The directories of replica stores: <storage>/<peer site>/<vm>-<first 8 of relationship>. The
 * engine (root) makes them, because the receiver may write nothing above them. Nothing here follows
 * a symbolic link. Blocking: workers only. */
#ifndef VMR_ENGINE_STORE_DIRECTORY_H
#define VMR_ENGINE_STORE_DIRECTORY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define STORE_DIRECTORY_ERROR_LEN 512

/* Path into buf. 0, or -EINVAL (a component is not plain), -ENAMETOOLONG. Pure. */
int store_directory_path(const char *storage, const char *peer_site, const char *vm,
			 const char *relationship, char *buf, size_t size);
/* Path of the replica VM's definition, beside the store's directory. Likewise. */
int store_directory_definition(const char *storage, const char *peer_site, const char *vm,
			       const char *relationship, char *buf, size_t size);
/* Path of the last definition of a VM that was this side's own before (kept_definition.h), likewise
 * beside the store's directory. */
int store_directory_own(const char *storage, const char *peer_site, const char *vm,
			const char *relationship, char *buf, size_t size);
/* Path of the replica VM's UEFI variables, likewise beside the store's directory. */
int store_directory_nvram(const char *storage, const char *peer_site, const char *vm,
			  const char *relationship, char *buf, size_t size);
/* Make it: the site's directory root:gid 0750, the store's uid:gid 0750. Those that exist stay as
 * they are, but the store's must belong to uid. 0 or a negative errno with a sentence. */
int store_directory_make(const char *storage, const char *peer_site, const char *vm,
			 const char *relationship, uid_t uid, gid_t gid,
			 char error[STORE_DIRECTORY_ERROR_LEN]);
/* Remove it with all that is in it, and the replica VM's definition; 0 also when it is not there.
 */
int store_directory_remove(const char *storage, const char *peer_site, const char *vm,
			   const char *relationship, char error[STORE_DIRECTORY_ERROR_LEN]);
/* Remove the directory at path with all that is in it, and the list of what was lent to it. What
 * lies beside it stays: a VM of this side may be defined by that. 0 also when it is not there. */
int store_directory_remove_images(const char *path, char error[STORE_DIRECTORY_ERROR_LEN]);

#endif
