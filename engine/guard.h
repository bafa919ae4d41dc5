/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What ocf:vmreplica:guard asks before a VM may start on this side: does the other side hold a
 * higher epoch, or was the VM handed over to it? On a side that is the replica only a failover to
 * here starts it, which leaves this side's epoch in the settings with the same change; until then
 * its resource is disabled. A guard that failed there all the time would make a failover wait, so
 * it refuses only when somebody has enabled the VM by hand, or when the other side, asked because
 * the VM has failed over to here, has failed over to itself since. Its silence is no reason to
 * wait: that is what a failover is for.
 */
#ifndef VMR_ENGINE_GUARD_H
#define VMR_ENGINE_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cluster/epoch.h"

struct guard_facts {
	bool vm_runs;	    /* in this cluster: what runs is not asked about */
	bool is_replica;    /* this side's resource says role=replica */
	bool is_disabled;   /* the VM's resource has target-role=Stopped */
	bool handed_over;   /* a handover stands here */
	struct epoch known; /* the highest known here */
	const char *site;   /* ours */
	const char *vm;
	bool peer_answered;
	struct epoch peer; /* the highest known there; number 0: it knows none */
	bool peer_takes;   /* it is taking the VM over at this moment, in an epoch yet to be told */
	const char *silence; /* why the other side did not answer; "": it was not asked */
};

enum guard_answer {
	GUARD_MAY_START,
	GUARD_REFUSED,
	GUARD_SILENT, /* as far as is known here it may, but the other side does not answer */
};

/* A VM that is off and disabled is no reason to fail for so long: it is changing sides. */
#define GUARD_PATIENCE_MS 60000

/* Does a started guard's monitor fail, and so withdraws? refused_ms: for how long it has been
 * refused, as of now. Never while the VM may run: nothing is stopped by that. */
bool guard_monitor_fails(const struct guard_facts *facts, enum guard_answer verdict,
			 bool vm_is_stopped, int64_t refused_ms);

/* The verdict, with a sentence for people in text. Pure. */
enum guard_answer guard_judge(const struct guard_facts *facts, char *text, size_t size);

#endif
