/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/replica.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "engine/announcer.h"
#include "engine/failover.h"
#include "engine/receiver_child.h"
#include "engine/relationship.h"
#include "engine/standing.h"
#include "engine/store_admit.h"
#include "engine/store_directory.h"
#include "engine/store_lock.h"
#include "engine/store_release.h"

#define REPLICA_RETRY_MS 5000
#define REPLICA_TAKE_MS	 20000 /* a receiver that an earlier engine left has half of it to end */

static void replica_answer_start(struct replica *replica, int error, const char *text)
{
	replica_done_cb done = replica->start_done;

	replica->start_done = NULL;
	if (done != NULL) {
		done(replica->start_arg, error, text);
	}
}

static void replica_answer_stop(struct replica *replica, int error, const char *text)
{
	replica_done_cb done = replica->stop_done;

	replica->stop_done = NULL;
	if (done != NULL) {
		done(replica->stop_arg, error, text);
	}
}

/* ---- opening ---- */

static void replica_send_open(struct replica *replica)
{
	Vmreplica__Ipc__StoreOpen open = VMREPLICA__IPC__STORE_OPEN__INIT;

	open.relationship = replica->settings.relationship;
	open.vm = replica->settings.vm;
	open.peer_site = replica->settings.peer;
	open.directory = replica->directory;
	open.frequency_s = replica->settings.frequency_s;
	open.resource = replica->settings.resource;
	open.suspended = replica->suspended;
	open.points = replica->settings.points;
	open.point_interval_s = replica->settings.point_interval_s;
	open.app_interval_s = replica->settings.app_interval_s;
	open.qemu_uid = replica->qemu_uid;
	replica->phase = REPLICA_OPENING;
	replica_adopt_send(replica);
	receiver_child_send(replica->engine->receiver, FRAME_STORE_OPEN, &open.base);
}

/* Without it the store still receives; a failover could not start the VM. */
static int qemu_admit(struct replica *replica)
{
	char error[SOURCE_ERROR_LEN];

	replica->qemu_uid = store_admit_user(replica->engine->libvirt);
	if (store_admit(replica->directory, replica->qemu_uid, error) < 0) {
		log_warning("%s: %s", replica->settings.vm, error);
	}
	return 0;
}

static int prepare_run(void *arg)
{
	struct replica *replica = arg;
	const struct vm_settings *settings = &replica->settings;
	struct passwd buffer, *user = NULL;
	char strings[1024];
	int result = store_lock_release(replica->directory, replica->engine->config->node,
					replica->spared, REPLICA_TAKE_MS, replica->task_error);

	if (result < 0) {
		return result;
	}
	getpwnam_r(ENGINE_GROUP, &buffer, strings, sizeof(strings), &user);
	if (user == NULL) {
		snprintf(replica->task_error, sizeof(replica->task_error),
			 "user %s does not exist: create it", ENGINE_GROUP);
		return -ENOENT;
	}
	result = store_directory_make(settings->storage, settings->peer, settings->vm,
				      settings->relationship, user->pw_uid, user->pw_gid,
				      replica->task_error);
	if (result == 0) {
		const struct adopted_users users = {
			.receiver = user->pw_uid,
			.qemu = store_admit_user(replica->engine->libvirt)};

		result = replica_adopt_lend(replica, &users, replica->task_error,
					    sizeof(replica->task_error));
	}
	store_reach_destroy(&replica->reach);
	if (result == 0) {
		result = store_reach_find(replica->directory, replica->adopt.disks,
					  replica->adopt.count, user->pw_uid, &replica->reach);
		if (result < 0) {
			snprintf(replica->task_error, sizeof(replica->task_error),
				 "%.300s cannot be looked at: %s", replica->directory,
				 strerror(-result));
		}
	}
	return result < 0 ? result : qemu_admit(replica);
}

