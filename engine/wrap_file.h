/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The file of a VM's definition, read whole and replaced in one step. Blocks. */
#ifndef VMR_ENGINE_WRAP_FILE_H
#define VMR_ENGINE_WRAP_FILE_H

/* 0 with *ret_text (to free), or a negative errno; -EFBIG above 1 MiB. */
int wrap_file_read(const char *path, char **ret_text);
/* Replace path, durably, by text; owner and mode stay. What it held is kept as <path><suffix>. 0 or
 * a negative errno; then it is as it was. */
int wrap_file_replace(const char *path, const char *suffix, const char *text);
/* Write a file of root's own (mode 0600) anew, durably. 0 or a negative errno. */
int wrap_file_put(const char *path, const char *text);

#endif
