/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A planned failover after its point of no return: this side becomes the replica. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "engine/become_replica.h"
#include "engine/epoch.h"
#include "engine/give_way_keep.h"
#include "engine/host_vm.h"
#include "engine/planned.h"
#include "engine/replica.h"
#include "engine/source_define.h"

#define POLL_MS		    1000
#define REVERSE_LIMIT_MS    (10 * 60 * 1000)
#define LOOKS_BEFORE_DIGEST 5u /* libvirt or the image may be busy for a moment */

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

/* Without the cut of the final cycle nothing can be known of what came after it. */
static int role_run(void *arg)
{
	struct planned *planned = arg;
	struct give_way *way = planned->way;
	int result;

	if (planned->handover.seq > 0) {
		result = give_way_read(way);
		snprintf(planned->text, sizeof(planned->text), "%s", way->text);
		return result;
	}
	way->adopt = (struct adopt_order){.digest = true, .cut_id = "0000000000000000"};
	result = undefine_run(planned); /* without a cluster its definition is saved with that */
	if (result == 0) {
		result = give_way_keep_definition(way);
		snprintf(planned->text, sizeof(planned->text), "%s", way->text);
	}
	return result;
}

/* Nobody should have written to the disks since the final cycle; who did all the same is heard:
 * what is different travels. */
static void role_read_cb(void *arg, int result)
{
	struct planned *planned = arg;
	struct give_way *way = planned->way;

	if (result < 0 || (way->adopt.digest && planned->handover.seq > 0 &&
			   ++planned->looks < LOOKS_BEFORE_DIGEST)) {
		planned->busy = false;
		planned_later(planned, POLL_MS, 0, "%s", planned->text);
		return;
	}
	if (way->adopt.digest) {
		failover_job_note(planned->job, "everything will be compared: %s",
				  way->text[0] != '\0' ? way->text
						       : "the final cycle is not known any more");
	} else if (way->bytes > 0) {
		engine_event(planned->engine, "warning", planned->contact.vm,
			     "somebody wrote to its disks after the final cycle: %" PRIu64
			     " KiB will be sent back by the other side",
			     way->bytes >> 10);
	}
	become_replica_switch(planned->engine, &planned->contact, planned->peer_site,
			      &planned->order.epoch, &way->adopt, way->definition, NULL, role_cb,
			      planned);
}

/* Known here since the other side took it: then this side does not become the replica in an epoch
 * that is over. */
static bool is_overtaken(struct planned *planned)
{
	struct epoch known;

	engine_epoch_known(planned->engine, planned->contact.relationship,
			   planned->engine->config->site, &known);
	if (known.number <= planned->order.epoch.number) {
		return false;
	}
	planned->lost = known;
	planned_event(planned, epoch_is_held_by(&known, planned->engine->config->site)
				       ? PLANNED_EVENT_GRANTED
				       : PLANNED_EVENT_LOST);
	return true;
}

void planned_step_role(struct planned *planned)
{
	char error[REASON_MAX];

	if (is_overtaken(planned)) {
		return;
	}
	if (planned->way == NULL) {
		planned->way =
			give_way_new(planned->engine, &planned->contact, planned->peer_site, error);
	}
	if (planned->way == NULL) {
		planned_later(planned, POLL_MS, 0, "this side cannot become the replica yet: %s",
			      error);
		return;
	}
	planned->way->from_seq = planned->way->last_seq = planned->handover.seq;
	memcpy(planned->way->from_cut_id, planned->handover.cut_id,
	       sizeof(planned->way->from_cut_id));
	memcpy(planned->way->last_cut_id, planned->handover.cut_id,
	       sizeof(planned->way->last_cut_id));
	planned_work(planned, role_run, role_read_cb);
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

void planned_step_overtaken(struct planned *planned)
{
	snprintf(planned->reason, sizeof(planned->reason),
		 "no cycle came from there before another failover was ordered here");
	planned_event(planned, PLANNED_EVENT_DONE);
}

void planned_step_reverse(struct planned *planned)
{
	const Vmreplica__VmStatus *status = replica_status(planned);

	if (planned_is_overtaken(planned)) {
		planned_step_overtaken(planned);
	} else if (status != NULL && status->seq > planned->handover.seq) {
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
