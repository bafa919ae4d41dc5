/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A planned failover after its point of no return: this side becomes the replica. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "engine/become_replica.h"
#include "engine/host_vm.h"
#include "engine/planned.h"
#include "engine/replica.h"
#include "engine/source_define.h"

#define POLL_MS		 1000
#define REVERSE_LIMIT_MS (10 * 60 * 1000)

/* ---- 8 role ---- */

/* What stood for the last cycle. Without a cluster the VM's own, too: nobody starts it on disks
 * that a replica is to stand on. */
static int undefine_run(void *arg)
{
	struct planned *planned = arg;
	char path[PATH_LEN_MAX + 1];

	if (planned->engine->config->standalone) {
		return host_vm_forget(planned->engine->libvirt, planned->contact.vm,
				      host_vm_definition(planned->contact.relationship, path),
				      planned->text);
	}
	return source_undefine(planned->engine->libvirt, planned->contact.vm, planned->text);
}

static void role_cb(void *arg, int error, const char *text)
{
	struct planned *planned = arg;

	planned->busy = false;
	if (error < 0) {
		planned_later(planned, POLL_MS, 0, "this side cannot become the replica yet: %s",
			      text);
	} else {
		planned_event(planned, PLANNED_EVENT_DONE);
	}
}

static void undefined_role_cb(void *arg, int result)
{
	struct planned *planned = arg;
	struct adopt_order adopt = {.seq = planned->handover.seq};

	if (result < 0) {
		planned->busy = false;
		planned_later(planned, POLL_MS, 0, "%s", planned->text);
		return;
	}
	memcpy(adopt.cut_id, planned->handover.cut_id, sizeof(adopt.cut_id));
	adopt.digest = adopt.seq == 0; /* resumed, and what was committed is not known any more */
	if (adopt.digest) {
		snprintf(adopt.cut_id, sizeof(adopt.cut_id), "0000000000000000");
	}
	become_replica_switch(planned->engine, &planned->contact, planned->peer_site,
			      &planned->order.epoch, &adopt, role_cb, planned);
}

void planned_step_role(struct planned *planned)
{
	planned_work(planned, undefine_run, undefined_role_cb);
}

/* ---- 9 reverse replication ---- */

static const Vmreplica__VmStatus *replica_status(const struct planned *planned)
{
	const char *id = planned->contact.relationship;
	const struct replica *replica = engine_find_replica(planned->engine, id);
	const struct table_vm *heard =
		cluster_table_find(&planned->engine->table, id, VMREPLICA__ROLE__ROLE_REPLICA);

	return replica != NULL && replica->status != NULL ? replica->status
	       : heard != NULL				  ? heard->status
							  : NULL;
}

void planned_step_reverse(struct planned *planned)
{
	const Vmreplica__VmStatus *status = replica_status(planned);

	if (status != NULL && status->seq > planned->handover.seq) {
		planned_event(planned, PLANNED_EVENT_DONE);
	} else if (clock_monotonic_ms() - planned->step_ms > REVERSE_LIMIT_MS) {
		snprintf(planned->reason, sizeof(planned->reason),
			 "no cycle has come from there yet");
		snprintf(planned->advice, sizeof(planned->advice),
			 "vmreplica status on both sides says why");
		planned_event(planned, PLANNED_EVENT_DONE);
	} else {
		planned_later(planned, POLL_MS, 0, "the first cycle from %s is waited for",
			      planned->peer_site);
	}
}
