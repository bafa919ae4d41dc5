/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One file of "name = value" lines: read, and written atomically. Blocks on the local file system.
 */
#ifndef VMR_CLUSTER_SETTINGS_FILE_H
#define VMR_CLUSTER_SETTINGS_FILE_H

#include "cluster/nvpair_list.h"

#define SETTINGS_FILE_ERROR_LEN 256
#define SETTINGS_FILE_PATH_LEN	4096

/* "<directory>/<folder>/<name><suffix>" into buf. 0 or -ENAMETOOLONG. */
int settings_file_path(const char *directory, const char *folder, const char *name,
		       char buf[SETTINGS_FILE_PATH_LEN]);
/* Read all pairs. 0, -ENOENT, -EINVAL with a sentence that names file and line. A list that is
 * handed in empty. */
int settings_file_read(const char *path, struct nvpair_list *ret_list,
		       char error[SETTINGS_FILE_ERROR_LEN]);
/* Replace the file. The folder is made when it is missing. -EINVAL for a value that such a file
 * cannot hold. */
int settings_file_write(const char *path, const char *comment, const struct nvpair_list *list,
			char error[SETTINGS_FILE_ERROR_LEN]);
/* Durable unlink. 0 or negative errno. */
int settings_file_remove(const char *path);

#endif
