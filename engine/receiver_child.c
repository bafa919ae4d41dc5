/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/receiver_child.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/log.h"
#include "engine/admin_points.h"
#include "engine/transfer.h"
#include "engine/announcer.h"
#include "engine/chain_keeper.h"
#include "engine/receiver_leftover.h"
#include "engine/receiver_reach.h"
#include "engine/receiver_spawn.h"
#include "engine/replica.h"
#include "engine/replica_lender.h"
#include "engine/replica_sizes.h"
#include "engine/replica_takeover.h"
#include "proto/link.h"

#define RESTART_MIN_MS 1000
#define RESTART_MAX_MS 30000
#define STOP_MS	       10000 /* asked to end: after that it is killed */
#define LEFTOVER_PATH  VMR_RUNDIR "/receiver.pid"
#define RENEWAL_MS     5000  /* certificate files are looked at so often */
#define HEALTHY_MS     60000 /* ran so long: the next restart is quick again */

struct receiver_child {
	struct engine *engine; /* borrowed */
	struct link *link;     /* NULL when not connected */
	pid_t pid;	       /* 0 = none */
	bool ready, stopping;
	bool confined; /* the one that runs cannot open more than it was told of */
	bool renewing; /* asked to end, for one that can open more */
	struct receiver_reach *reach;
	int64_t started_ms, restart_ms, kill_ms; /* monotonic; kill_ms 0 = not asked to end */
	int64_t backoff_ms, renewal_ms;
	uint64_t certificates; /* tls_store_generation that it was told */
	uint8_t *authorized;   /* owned: the last AUTHORIZATION_SET that it was sent; NULL = none */
	size_t authorized_len;
	struct receiver_leftover leftover;
};

/* ---- frames of the receiver ---- */

static void child_ready(struct receiver_child *child, const Vmreplica__Ipc__ReceiverReady *ready)
{
	child->ready = !child->renewing;
	child->confined = ready->confined;
	log_info("receiver ready, pid %d", (int)child->pid);
	for (struct replica *replica = child->engine->replicas; replica != NULL;
	     replica = replica->next) {
		replica_receiver_ready(replica);
	}
	engine_wake(child->engine);
}

static void child_event(struct receiver_child *child, const Vmreplica__Event *event)
{
	if (event != NULL) {
		engine_event(child->engine, event->severity, event->vm, "%s", event->text);
	}
}

static void child_opened(struct receiver_child *child, const Vmreplica__Ipc__StoreOpened *opened)
{
	struct replica *replica = engine_find_replica(child->engine, opened->relationship);

	if (replica != NULL) {
		replica_opened(replica, opened->error, opened->text);
	} else {
		chain_keeper_opened(child->engine, opened->relationship, opened->error,
				    opened->text);
	}
}

static void child_store_closed(struct receiver_child *child,
			       const Vmreplica__Ipc__StoreClosed *closed)
{
	struct replica *replica = engine_find_replica(child->engine, closed->relationship);

	if (replica != NULL) {
		replica_closed(replica, closed->error, closed->text);
	} else {
		chain_keeper_closed(child->engine, closed->relationship, closed->error,
				    closed->text);
	}
}

static void child_status(struct receiver_child *child, const Vmreplica__VmStatus *status)
{
	struct replica *replica =
		status != NULL ? engine_find_replica(child->engine, status->relationship) : NULL;

	if (replica != NULL) {
		replica_note_status(replica, status);
	}
}

static void child_frame_cb(void *arg, struct link *link, const struct frame *frame,
			   const uint8_t *payload)
{
	struct receiver_child *child = arg;

	(void)link;
	(void)payload;
	switch (frame->type) {
	case FRAME_RECEIVER_READY:
		child_ready(child, (const Vmreplica__Ipc__ReceiverReady *)frame->message);
		break;
	case FRAME_STORE_OPENED:
		child_opened(child, (const Vmreplica__Ipc__StoreOpened *)frame->message);
		break;
	case FRAME_STORE_CLOSED:
		child_store_closed(child, (const Vmreplica__Ipc__StoreClosed *)frame->message);
		break;
	case FRAME_REPLICA_STATUS:
		child_status(child, ((const Vmreplica__Ipc__ReplicaStatus *)frame->message)->vm);
		break;
	case FRAME_RECEIVER_EVENT:
		child_event(child, ((const Vmreplica__Ipc__ReceiverEvent *)frame->message)->event);
		break;
	case FRAME_STORE_LENT:
		replica_lender_answered(child->engine,
					(const Vmreplica__Ipc__StoreLent *)frame->message);
		break;
	case FRAME_REPLICA_POINTS:
		admin_points_answered(child->engine,
				      (const Vmreplica__Ipc__ReplicaPoints *)frame->message);
		break;
	case FRAME_STORE_IMPORTED:
		transfers_imported(child->engine,
				   (const Vmreplica__Ipc__StoreImported *)frame->message);
		break;
	case FRAME_STORE_TAKEN:
		replica_takeover_answered(child->engine,
					  (const Vmreplica__Ipc__StoreTaken *)frame->message);
		break;
	default:
		log_warning("the receiver sent an unexpected %s",
			    frame_type_to_string(frame->type));
	}
}

