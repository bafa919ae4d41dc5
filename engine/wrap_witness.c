/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/wrap_witness.h"

#include <stdio.h>
#include <string.h>

/* How soon after its end the last word of a VM's bitmaps is taken, if the end was for that. */
#define LAST_LIMIT_MS (15 * 60 * 1000)

static const char *const state_names[] = {
	[WRAP_NONE] = "none",	  [WRAP_CLOSED] = "closed", [WRAP_OPEN] = "open",
	[WRAP_MOVING] = "moving", [WRAP_HANDED] = "handed", [WRAP_DOUBT] = "doubt",
};

const char *wrap_state_to_string(enum wrap_state state)
{
	return state_names[state];
}

enum wrap_state wrap_state_from_string(const char *text)
{
	for (size_t i = WRAP_CLOSED; i < sizeof(state_names) / sizeof(state_names[0]); i++) {
		if (strcmp(state_names[i], text) == 0) {
			return (enum wrap_state)i;
		}
	}
	return WRAP_NONE;
}

const char *wrap_event_to_string(enum wrap_event event)
{
	static const char *const names[] = {
		[WRAP_EVENT_START] = "start",
		[WRAP_EVENT_ARRIVE] = "arrive",
		[WRAP_EVENT_END] = "end",
		[WRAP_EVENT_RUNNING] = "running",
		[WRAP_EVENT_OFF] = "off",
		[WRAP_EVENT_SETTLED_RUNNING] = "settled-running",
		[WRAP_EVENT_SETTLED_OFF] = "settled-off",
		[WRAP_EVENT_HAND] = "hand",
		[WRAP_EVENT_LAST] = "last",
	};

	return names[event];
}

static void become_doubt(struct wrap_record *next, const struct wrap_look *now, const char *why)
{
	next->state = WRAP_DOUBT;
	next->look = *now;
	next->previous[0] = '\0';
	snprintf(next->why, sizeof(next->why), "%s", why);
}

static void become_open(struct wrap_record *next, const char *node)
{
	*next = (struct wrap_record){.state = WRAP_OPEN};
	snprintf(next->node, sizeof(next->node), "%s", node);
}

static void become_closed(struct wrap_record *next, const struct wrap_look *now)
{
	if (!now->known) {
		become_doubt(next, now, "it could not be looked at when its VM ended");
		return;
	}
	*next = (struct wrap_record){.state = WRAP_CLOSED, .look = *now};
}

/* NULL when both looks are the same, else what differs. */
static const char *difference(const struct wrap_look *was, const struct wrap_look *now)
{
	if (!now->known) {
		return "it could not be looked at";
	}
	if (was->size_bytes != now->size_bytes) {
		return "its size has changed while its VM was off";
	}
	if (was->device == now->device && was->modified_ns != now->modified_ns) {
		return "it was written to while its VM was off";
	}
	if (memcmp(was->digest, now->digest, sizeof(was->digest)) != 0) {
		return "its content has changed while its VM was off";
	}
	return NULL;
}

/* The same for what only a device's counters can tell, or not even they. */
static const char *device_difference(const struct wrap_look *was, const struct wrap_look *now,
				     enum wrap_event event)
{
	const struct wrap_counters *before = &was->counters, *after = &now->counters;

	if (!was->device && !now->device) {
		return NULL;
	}
	if (event == WRAP_EVENT_START) {
		return "it is a block device: nobody knows what was written to it while its VM was "
		       "off";
	}
	if (!before->known || !after->known || strcmp(before->boot, after->boot) != 0 ||
	    before->number != after->number || before->disk_seq != after->disk_seq) {
		return "it is a block device, and this kernel has not watched it since its VM "
		       "ended";
	}
	if (memcmp(before->written, after->written, sizeof(before->written)) != 0) {
		return "it was written to while its VM was off";
	}
	if (event == WRAP_EVENT_LAST && after->at_ms - before->at_ms > LAST_LIMIT_MS) {
		return "it is a block device, and its VM has been off for long";
	}
	return NULL;
}

/* The VM is off; the record says how that came, or it does not. */
static void judge_off(const struct wrap_record *was, enum wrap_event event,
		      const struct wrap_look *now, struct wrap_record *next)
{
	const char *why = NULL;

	if (was->state == WRAP_CLOSED) {
		why = difference(&was->look, now);
		why = why == NULL ? device_difference(&was->look, now, event) : why;
	} else if (was->state == WRAP_NONE) {
		why = "no record tells how its VM left it";
	} else {
		why = "nobody saw how its VM left it";
	}
	if (why != NULL) {
		become_doubt(next, now, why);
	}
}

static void judge_start(const struct wrap_record *was, const char *node,
			const struct wrap_look *now, struct wrap_record *next)
{
	if (was->state == WRAP_MOVING && strcmp(was->node, node) == 0) {
		return; /* the migration that was announced */
	}
	if (was->state != WRAP_HANDED) {
		judge_off(was, WRAP_EVENT_START, now, next);
	}
	if (next->state != WRAP_DOUBT) {
		become_open(next, node);
	}
}