static void replica_failed(struct replica *replica, int error, const char *text)
{
	replica->phase = REPLICA_FAILED;
	replica->retry_ms = clock_monotonic_ms() + REPLICA_RETRY_MS;
	snprintf(replica->error, sizeof(replica->error), "%s", text);
	engine_event(replica->engine, "error", replica->settings.vm,
		     "the replica's store cannot be opened: %s", replica->error);
	replica_answer_start(replica, error, replica->error);
	engine_changed(replica->engine);
}

static void prepare_done(void *arg, int result)
{
	struct replica *replica = arg;

	replica->busy = false;
	if (replica->stopping) {
		replica->phase = REPLICA_GONE; /* the receiver was told nothing of it */
	} else if (result < 0) {
		replica_failed(replica, result, replica->task_error);
	} else if (receiver_child_reaches(replica->engine->receiver, &replica->reach)) {
		replica_send_open(replica);
	} else {
		replica->phase = REPLICA_OPENING; /* sent when the receiver is ready */
	}
	replica_tick(replica, clock_monotonic_ms());
}

static void replica_prepare(struct replica *replica)
{
	replica_adopt_note(replica);
	replica->phase = REPLICA_PREPARING;
	replica->spared = receiver_child_pid(replica->engine->receiver);
	replica->busy = workers_submit(replica->engine->storage_workers, prepare_run, prepare_done,
				       replica) == 0;
}

/* What another node announced when it let the replica go. */
static void replica_recall(struct replica *replica)
{
	const struct table_vm *heard =
		cluster_table_find(&replica->engine->table, replica->settings.relationship,
				   VMREPLICA__ROLE__ROLE_REPLICA);

	if (heard == NULL) {
		return;
	}
	replica->last_pause_ms = heard->status->last_pause_ms;
	if (heard->detached_ms != 0 && strcmp(heard->node, replica->engine->config->node) != 0) {
		replica->moved_here = true;
		replica->detached_ms = heard->detached_ms;
	}
}

struct replica *replica_new(struct engine *engine, struct vm_settings *settings, int timeout_ms,
			    replica_done_cb done, void *arg)
{
	struct replica *replica = calloc(1, sizeof(*replica));

	if (replica == NULL) {
		return NULL;
	}
	replica->engine = engine;
	vm_settings_move(&replica->settings, settings);
	replica->start_done = done;
	replica->start_arg = arg;
	replica->deadline_ms = clock_monotonic_ms() + timeout_ms;
	replica->suspended = standing_is_suspended(engine, replica->settings.relationship);
	replica->definition = replica_definition_new(replica);
	replica_recall(replica);
	replica->next = engine->replicas;
	engine->replicas = replica;
	log_notice("%s: replica of %s attached here (%s)", replica->settings.vm,
		   replica->settings.peer, replica->settings.relationship);
	if (store_directory_path(replica->settings.storage, replica->settings.peer,
				 replica->settings.vm, replica->settings.relationship,
				 replica->directory, sizeof(replica->directory)) < 0) {
		replica_failed(replica, -EINVAL, "the store's path is too long");
		return replica;
	}
	replica_prepare(replica);
	return replica;
}

void replica_opened(struct replica *replica, int error, const char *text)
{
	int64_t now = clock_monotonic_ms();

	if (replica->phase != REPLICA_OPENING) {
		return;
	}
	if (error != 0) {
		replica_failed(replica, error < 0 ? error : -error, text);
		return;
	}
	replica->phase = REPLICA_OPEN;
	replica->error[0] = '\0';
	if (replica->moved_here) {
		replica->moved_here = false;
		replica->last_pause_ms = (uint64_t)(now - replica->detached_ms);
		engine_event(replica->engine, "notice", replica->settings.vm,
			     "the replica's store is open on this node, %llu ms after the other "
			     "let it go",
			     (unsigned long long)replica->last_pause_ms);
	}
	replica_answer_start(replica, 0, "");
	engine_changed(replica->engine);
}

void replica_receiver_ready(struct replica *replica)
{
	if (!replica->stopping && !replica->busy && replica->phase == REPLICA_OPENING &&
	    receiver_child_reaches(replica->engine->receiver, &replica->reach)) {
		replica_send_open(replica);
	}
}