static void child_closed_cb(void *arg, struct link *link, int error)
{
	struct receiver_child *child = arg;

	(void)link;
	child->link = NULL;
	child->ready = false;
	if (!child->stopping && !child->renewing) {
		log_error("the receiver's connection ended (%s)",
			  error < 0 ? strerror(-error) : "closed");
	}
	if (child->pid > 0 && child->kill_ms == 0) {
		child->kill_ms = clock_monotonic_ms() + 1000; /* it should be ending by itself */
	}
	engine_wake(child->engine);
}

/* ---- start ---- */

static void child_send_config(struct receiver_child *child)
{
	const struct config *config = child->engine->config;
	Vmreplica__Ipc__ReceiverConfig message = VMREPLICA__IPC__RECEIVER_CONFIG__INIT;
	cleanup_free char **places = NULL;

	if (!child->ready) { /* a later configuration changes nothing of that */
		message.n_places = receiver_reach_tell(child->reach, &places);
		message.places = places;
	}
	message.listen = config->listen;
	message.port = config->port;
	message.ca = config->tls_ca;
	message.certificate = config->tls_certificate;
	message.key = config->tls_key;
	message.crl = config->tls_crl;
	message.crl_check = config->tls_crl_check;
	message.node = config->node;
	message.site = config->site;
	message.spool_cap_bytes = config->spool_cap_bytes;
	message.history_cap_bytes = config->history_cap_bytes;
	message.storage_reserve_bytes = config->storage_reserve_bytes;
	message.log_directory = config->log_directory;
	message.log_level = config->log_level;
	child->certificates = tls_store_generation(child->engine->tls);
	receiver_child_send(child, FRAME_RECEIVER_CONFIG, &message.base);
	free(child->authorized);
	child->authorized = NULL; /* it may be another process: the whole again */
	receiver_child_authorize(child);
}

/* Renewed certificates reach it by the same message. */
static void child_check_renewal(struct receiver_child *child, int64_t now_ms)
{
	if (!child->ready || now_ms < child->renewal_ms) {
		return;
	}
	child->renewal_ms = now_ms + RENEWAL_MS;
	receiver_child_authorize(child); /* replicas elsewhere have grown, or have gone */
	if (tls_store_generation(child->engine->tls) != child->certificates) {
		log_notice("certificate files changed: the receiver takes them");
		child_send_config(child);
	}
}

static int child_spawn(struct receiver_child *child)
{
	int fd = -1;
	pid_t pid = receiver_spawn(&fd);

	if (pid < 0) {
		return (int)pid;
	}
	child->pid = pid;
	receiver_leftover_note(&child->leftover, child->engine->config->node, pid);
	child->link = link_new(child->engine->loop, fd, child_frame_cb, child_closed_cb, child);
	if (child->link == NULL) {
		kill(pid, SIGKILL);
		return -ENOMEM;
	}
	child_send_config(child);
	return 0;
}

static void child_start(struct receiver_child *child, int64_t now_ms)
{
	int result;

	child->started_ms = now_ms;
	child->kill_ms = 0;
	child->ready = false;
	result = child_spawn(child);
	if (result < 0) {
		log_error("the receiver cannot be started: %s", strerror(-result));
		child->restart_ms = now_ms + RESTART_MAX_MS;
	}
}

struct receiver_child *receiver_child_new(struct engine *engine)
{
	struct receiver_child *child = calloc(1, sizeof(*child));

	if (child != NULL) {
		child->engine = engine;
		child->reach = receiver_reach_new(engine);
		if (child->reach == NULL) {
			free(child);
			return NULL;
		}
		child->backoff_ms = RESTART_MIN_MS; /* the first tick starts it */
		receiver_leftover_init(&child->leftover, LEFTOVER_PATH);
	}
	return child;
}

void receiver_child_free(struct receiver_child *child)
{
	if (child == NULL) {
		return;
	}
	link_free(child->link);
	if (child->pid > 0) {
		kill(child->pid, SIGKILL);
		waitpid(child->pid, NULL, 0);
	}
	receiver_reach_free(child->reach);
	free(child->authorized);
	free(child);
}

/* ---- end ---- */

