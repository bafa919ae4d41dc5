/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checks of fields that several messages share (internal to validate*.c): what is wrong as a
 * phrase, or NULL. Pure. */
#ifndef VMR_PROTO_VALIDATE_FIELDS_H
#define VMR_PROTO_VALIDATE_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/wire.pb-c.h"

/* Text for people: at most max bytes, valid UTF-8 (JSON needs it), no control characters (terminals
 * and logs need that). */
bool text_is_clean(const char *text, size_t max);
/* A stable word such as "not-authorized". */
bool code_is_valid(const char *code);
/* An address or a name to dial; the resolver judges the rest. */
bool host_is_valid(const char *host);

const char *check_version(const Vmreplica__Wire__Version *version); /* NULL: missing */
const char *check_relationship(const char *relationship);
const char *check_site(const char *site);
const char *check_frequency(uint32_t frequency_s);
const char *check_reason(const char *reason);
const char *check_disks(Vmreplica__Wire__Disk *const *disks, size_t count);
const char *check_epoch(const Vmreplica__Epoch *epoch); /* NULL: missing */
const char *check_cut(const Vmreplica__Cut *cut);
const char *check_mode(Vmreplica__Wire__Mode mode);	   /* of a cycle: not NONE */
const char *check_mark(const Vmreplica__Wire__Mark *mark); /* NULL: missing */

#endif
