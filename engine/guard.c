/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/guard.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

__attribute__((format(printf, 4, 5))) static enum guard_answer
say(enum guard_answer answer, char *text, size_t size, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(text, size, format, args);
	va_end(args);
	return answer;
}

static enum guard_answer say_lost(const struct guard_facts *facts, const struct epoch *epoch,
				  char *text, size_t size)
{
	return say(GUARD_REFUSED, text, size,
		   "%s was failed over: %s holds epoch %" PRIu64
		   ". Make this side the replica: vmreplica reverse %s there",
		   facts->vm, epoch->site, epoch->number, facts->vm);
}

/* With what the other side says. */
static enum guard_answer judge_answered(const struct guard_facts *facts, char *text, size_t size)
{
	switch (epoch_judge(&facts->known, &facts->peer, facts->site)) {
	case EPOCH_LOST:
		return say_lost(facts, &facts->peer, text, size);
	case EPOCH_CONFLICT:
		return say(GUARD_REFUSED, text, size,
			   "both sides of %s were failed over to an epoch %" PRIu64
			   " of their own: decide which data is right, and fail over there once "
			   "more (vmreplica failover %s --unplanned --force)",
			   facts->vm, facts->peer.number, facts->vm);
	case EPOCH_FAR:
		return say(GUARD_REFUSED, text, size,
			   "the other side tells of epoch %" PRIu64
			   " of %s, this side knows %" PRIu64
			   ": that is not believed. Look at the other side (vmreplica status %s "
			   "there); when the VM surely does not run there, stop its broker, and "
			   "this start counts as one with the other side silent",
			   facts->peer.number, facts->vm, facts->known.number, facts->vm);
	case EPOCH_GRANTED:
		return say(GUARD_MAY_START, text, size,
			   "the other side gave %s back in epoch %" PRIu64, facts->vm,
			   facts->peer.number);
	case EPOCH_KEEP:
		break;
	}
	if (facts->peer_takes) {
		return say(GUARD_REFUSED, text, size,
			   "the other side is taking %s over at this moment: vmreplica jobs there "
			   "shows how far it is",
			   facts->vm);
	}
	if (facts->known.number > 0 && !epoch_is_held_by(&facts->known, facts->site)) {
		return say_lost(facts, &facts->known, text, size);
	}
	if (facts->handed_over) {
		return say(GUARD_REFUSED, text, size,
			   "%s is being handed over to the other side, which has not taken it yet: "
			   "vmreplica jobs shows the planned failover, vmreplica failover %s "
			   "--cancel takes it back",
			   facts->vm, facts->vm);
	}
	return say(GUARD_MAY_START, text, size, "%s is the primary in epoch %" PRIu64, facts->vm,
		   facts->known.number);
}

static enum guard_answer judge_replica(const struct guard_facts *facts, char *text, size_t size)
{
	if (facts->peer_answered &&
	    epoch_judge(&facts->known, &facts->peer, facts->site) == EPOCH_LOST) {
		return say_lost(facts, &facts->peer, text, size);
	}
	if (facts->known.number > 0 && epoch_is_held_by(&facts->known, facts->site)) {
		return say(GUARD_MAY_START, text, size,
			   "%s has failed over to here in epoch %" PRIu64, facts->vm,
			   facts->known.number);
	}
	if (facts->is_disabled) {
		return say(GUARD_MAY_START, text, size,
			   "%s is a replica here and disabled: only a failover starts it",
			   facts->vm);
	}
	return say(GUARD_REFUSED, text, size,
		   "%s is a replica here: %s holds epoch %" PRIu64
		   ", and only a failover starts it (vmreplica failover %s). Disable its resource "
		   "again: pcs resource disable",
		   facts->vm, facts->known.site, facts->known.number, facts->vm);
}

enum guard_answer guard_judge(const struct guard_facts *facts, char *text, size_t size)
{
	if (facts->vm_runs) {
		return say(GUARD_MAY_START, text, size, "%s runs here already", facts->vm);
	}
	if (facts->is_replica) {
		return judge_replica(facts, text, size);
	}
	if (facts->peer_answered) {
		return judge_answered(facts, text, size);
	}
	if (facts->known.number > 0 && !epoch_is_held_by(&facts->known, facts->site)) {
		return say_lost(facts, &facts->known, text, size);
	}
	if (facts->handed_over && facts->silence[0] == '\0') {
		return say(GUARD_REFUSED, text, size,
			   "%s is being handed over to the other side: vmreplica jobs shows how far "
			   "that is",
			   facts->vm);
	}
	if (facts->handed_over) {
		return say(
			GUARD_REFUSED, text, size,
			"%s was being handed over to the other side, which does not answer (%s): "
			"whether it runs there is not known. When it surely does not: vmreplica "
			"failover %s --cancel --force",
			facts->vm, facts->silence, facts->vm);
	}
	return say(GUARD_SILENT, text, size,
		   "whether %s was failed over is not known, the other side does not answer: %s",
		   facts->vm, facts->silence);
}

bool guard_monitor_fails(const struct guard_facts *facts, enum guard_answer verdict,
			 bool vm_is_stopped, int64_t refused_ms)
{
	return verdict == GUARD_REFUSED && vm_is_stopped &&
	       (!facts->is_disabled || refused_ms >= GUARD_PATIENCE_MS);
}