static void child_ended(struct receiver_child *child, int status, int64_t now_ms)
{
	child->pid = 0;
	child->ready = false;
	if (child->link != NULL) {
		link_free(child->link);
		child->link = NULL;
	}
	if (!child->stopping && !child->renewing) {
		engine_event(child->engine, "error", "",
			     "the receiver ended (%s %d); it is started again",
			     WIFSIGNALED(status) ? "signal" : "exit status",
			     WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	}
	for (struct replica *replica = child->engine->replicas; replica != NULL;
	     replica = replica->next) {
		replica_receiver_lost(replica);
	}
	chain_keeper_receiver_lost(child->engine);
	replica_takeover_receiver_lost(child->engine);
	transfers_receiver_lost(child->engine);
	replica_lender_receiver_lost(child->engine);
	if (now_ms - child->started_ms >= HEALTHY_MS) {
		child->backoff_ms = RESTART_MIN_MS;
	}
	if (child->renewing) {
		child->renewing = false;
		child->restart_ms = now_ms;
		return;
	}
	child->restart_ms = now_ms + child->backoff_ms;
	child->backoff_ms =
		child->backoff_ms * 2 < RESTART_MAX_MS ? child->backoff_ms * 2 : RESTART_MAX_MS;
}

/* It reaches what it was told of when it began, for good: another one takes its place. Streams go
 * on with that; what would have to begin anew is waited for. */
static void child_check_reach(struct receiver_child *child, int64_t now_ms)
{
	Vmreplica__Ipc__Shutdown message = VMREPLICA__IPC__SHUTDOWN__INIT;

	if (!child->ready || !child->confined || child->stopping ||
	    !receiver_reach_is_due(child->reach) || child->engine->takeover_waits != NULL ||
	    transfers_await_receiver(child->engine)) {
		return;
	}
	log_notice("the receiver is started anew, to reach another storage or disk");
	child->renewing = true;
	child->ready = false;
	child->kill_ms = now_ms + STOP_MS;
	receiver_child_send(child, FRAME_SHUTDOWN, &message.base);
}

bool receiver_child_reaches(struct receiver_child *child, const struct store_reach *wanted)
{
	bool reached = receiver_reach_has(child->reach, wanted) || !child->confined;

	if (child->ready && !reached) {
		engine_wake(child->engine);
	}
	return child->ready && reached;
}

bool receiver_child_reaches_store(struct receiver_child *child, const char *directory)
{
	return child->ready &&
	       (!child->confined || receiver_reach_has_store(child->reach, directory));
}

void receiver_child_tick(struct receiver_child *child, int64_t now_ms)
{
	int status;

	if (child->pid > 0 && waitpid(child->pid, &status, WNOHANG) == child->pid) {
		child_ended(child, status, now_ms);
	}
	if (child->pid > 0 && child->kill_ms != 0 && now_ms >= child->kill_ms) {
		kill(child->pid, SIGKILL);
	}
	child_check_renewal(child, now_ms);
	child_check_reach(child, now_ms);
	if (child->pid == 0 && !child->stopping && now_ms >= child->restart_ms &&
	    receiver_leftover_is_gone(&child->leftover, now_ms, STOP_MS)) {
		child_start(child, now_ms);
	}
}

void receiver_child_stop(struct receiver_child *child)
{
	Vmreplica__Ipc__Shutdown message = VMREPLICA__IPC__SHUTDOWN__INIT;

	if (child->stopping) {
		return;
	}
	child->stopping = true;
	receiver_child_send(child, FRAME_SHUTDOWN, &message.base);
	child->kill_ms = clock_monotonic_ms() + STOP_MS;
}

bool receiver_child_is_running(const struct receiver_child *child)
{
	return child->pid > 0;
}

pid_t receiver_child_pid(const struct receiver_child *child)
{
	return child->pid;
}

bool receiver_child_is_ready(const struct receiver_child *child)
{
	return child->ready;
}

void receiver_child_kill(struct receiver_child *child, const char *why)
{
	if (child->pid > 0) {
		log_warning("the receiver is killed: %s", why);
		kill(child->pid, SIGKILL);
	}
}

int receiver_child_send(struct receiver_child *child, enum frame_type type,
			const ProtobufCMessage *message)
{
	return child->link == NULL ? -ENOTCONN : link_send(child->link, type, message);
}

void receiver_child_authorize(struct receiver_child *child)
{
	Vmreplica__Ipc__AuthorizationSet *set;
	uint8_t *packed = NULL;
	size_t len = 0;

	if (child->link == NULL || replica_sizes_pack(child->engine, &packed, &len) < 0) {
		return; /* out of memory: with the next look */
	}
	if (child->authorized != NULL && child->authorized_len == len &&
	    memcmp(child->authorized, packed, len) == 0) {
		free(packed);
		return;
	}
	set = vmreplica__ipc__authorization_set__unpack(NULL, len, packed);
	if (set == NULL || receiver_child_send(child, FRAME_AUTHORIZATION_SET, &set->base) < 0) {
		free(packed);
	} else {
		free(child->authorized);
		child->authorized = packed;
		child->authorized_len = len;
	}
	vmreplica__ipc__authorization_set__free_unpacked(set, NULL);
}
