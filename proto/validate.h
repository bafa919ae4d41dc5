/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Range checks on decoded messages: what protobuf cannot say. Every frame from a peer passes here
 * before use. Pure. */
#ifndef VMR_PROTO_VALIDATE_H
#define VMR_PROTO_VALIDATE_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/frame.h"

#define VALIDATE_ERROR_LEN 128

/* Single names; NULL is false. */
bool validate_uuid(const char *text);	 /* lower case, 8-4-4-4-12 */
bool validate_lineage(const char *text); /* an epoch's random id: 1..36 of 0-9, a-f, '-' */
bool validate_cut_id(const char *text);
/* Plain component: letters, digits, . _ - +, not starting with '.' or '-'. */
bool validate_vm_name(const char *text);
bool validate_disk_name(const char *text);     /* target names such as "vda" */
bool validate_site_name(const char *text);     /* DNS name, no wildcard */
bool validate_site_pattern(const char *text);  /* DNS name or "*.domain" */
bool validate_resource_id(const char *text);   /* XML NCName without ':' */
/* Absolute, no "..", no empty or "." components; plain text as all that is shown and written as
 * XML or JSON (UTF-8 without control characters). */
bool validate_absolute_path(const char *text);

/* Check a frame of a peer by its type: lengths, enums, names, digits. 0, or -EBADMSG with a
 * sentence. Payload lengths are checked against the message (e.g. Chunk.length with CODEC_PLAIN).
 */
int validate_frame(const struct frame *frame, char error[VALIDATE_ERROR_LEN]);

#endif
