/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A commit's last step: the chain of images is made short (chain_merge.h). It takes as long as the
 * layers are large, and gives way to whatever else is ordered.
 *
 * In a cluster the VM merges them itself, while it runs: what is being merged cannot be started.
 * And it may be moved at any moment, but no live migration goes beside a merge: so for this long
 * Pacemaker stops our resource first (CIB_FOLLOW_MOVES), which is stopped once the merge has ended.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/placement.h"
#include "common/clock.h"
#include "engine/chain_merge.h"
#include "engine/failover.h"
#include "engine/replica_takeover.h"

#define LIMIT_MS      86400000 /* libvirt away, a backup job in the way */
#define LOOK_AGAIN_MS 2000
#define SETTLE_MS     5000 /* a placement that nothing has changed since is not read again */

struct consolidate_job {
	struct failover *failover; /* not touched on the worker */
	struct chain_merge merge;
	atomic_bool stop;
};

static int consolidate_run(void *arg)
{
	struct consolidate_job *job = arg;

	return chain_merge_run(&job->merge);
}

/* The receiver looks for itself before it removes a layer. */
static void merged_cb(void *arg, const Vmreplica__Ipc__StoreTaken *answer)
{
	struct failover *failover = arg;

	if (answer->working) {
		return;
	}
	failover->busy = false;
	if (answer->error != 0) {
		failover_later(failover, LOOK_AGAIN_MS, LIMIT_MS,
			       "vmreplica failover --commit goes on with it",
			       "the merged layers are not removed yet: %s", answer->text);
		return;
	}
	snprintf(failover->outcome, sizeof(failover->outcome), "the failover of %s is final",
		 failover->vm);
	failover_done(failover);
}

static void tell_merged(struct failover *failover)
{
	Vmreplica__Ipc__StoreTakeoverEnd request = VMREPLICA__IPC__STORE_TAKEOVER_END__INIT;
	struct replica *replica = failover_replica(failover);
	int result = -ENOTCONN;

	request.end = VMREPLICA__IPC__TAKEOVER_END__TAKEOVER_MERGED;
	if (replica != NULL) {
		failover->busy = true;
		result = replica_takeover_end(replica, &request, merged_cb, failover);
	}
	if (result < 0) {
		failover->busy = false;
		failover_later(failover, LOOK_AGAIN_MS, LIMIT_MS,
			       "vmreplica status shows why the store is not open",
			       "the replica's store is not open at the moment");
	}
}

static void consolidate_gave_way(struct failover *failover)
{
	failover_failed(
		failover, -ECANCELED,
		"vmreplica failover --commit goes on with it; after a reverse it goes on by "
		"itself",
		"the merging of images is ended for another order");
}

static void consolidate_done(void *arg, int result)
{
	struct consolidate_job *job = arg;
	struct failover *failover = job->failover;

	failover->busy = false;
	failover->consolidating = NULL;
	if (result == 0) {
		tell_merged(failover);
	} else if (failover->gives_way) {
		consolidate_gave_way(failover);
	} else if (chain_merge_is_hopeless(result)) {
		failover_failed(
			failover, result,
			"the VM runs on as it is; see to it, then vmreplica failover --commit "
			"again",
			"the images are not merged: %s", job->merge.error);
	} else {
		failover_later(failover, LOOK_AGAIN_MS, LIMIT_MS,
			       "vmreplica failover --commit goes on with it",
			       "the images are not merged yet: %s", job->merge.error);
	}
	free(job);
}

/* What the placement says against merging now; NULL: nothing. */
static const char *in_the_way(const struct failover *failover)
{
	struct cluster *cluster = &failover->engine->cluster;
	const Vmreplica__Ipc__CibResource *resource = failover_vm_resource(failover);
	const struct placement *placement = cluster->ops->placement(cluster);
	const struct placement_resource *found =
		engine_find_place(failover->engine, resource != NULL ? resource->id : NULL);

	/* a transition that was under way before we were bound may move it still */
	if (placement == NULL || (placement->read_ms < failover->bound_ms &&
				  clock_monotonic_ms() - failover->bound_ms < SETTLE_MS)) {
		return "Pacemaker has not said yet where the VM runs";
	}
	if (found == NULL || found->node == NULL) {
		return "the VM does not run: its images are merged once it does";
	}
	if (found->state != PLACEMENT_RUNNING) {
		return "Pacemaker is at work on the VM";
	}
	return strcmp(found->node, failover->engine->config->node) == 0
		       ? NULL
		       : "the VM runs on another node than the one that has the replica's store: "
			 "move the VM or the replica (pcs resource move), so that both are on one";
}