void replica_receiver_lost(struct replica *replica)
{
	if (replica->stopping) {
		/* its hold on the store ended with the process */
		replica->phase = REPLICA_GONE;
		replica_tick(replica, clock_monotonic_ms());
	} else if (replica->phase == REPLICA_OPEN || replica->phase == REPLICA_OPENING) {
		replica->phase = REPLICA_OPENING;
	}
	engine_changed(replica->engine);
}

void replica_configure(struct replica *replica, struct vm_settings *settings)
{
	bool reopen = replica->settings.frequency_s != settings->frequency_s ||
		      replica->settings.points != settings->points ||
		      replica->settings.point_interval_s != settings->point_interval_s ||
		      replica->settings.app_interval_s != settings->app_interval_s ||
		      strcmp(replica->settings.peer, settings->peer) != 0;

	if (replica->busy || replica->stopping) {
		vm_settings_destroy(settings);
		return; /* it is read again by the next reload or start */
	}
	vm_settings_move(&replica->settings, settings);
	if (reopen && replica->phase == REPLICA_OPEN) {
		replica_send_open(replica);
	}
}

/* ---- closing ---- */

static void replica_detach(struct replica *replica)
{
	struct vm_status_frame frame;
	struct cluster *cluster = &replica->engine->cluster;

	replica->phase = REPLICA_GONE;
	replica->paused_since_ms = clock_wall_ms();
	replica_answer_start(replica, -ESHUTDOWN, "the replica is leaving this node");
	replica_fill_status(replica, &frame);
	announcer_add_detached(replica->engine->announcer, &frame.status);
	health_attribute_remove(&replica->attribute, cluster, replica->settings.resource);
	log_notice("%s: replica detached from this node", replica->settings.vm);
	replica_answer_stop(replica, replica->kept[0] != '\0' ? -EPERM : 0, replica->kept);
	engine_wake(replica->engine);
}

static void released_cb(void *arg, int error, const char *text)
{
	struct replica *replica = arg;

	replica->busy = false;
	if (error == 0) {
		replica_detach(replica);
		return;
	}
	log_error("%s: the replica is not let go: %s", replica->settings.vm, text);
	replica->retry_ms = clock_monotonic_ms() + REPLICA_RETRY_MS;
	replica_answer_stop(replica, error, text);
}

/* Our receiver has let it go, or was not asked: nobody else on this node may hold it either. */
static void replica_release(struct replica *replica, int64_t now_ms)
{
	replica->busy = true;
	store_release(replica->engine, replica->directory, replica->closed,
		      replica->deadline_ms - now_ms, released_cb, replica);
}

static void replica_send_close(struct replica *replica)
{
	Vmreplica__Ipc__StoreClose close_message = VMREPLICA__IPC__STORE_CLOSE__INIT;

	close_message.relationship = replica->settings.relationship;
	close_message.destroy = replica->destroy;
	replica->held = replica->phase == REPLICA_OPEN;
	replica->phase = REPLICA_CLOSING;
	if (receiver_child_send(replica->engine->receiver, FRAME_STORE_CLOSE, &close_message.base) <
	    0) {
		replica->phase = REPLICA_GONE; /* no receiver, so nothing holds it */
	}
}

void replica_closed(struct replica *replica, int error, const char *text)
{
	if (replica->phase != REPLICA_CLOSING) {
		return;
	}
	if (error == -EPERM && replica->destroy) {
		/* It is closed; but the VM's own disks lie in it. */
		snprintf(replica->kept, sizeof(replica->kept), "%s", text);
		error = 0;
	}
	if (error != 0) {
		log_warning("%s: the receiver could not close the store: %s", replica->settings.vm,
			    text);
		receiver_child_kill(replica->engine->receiver, "a store did not close");
		return; /* replica_receiver_lost follows */
	}
	replica->closed = replica->held;
	replica->phase = REPLICA_GONE;
	replica_tick(replica, clock_monotonic_ms());
}

