/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The files that hold a replica VM's definition:
 *
 *   <store>/domain.xml                          what the peer sent, written by the receiver
 *   <storage>/<site>/<vm>-<relationship>.xml    what VirtualDomain may start, written by us
 *   <storage>/<site>/<vm>-<relationship>.xml.own  kept_definition.h
 *
 * Ours lies beside the store's directory, not in it: whoever can put another file in its place is
 * root on the node that starts it, and the receiver's user owns the store. All of it blocks:
 * workers only.
 */
#ifndef VMR_ENGINE_DEFINITION_FILE_H
#define VMR_ENGINE_DEFINITION_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* The peer's text (not to be trusted, not terminated) from the store's directory, to be freed. 0,
 * -ENOENT (none has come yet), -EFBIG, -EBADMSG (no plain file) or another negative errno. */
int definition_file_read(const char *store, char **ret_xml, size_t *ret_len);
#define DEFINITION_FILE_MODE	     0644
#define DEFINITION_FILE_MODE_PRIVATE 0600 /* it may hold passwords */
/* Have path (absolute) hold the text: owner root, of that mode, replaced atomically and durably
 * unless it holds it already. *ret_changed says which. 0 or a negative errno. */
int definition_file_write(const char *path, mode_t mode, const char *text, bool *ret_changed);

/* A definition of ours, as it was written: *ret_text is to be freed. 0 or a negative errno. */
int definition_file_load(const char *path, char **ret_text);

#endif