static void judge_arrival(const struct wrap_record *was, const char *node,
			  const struct wrap_look *now, struct wrap_record *next)
{
	if (was->state == WRAP_OPEN || was->state == WRAP_MOVING) {
		char from[sizeof(next->previous)];

		memcpy(from, was->state == WRAP_OPEN ? was->node : was->previous, sizeof(from));
		*next = (struct wrap_record){.state = WRAP_MOVING};
		snprintf(next->node, sizeof(next->node), "%s", node);
		memcpy(next->previous, from, sizeof(from));
	} else {
		become_doubt(next, now, "its VM ran without being seen (libvirt's hook)");
	}
}

/* A migration that ended before the engine here saw its VM has failed, as far as is known: if the
 * VM still runs at its source, that goes on; if not, its next start is doubted. */
static void judge_end(const struct wrap_record *was, const char *node, const struct wrap_look *now,
		      struct wrap_record *next)
{
	if (was->state == WRAP_OPEN && strcmp(was->node, node) == 0) {
		become_closed(next, now);
	} else if (was->state == WRAP_MOVING && strcmp(was->node, node) == 0) {
		become_open(next, was->previous);
	}
}

static void judge_running(const struct wrap_record *was, const char *node,
			  const struct wrap_look *now, struct wrap_record *next)
{
	bool here = strcmp(was->node, node) == 0;

	if (was->state == WRAP_HANDED ||
	    ((was->state == WRAP_OPEN || was->state == WRAP_MOVING) && here)) {
		become_open(next, node);
	} else if (was->state == WRAP_NONE) {
		become_doubt(next, now, "no record tells how its VM found it");
	} else {
		become_doubt(next, now,
			     "its VM started without libvirt's hook looking at it: is "
			     "/etc/libvirt/hooks/qemu.d/vmreplica there, and libvirtd younger?");
	}
}

static void judge(const struct wrap_record *was, enum wrap_event event, const char *node,
		  const struct wrap_look *now, struct wrap_record *next)
{
	switch (event) {
	case WRAP_EVENT_START:
		judge_start(was, node, now, next);
		break;
	case WRAP_EVENT_ARRIVE:
		judge_arrival(was, node, now, next);
		break;
	case WRAP_EVENT_END:
		judge_end(was, node, now, next);
		break;
	case WRAP_EVENT_RUNNING:
		judge_running(was, node, now, next);
		break;
	case WRAP_EVENT_OFF:
		/* Open: it is just starting, or has just ended. If nobody saw its end, its next
		 * start is doubted, and bitmaps that QEMU did not close are inconsistent anyway. */
		if (was->state == WRAP_CLOSED || was->state == WRAP_NONE) {
			judge_off(was, event, now, next);
		}
		break;
	case WRAP_EVENT_LAST:
		if (was->state != WRAP_HANDED) {
			judge_off(was, event, now, next);
		}
		break;
	default:
		break;
	}
}

static bool same_counters(const struct wrap_counters *a, const struct wrap_counters *b)
{
	return a->known == b->known && strcmp(a->boot, b->boot) == 0 && a->number == b->number &&
	       a->disk_seq == b->disk_seq && a->at_ms == b->at_ms &&
	       memcmp(a->written, b->written, sizeof(a->written)) == 0;
}

static bool same(const struct wrap_record *a, const struct wrap_record *b)
{
	return a->state == b->state && strcmp(a->node, b->node) == 0 &&
	       strcmp(a->previous, b->previous) == 0 && strcmp(a->why, b->why) == 0 &&
	       a->look.known == b->look.known && a->look.size_bytes == b->look.size_bytes &&
	       a->look.modified_ns == b->look.modified_ns &&
	       memcmp(a->look.digest, b->look.digest, sizeof(a->look.digest)) == 0 &&
	       same_counters(&a->look.counters, &b->look.counters);
}

bool wrap_witness_next(const struct wrap_record *was, enum wrap_event event, const char *node,
		       const struct wrap_look *now, struct wrap_record *ret_next)
{
	const struct wrap_record before = *was;
	struct wrap_record next = before;

	if (event == WRAP_EVENT_SETTLED_RUNNING) {
		become_open(&next, node);
	} else if (event == WRAP_EVENT_SETTLED_OFF && before.state == WRAP_DOUBT) {
		/* as it was before the cut: a change since then is found at the next look */
		become_closed(&next, &before.look);
	} else if (event == WRAP_EVENT_HAND) {
		next = (struct wrap_record){.state = WRAP_HANDED};
	} else if (before.state != WRAP_DOUBT) {
		judge(&before, event, node, now, &next);
	} else if ((event == WRAP_EVENT_OFF || event == WRAP_EVENT_LAST) && now->known) {
		next.look = *now; /* what a cut that begins now will hold */
	}
	*ret_next = next;
	return !same(&before, &next);
}

bool wrap_witness_needs_look(const struct wrap_record *was, enum wrap_event event, const char *node)
{
	switch (event) {
	case WRAP_EVENT_START:
		return was->state == WRAP_CLOSED;
	case WRAP_EVENT_OFF:
	case WRAP_EVENT_LAST:
		return was->state == WRAP_CLOSED || was->state == WRAP_NONE ||
		       was->state == WRAP_DOUBT;
	case WRAP_EVENT_END:
		return was->state == WRAP_OPEN && strcmp(was->node, node) == 0;
	default:
		return false;
	}
}