void replica_stop(struct replica *replica, bool destroy, int timeout_ms, replica_done_cb done,
		  void *arg)
{
	if (replica->paused_since_ms != 0) {
		/* detached already: only a worker that is not back keeps it in the list */
		if (done != NULL) {
			done(arg, 0, "");
		}
		return;
	}
	replica_answer_stop(replica, -EALREADY, "another stop took over");
	replica->stop_done = done;
	replica->stop_arg = arg;
	replica->destroy = replica->destroy || destroy;
	replica->deadline_ms = clock_monotonic_ms() + timeout_ms;
	replica->retry_ms = 0;
	if (!replica->stopping) {
		replica->stopping = true;
		if (!replica->busy && (replica->phase == REPLICA_OPEN ||
				       (replica->phase == REPLICA_OPENING &&
					receiver_child_is_ready(replica->engine->receiver)))) {
			replica_send_close(replica);
		} else if (!replica->busy) {
			replica->phase = REPLICA_GONE;
		}
	}
	replica_tick(replica, clock_monotonic_ms());
}

void replica_retry(struct replica *replica, int timeout_ms)
{
	replica->deadline_ms = clock_monotonic_ms() + timeout_ms;
	replica->retry_ms = 0;
	replica_tick(replica, clock_monotonic_ms());
}

void replica_suspend(struct replica *replica, bool suspended)
{
	Vmreplica__Ipc__StoreSuspend message = VMREPLICA__IPC__STORE_SUSPEND__INIT;

	if (replica->suspended == suspended) {
		return;
	}
	replica->suspended = suspended;
	message.relationship = replica->settings.relationship;
	message.suspended = suspended;
	receiver_child_send(replica->engine->receiver, FRAME_STORE_SUSPEND, &message.base);
	engine_event(replica->engine, "notice", replica->settings.vm,
		     "replica %s by the administrator", suspended ? "paused" : "resumed");
	engine_changed(replica->engine);
}

bool replica_is_open(const struct replica *replica)
{
	return replica->phase == REPLICA_OPEN && !replica->stopping;
}

void replica_free(struct replica *replica)
{
	struct replica **link = &replica->engine->replicas;

	while (*link != NULL && *link != replica) {
		link = &(*link)->next;
	}
	if (*link == replica) {
		*link = replica->next;
	}
	replica_adopt_destroy(replica);
	store_reach_destroy(&replica->reach);
	vm_status_free(replica->status);
	replica_definition_free(replica->definition);
	vm_settings_destroy(&replica->settings);
	free(replica);
}

void replica_tick(struct replica *replica, int64_t now_ms)
{
	if (replica->stopping) {
		/* While PREPARING the receiver holds nothing of it, but other replicas. */
		if (replica->phase != REPLICA_GONE && replica->phase != REPLICA_PREPARING &&
		    now_ms >= replica->deadline_ms) {
			receiver_child_kill(replica->engine->receiver,
					    "a store did not close within the agent's time");
			replica->deadline_ms = now_ms + REPLICA_RETRY_MS;
		}
		if (replica->phase == REPLICA_GONE && !replica->busy &&
		    !replica_definition_holds(replica->definition, now_ms) &&
		    !failover_consolidates(replica->engine, replica->settings.relationship) &&
		    replica->paused_since_ms == 0 && now_ms >= replica->retry_ms) {
			replica_release(replica, now_ms);
		}
		return;
	}
	if (replica->phase == REPLICA_FAILED && !replica->busy && now_ms >= replica->retry_ms) {
		replica_prepare(replica);
	}
	if (replica->start_done != NULL && now_ms >= replica->deadline_ms) {
		replica_answer_start(replica, -ETIMEDOUT,
				     "the receiver has not opened the store yet");
	}
	replica_adopt_tick(replica, now_ms);
	replica_publish(replica, now_ms);
	replica_definition_tick(replica->definition, now_ms);
}
