/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proto/names.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "proto/validate.h"

#define CHECKPOINT_PREFIX "vmreplica-"

const char *role_to_string(Vmreplica__Role role)
{
	switch (role) {
	case VMREPLICA__ROLE__ROLE_PRIMARY:
		return "primary";
	case VMREPLICA__ROLE__ROLE_REPLICA:
		return "replica";
	default:
		return "unknown";
	}
}

const char *state_to_string(Vmreplica__State state)
{
	static const char *const words[] = {
		[VMREPLICA__STATE__STATE_DISABLED] = "Disabled",
		[VMREPLICA__STATE__STATE_READY_FOR_INITIAL_REPLICATION] =
			"ReadyForInitialReplication",
		[VMREPLICA__STATE__STATE_WAITING_FOR_INITIAL_REPLICATION] =
			"WaitingForInitialReplication",
		[VMREPLICA__STATE__STATE_REPLICATING] = "Replicating",
		[VMREPLICA__STATE__STATE_SYNCED_REPLICATION_COMPLETE] = "SyncedReplicationComplete",
		[VMREPLICA__STATE__STATE_RECOVERED] = "Recovered",
		[VMREPLICA__STATE__STATE_COMMITTED] = "Committed",
		[VMREPLICA__STATE__STATE_SUSPENDED] = "Suspended",
		[VMREPLICA__STATE__STATE_CRITICAL] = "Critical",
		[VMREPLICA__STATE__STATE_WAITING_FOR_RESYNCHRONIZE] = "WaitingForResynchronize",
		[VMREPLICA__STATE__STATE_RESYNCHRONIZING] = "Resynchronizing",
		[VMREPLICA__STATE__STATE_RESYNCHRONIZE_SUSPENDED] = "ResynchronizeSuspended",
		[VMREPLICA__STATE__STATE_INITIAL_REPLICATION] = "InitialReplication",
	};

	/* A newer peer may know more states than we do. */
	return (size_t)state < sizeof(words) / sizeof(words[0]) ? words[state] : "Unknown";
}

const char *health_to_string(Vmreplica__Health health)
{
	switch (health) {
	case VMREPLICA__HEALTH__HEALTH_OK:
		return "OK";
	case VMREPLICA__HEALTH__HEALTH_WARNING:
		return "Warning";
	case VMREPLICA__HEALTH__HEALTH_CRITICAL:
		return "Critical";
	default:
		return "NotApplicable";
	}
}

static int name_random(uint8_t *bytes, size_t len)
{
	ssize_t n;

	/* Requests of up to 256 bytes come whole, once the pool is ready (getrandom(2)). */
	do {
		n = getrandom(bytes, len, 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0) {
		return -errno;
	}
	return (size_t)n == len ? 0 : -EIO;
}

int name_make_cut_id(char ret_cut_id[CUT_ID_LEN + 1])
{
	uint8_t bytes[CUT_ID_LEN / 2];
	int r = name_random(bytes, sizeof(bytes));

	for (size_t i = 0; r == 0 && i < sizeof(bytes); i++) {
		snprintf(ret_cut_id + 2 * i, 3, "%02x", bytes[i]);
	}
	return r;
}

int name_make_uuid(char ret_uuid[RELATIONSHIP_LEN + 1])
{
	uint8_t b[16];
	int r = name_random(b, sizeof(b));

	if (r < 0) {
		return r;
	}
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x40); /* version 4 */
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80); /* RFC 4122's variant */
	snprintf(ret_uuid, RELATIONSHIP_LEN + 1,
		 "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
		 b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
		 b[15]);
	return 0;
}

char *checkpoint_name_format(const struct checkpoint_name *name, char buf[CHECKPOINT_NAME_LEN])
{
	snprintf(buf, CHECKPOINT_NAME_LEN, CHECKPOINT_PREFIX "%s-%" PRIu64 "-%" PRIu64 "-%s",
		 name->relationship, name->epoch, name->seq, name->cut_id);
	return buf;
}

/* A decimal number in its one canonical form, followed by '-'. Returns what follows, or NULL. */
static const char *name_take_number(const char *text, uint64_t *ret_number)
{
	uint64_t number = 0;
	size_t digits = strspn(text, "0123456789");

	if (digits == 0 || (digits > 1 && text[0] == '0') || text[digits] != '-') {
		return NULL;
	}
	for (size_t i = 0; i < digits; i++) {
		if (__builtin_mul_overflow(number, 10u, &number) ||
		    __builtin_add_overflow(number, (uint64_t)(text[i] - '0'), &number)) {
			return NULL;
		}
	}
	*ret_number = number;
	return text + digits + 1;
}

bool checkpoint_name_parse(const char *text, struct checkpoint_name *ret_name)
{
	struct checkpoint_name name = {0};

	if (strncmp(text, CHECKPOINT_PREFIX, strlen(CHECKPOINT_PREFIX)) != 0) {
		return false;
	}
	text += strlen(CHECKPOINT_PREFIX);
	if (strnlen(text, RELATIONSHIP_LEN + 1) <= RELATIONSHIP_LEN ||
	    text[RELATIONSHIP_LEN] != '-') {
		return false;
	}
	memcpy(name.relationship, text, RELATIONSHIP_LEN);
	text = name_take_number(text + RELATIONSHIP_LEN + 1, &name.epoch);
	if (text != NULL) {
		text = name_take_number(text, &name.seq);
	}
	if (text == NULL || !validate_uuid(name.relationship) || !validate_cut_id(text)) {
		return false;
	}
	memcpy(name.cut_id, text, CUT_ID_LEN);
	*ret_name = name;
	return true;
}