/* ---- bound to the VM's moves ---- */

static void bound_cb(void *arg, int error, const char *text)
{
	struct failover *failover = arg;

	failover->busy = false;
	if (error == 0) {
		failover->bound_ms = clock_monotonic_ms();
		engine_wake(failover->engine);
	} else {
		failover_later(
			failover, LOOK_AGAIN_MS, LIMIT_MS,
			"vmreplica failover --commit goes on with it",
			"the replica's resource cannot be ordered before the VM's moves yet: "
			"%s",
			text);
	}
}

static void bind_to_moves(struct failover *failover, struct replica *replica)
{
	Vmreplica__Ipc__CibSwitch request = VMREPLICA__IPC__CIB_SWITCH__INIT;
	const Vmreplica__Ipc__CibResource *resource = failover_vm_resource(failover);
	struct cluster *cluster = &failover->engine->cluster;
	int result;

	if (resource == NULL) {
		failover_later(failover, LOOK_AGAIN_MS, LIMIT_MS,
			       "vmreplica failover --commit goes on with it",
			       "the VM's resource is not there at the moment");
		return;
	}
	request.resource = replica->settings.resource;
	request.vm_resource = resource->id;
	request.follow = VMREPLICA__IPC__CIB_FOLLOW__CIB_FOLLOW_MOVES;
	failover->busy = true;
	result = cluster->ops->switch_role(cluster, &request, bound_cb, failover);
	if (result < 0) {
		bound_cb(failover, result, "Pacemaker is not reached");
	}
}

/* ---- the step ---- */

void failover_consolidate_stop(struct failover *failover)
{
	if (failover->consolidating != NULL) {
		failover->consolidating->stop = true;
	}
}

bool failover_give_way(struct engine *engine, const char *relationship)
{
	struct failover *failover = failover_find(engine, relationship);

	if (failover == NULL || failover->state.step != STEP_CONSOLIDATE) {
		return false;
	}
	failover->gives_way = true;
	failover->retry_ms = 0;
	failover_consolidate_stop(failover);
	engine_wake(engine);
	return true;
}

static struct consolidate_job *job_new(struct failover *failover, const struct replica *replica)
{
	struct consolidate_job *job = calloc(1, sizeof(*job));

	if (job != NULL) {
		job->failover = failover;
		job->merge.libvirt = failover->engine->libvirt;
		job->merge.taken = failover->taken;
		job->merge.reserve_bytes = failover->engine->config->storage_reserve_bytes;
		job->merge.running_only = !failover->engine->config->standalone;
		job->merge.stop = &job->stop;
		snprintf(job->merge.store, sizeof(job->merge.store), "%s", replica->directory);
		replica_definition_vm(replica, job->merge.vm);
	}
	return job;
}

bool failover_consolidates(const struct engine *engine, const char *relationship)
{
	const struct failover *failover = failover_find(engine, relationship);

	return failover != NULL && failover->consolidating != NULL;
}

static void consolidate_begin(struct failover *failover, const struct replica *replica)
{
	struct consolidate_job *job = job_new(failover, replica);

	failover->consolidating = job;
	failover->busy = job != NULL;
	if (job == NULL || workers_submit(failover->engine->task_workers, consolidate_run,
					  consolidate_done, job) < 0) {
		free(job);
		failover->consolidating = NULL;
		failover->busy = false;
		failover_later(failover, FAILOVER_RETRY_MS, LIMIT_MS,
			       "vmreplica failover --commit goes on with it", "out of memory");
	}
}

void failover_step_consolidate(struct failover *failover)
{
	struct replica *replica = failover_replica(failover);
	bool in_cluster = !failover->engine->config->standalone;
	const char *reason;

	if (failover->gives_way) {
		consolidate_gave_way(failover);
	} else if (replica == NULL) {
		failover_later(failover, FAILOVER_RETRY_MS, LIMIT_MS,
			       "vmreplica status shows why the store is not open",
			       "the replica's store is not open at the moment");
	} else if (in_cluster && failover->bound_ms == 0) {
		bind_to_moves(failover, replica);
	} else if (in_cluster && (reason = in_the_way(failover)) != NULL) {
		failover_later(failover, LOOK_AGAIN_MS, LIMIT_MS,
			       "vmreplica failover --commit goes on with it", "%s", reason);
	} else {
		consolidate_begin(failover, replica);
	}
}
