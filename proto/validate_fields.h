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
bool validate_text(const char *text, size_t max);
/* A stable word such as "not-authorized". */
bool validate_code(const char *code);
/* An address or a name to dial; the resolver judges the rest. */
bool validate_host(const char *host);

const char *validate_field_version(const Vmreplica__Wire__Version *version); /* NULL: missing */
const char *validate_field_relationship(const char *relationship);
const char *validate_field_site(const char *site);
const char *validate_field_points(const Vmreplica__PointSettings *points); /* NULL allowed */
const char *validate_field_frequency(uint32_t frequency_s);
const char *validate_field_reason(const char *reason);
const char *validate_field_disks(Vmreplica__Wire__Disk *const *disks, size_t count);
const char *validate_field_epoch(const Vmreplica__Epoch *epoch); /* NULL: missing */
const char *validate_field_cut(const Vmreplica__Cut *cut);
/* A cycle's number, and the time of a cut. */
const char *validate_field_seq(uint64_t seq);
const char *validate_field_time(int64_t time_ms);
const char *validate_field_mode(Vmreplica__Wire__Mode mode);	    /* of a cycle: not NONE */
const char *validate_field_mark(const Vmreplica__Wire__Mark *mark); /* NULL: missing */

#endif
