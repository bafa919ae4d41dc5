/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proto/validate_order.h"

#include <ctype.h>
#include <string.h>

#include "common/dns_name.h"
#include "proto/limits.h"
#include "proto/validate.h"
#include "proto/validate_fields.h"
#include "proto/wire.pb-c.h"

#define ADDRESS_MAX  260u
#define JOB_ID_MAX   16u
#define RETRY_MAX_MS (24u * 3600u * 1000u)
#define EXTENT_BYTES 16u

const char *validate_order_address(const char *address)
{
	size_t len = strlen(address);

	if (len > ADDRESS_MAX) {
		return "the broker's address is too long";
	}
	for (size_t i = 0; i < len; i++) {
		if (!isalnum((unsigned char)address[i]) && strchr(".-:[]", address[i]) == NULL) {
			return "the broker's address is malformed";
		}
	}
	return NULL;
}

static const char *check_optional_cut(const Vmreplica__Cut *cut)
{
	return cut == NULL ? NULL : validate_field_cut(cut);
}

static const char *check_optional_epoch(const Vmreplica__Epoch *epoch)
{
	return epoch == NULL ? NULL : validate_field_epoch(epoch);
}

static const char *check_optional_cut_id(const char *cut_id)
{
	return cut_id[0] == '\0' || validate_cut_id(cut_id) ? NULL : "the cut id is malformed";
}

static const char *check_storage(const char *storage)
{
	return storage[0] == '\0' || validate_absolute_path(storage)
		       ? NULL
		       : "the storage is not an absolute path";
}

static const char *check_job(const char *job)
{
	return validate_text(job, JOB_ID_MAX) ? NULL : "the job's id is malformed";
}

const char *validate_query(const struct frame *frame)
{
	const Vmreplica__Wire__Query *m = (const void *)frame->message;

	return validate_field_version(m->version)
		       ?: validate_field_relationship(m->relationship)
		       ?: validate_field_site(m->site)
		       ?: check_optional_epoch(m->epoch);
}

const char *validate_query_answer(const struct frame *frame)
{
	const Vmreplica__Wire__QueryAnswer *m = (const void *)frame->message;

	if (m->node[0] != '\0' && !dns_name_is_valid(m->node)) {
		return "the node's name is malformed";
	}
	if (m->site[0] != '\0' && validate_field_site(m->site) != NULL) {
		return "the site's name is malformed";
	}
	return check_optional_epoch(m->epoch)
		       ?: check_optional_cut_id(m->cut_id)
		       ?: check_job(m->job)
		       ?: check_storage(m->storage)
		       ?: validate_field_reason(m->reason);
}

const char *validate_order(const struct frame *frame)
{
	const Vmreplica__Wire__Order *m = (const void *)frame->message;

	if (m->kind <= VMREPLICA__WIRE__ORDER_KIND__ORDER_NONE ||
	    m->kind > VMREPLICA__WIRE__ORDER_KIND__ORDER_STAY) {
		return "no such order";
	}
	return validate_field_version(m->version)
		       ?: validate_field_relationship(m->relationship)
		       ?: validate_field_site(m->site)
		       ?: check_optional_epoch(m->epoch)
		       ?: check_optional_cut(m->cut)
		       ?: check_optional_cut_id(m->last_cut_id)
		       ?: check_storage(m->storage)
		       ?: check_job(m->job)
		       ?: validate_order_address(m->peer_address);
}

const char *validate_ordered(const struct frame *frame)
{
	const Vmreplica__Wire__Ordered *m = (const void *)frame->message;

	if (m->retry_ms > RETRY_MAX_MS) {
		return "the time to the next try is out of range";
	}
	return check_optional_epoch(m->epoch)
		       ?: check_optional_cut(m->cut)
		       ?: check_job(m->job)
		       ?: validate_field_reason(m->text);
}

/* Ascending, not empty, inside the largest disk; the disk itself is for who has its size. */
const char *validate_extents(const struct frame *frame)
{
	const Vmreplica__Wire__Extents *m = (const void *)frame->message;

	if (m->disk >= DISKS_MAX || m->count == 0 || m->count > EXTENTS_COUNT_MAX) {
		return "the disk or the count is out of range";
	}
	return frame->payload_len == (uint64_t)m->count * EXTENT_BYTES
		       ? NULL
		       : "the payload is not as long as the count says";
}
