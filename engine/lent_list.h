/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The paths of images that were lent to a store, in a file beside its directory that root alone
 * writes (adopted_disks.h). Blocking. */
#ifndef VMR_ENGINE_LENT_LIST_H
#define VMR_ENGINE_LENT_LIST_H

#include <jansson.h>
#include <stdbool.h>

#define LENT_LIST_END ".lent" /* behind the directory's path */

/* An array of paths, to free (json_decref); empty when there is no file; NULL when it cannot be
 * read, or without memory. */
json_t *lent_list_read(const char *directory);
/* Is path in it? A list that could not be read (NULL) has none. */
bool lent_list_has(const json_t *list, const char *path);
/* True when path is new in it. */
bool lent_list_add(json_t *list, const char *path);
/* Durably. 0 or a negative errno. */
int lent_list_write(const char *directory, const json_t *list);

#endif
