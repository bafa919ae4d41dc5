/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proto/validate_fields.h"

#include <stdint.h>
#include <string.h>

#include "proto/limits.h"
#include "proto/validate.h"

#define SOFTWARE_MAX 64u
#define HOST_MAX     253u
#define CODE_MAX     64u

/* Length of the UTF-8 sequence at p, 0 if it is not one (overlong, surrogate, beyond U+10FFFF: RFC
 * 3629). */
static size_t utf8_len(const unsigned char *p)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t len;

	if (p[0] < 0x80) {
		return 1;
	}
	if (p[0] < 0xc2 || p[0] > 0xf4) {
		return 0;
	}
	len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : low;
	high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : high;
	if (p[1] < low || p[1] > high) {
		return 0;
	}
	for (size_t i = 2; i < len; i++) {
		if (p[i] < 0x80 || p[i] > 0xbf) {
			return 0;
		}
	}
	return len;
}

/* Text for people: bounded, valid UTF-8 (JSON needs it), no control characters (terminals and logs
 * need that). */
bool validate_text(const char *text, size_t max)
{
	const unsigned char *p = (const unsigned char *)text;

	if (strnlen(text, max + 1) > max) {
		return false;
	}
	while (*p != '\0') {
		size_t len = *p < 0x20 || *p == 0x7f ? 0 : utf8_len(p);

		if (len == 0) {
			return false;
		}
		p += len;
	}
	return true;
}

/* A stable word such as "not-authorized". */
bool validate_code(const char *code)
{
	size_t len = strnlen(code, CODE_MAX + 1);

	return len > 0 && len <= CODE_MAX &&
	       strspn(code, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

/* An address or a name to dial; the resolver judges the rest. */
bool validate_host(const char *host)
{
	size_t len = strnlen(host, HOST_MAX + 1);

	return len > 0 && len <= HOST_MAX &&
	       strspn(host,
		      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:-_%") == len;
}

const char *validate_field_version(const Vmreplica__Wire__Version *version)
{
	if (version == NULL) {
		return "the protocol version is missing";
	}
	if (version->min == 0 || version->min > version->max) {
		return "the protocol versions are not a range";
	}
	return validate_text(version->software, SOFTWARE_MAX) ? NULL
							      : "the software's name is malformed";
}

const char *validate_field_relationship(const char *relationship)
{
	return validate_uuid(relationship) ? NULL : "the relationship is not a UUID";
}

const char *validate_field_site(const char *site)
{
	return validate_site_name(site) ? NULL : "the site is not a DNS name";
}

const char *validate_field_points(const Vmreplica__PointSettings *points)
{
	return points == NULL || (points->points <= POINTS_MAX &&
				  points->interval_s <= POINT_INTERVAL_MAX_S &&
				  points->app_interval_s <= POINT_INTERVAL_MAX_S)
		       ? NULL
		       : "the settings of recovery points are out of range";
}

const char *validate_field_frequency(uint32_t frequency_s)
{
	return frequency_s >= FREQUENCY_MIN_S && frequency_s <= FREQUENCY_MAX_S
		       ? NULL
		       : "the frequency is out of range";
}

const char *validate_field_reason(const char *reason)
{
	return validate_text(reason, REASON_MAX) ? NULL
						 : "the reason is too long or not plain text";
}

const char *validate_field_disks(Vmreplica__Wire__Disk *const *disks, size_t count)
{
	if (count == 0 || count > DISKS_MAX) {
		return "the number of disks is out of range";
	}
	for (size_t i = 0; i < count; i++) {
		if (!validate_disk_name(disks[i]->name)) {
			return "a disk's name is malformed";
		}
		if (disks[i]->size_bytes == 0 || disks[i]->size_bytes > DISK_SIZE_MAX) {
			return "a disk's size is out of range";
		}
		for (size_t j = 0; j < i; j++) {
			if (strcmp(disks[i]->name, disks[j]->name) == 0) {
				return "two disks have the same name";
			}
		}
	}
	return NULL;
}

const char *validate_field_epoch(const Vmreplica__Epoch *epoch)
{
	if (epoch == NULL) {
		return "the epoch is missing";
	}
	if (!validate_lineage(epoch->lineage)) {
		return "the epoch's lineage is malformed";
	}
	return validate_field_site(epoch->site);
}

const char *validate_field_seq(uint64_t seq)
{
	return seq <= SEQ_MAX ? NULL : "the cycle's number is out of range";
}

const char *validate_field_time(int64_t time_ms)
{
	return time_ms >= 0 && time_ms <= TIME_MS_MAX ? NULL : "the time is out of range";
}

const char *validate_field_cut(const Vmreplica__Cut *cut)
{
	if (!validate_cut_id(cut->cut_id)) {
		return "the cut id is malformed";
	}
	if (validate_field_seq(cut->seq) != NULL || validate_field_time(cut->time_ms) != NULL) {
		return "the cut's number or time is out of range";
	}
	/* An initial cycle goes straight into the base and has no log. */
	return cut->log_hash.len == 0 || cut->log_hash.len == LOG_HASH_LEN
		       ? NULL
		       : "the log's hash is malformed";
}

const char *validate_field_mode(Vmreplica__Wire__Mode mode)
{
	switch (mode) {
	case VMREPLICA__WIRE__MODE__MODE_INITIAL:
	case VMREPLICA__WIRE__MODE__MODE_DELTA:
	case VMREPLICA__WIRE__MODE__MODE_RESYNC:
		return NULL;
	default:
		return "the mode is unknown";
	}
}

const char *validate_field_mark(const Vmreplica__Wire__Mark *mark)
{
	if (mark == NULL) {
		return "the mark is missing";
	}
	if (!validate_cut_id(mark->cut_id)) {
		return "the mark's cut id is malformed";
	}
	if (validate_field_seq(mark->seq) != NULL || mark->disk > DISKS_MAX || mark->offset > DISK_SIZE_MAX) {
		return "the mark is out of range";
	}
	return validate_field_mode(mark->mode);
}
