/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where standalone's files are, and what an authorization file holds. */
#ifndef VMR_CLUSTER_STANDALONE_LAYOUT_H
#define VMR_CLUSTER_STANDALONE_LAYOUT_H

#include "cluster/authorization.h"
#include "cluster/settings_file.h"

#define STANDALONE_VMS		  "vms.d"
#define STANDALONE_AUTHORIZATIONS "authorize.d"

/* The path of settings.conf into buf. 0 or -ENAMETOOLONG. */
int standalone_settings_path(const char *directory, char buf[SETTINGS_FILE_PATH_LEN]);
/* Read authorize.d/<name>.conf. 0, -ENOENT, -EINVAL with a sentence. */
int standalone_authorization_read(const char *directory, const char *name,
				  struct authorization_entry *ret_entry,
				  char error[SETTINGS_FILE_ERROR_LEN]);
/* Write an entry as authorize.d/<name>.conf. 0 or a negative errno with a sentence. */
int standalone_authorization_write(const char *directory, const char *name,
				   const struct authorization_entry *entry,
				   char error[SETTINGS_FILE_ERROR_LEN]);

/* Call cb for the name (without ".conf") of each file of a folder, in order; another return than 0
 * ends it with that value. A missing folder is an empty one; one that cannot be read is a negative
 * errno. */
typedef int (*standalone_file_cb)(void *arg, const char *name);
int standalone_folder_each(const char *directory, const char *folder, standalone_file_cb cb,
			   void *arg);

#endif
