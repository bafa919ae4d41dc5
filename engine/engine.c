/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/engine.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "cluster/authorize.h"
#include "common/clock.h"
#include "common/log.h"
#include "engine/admin_jobs.h"
#include "engine/admin_points.h"
#include "engine/transfer.h"
#include "engine/admin_service.h"
#include "engine/adoption.h"
#include "engine/announcer.h"
#include "engine/directories.h"
#include "engine/failover.h"
#include "engine/failover_job.h"
#include "engine/give_way.h"
#include "engine/guard_patience.h"
#include "engine/host_start.h"
#include "engine/planned.h"
#include "engine/job_table.h"
#include "engine/pipeline.h"
#include "engine/point_find.h"
#include "engine/receiver_child.h"
#include "engine/relationship.h"
#include "engine/replica.h"
#include "engine/replica_sizes.h"
#include "engine/replica_takeover.h"
#include "engine/standing.h"
#include "engine/storage_probe.h"
#include "engine/wrap_job.h"

#define ENGINE_STOP_MS	   15000 /* cycles and stores may take so long to end */
#define ENGINE_SOCKET_MODE 0660

/* ---- lookups ---- */

struct relationship *engine_find_relationship(const struct engine *engine, const char *relationship)
{
	for (struct relationship *rel = engine->relationships; rel != NULL; rel = rel->next) {
		if (!rel->gone && strcmp(rel->settings.relationship, relationship) == 0) {
			return rel;
		}
	}
	return NULL;
}

struct replica *engine_find_replica(const struct engine *engine, const char *relationship)
{
	for (struct replica *replica = engine->replicas; replica != NULL; replica = replica->next) {
		if (strcmp(replica->settings.relationship, relationship) == 0) {
			return replica;
		}
	}
	return NULL;
}

const struct placement_resource *engine_find_place(struct engine *engine, const char *resource)
{
	const struct placement *placement = engine->cluster.ops->placement(&engine->cluster);

	return placement != NULL && resource != NULL ? placement_find(placement, resource) : NULL;
}

const Vmreplica__Ipc__CibSettings *engine_settings(const struct engine *engine)
{
	struct cluster *cluster = (struct cluster *)(uintptr_t)&engine->cluster;

	return engine->cluster_started ? cluster->ops->settings(cluster) : NULL;
}

const char *engine_setting(const struct engine *engine, const char *name)
{
	const Vmreplica__Ipc__CibSettings *settings = engine_settings(engine);

	for (size_t i = 0; settings != NULL && i < settings->n_settings; i++) {
		if (strcmp(settings->settings[i]->name, name) == 0) {
			return settings->settings[i]->value;
		}
	}
	return NULL;
}

const char *engine_broker_address(const struct engine *engine)
{
	return engine->broker_address;
}

/* ---- told to others ---- */

void engine_event(struct engine *engine, const char *severity, const char *vm, const char *format,
		  ...)
{
	char text[REASON_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	event_ring_add(&engine->events, clock_wall_ms(), severity, vm, text);
	if (strcmp(severity, "error") == 0) {
		log_error("%s%s%s", vm, vm[0] != '\0' ? ": " : "", text);
	} else if (strcmp(severity, "warning") == 0) {
		log_warning("%s%s%s", vm, vm[0] != '\0' ? ": " : "", text);
	} else {
		log_notice("%s%s%s", vm, vm[0] != '\0' ? ": " : "", text);
	}
}

void engine_changed(struct engine *engine)
{
	announcer_touch(engine->announcer);
}

/* ---- the cluster's callbacks ---- */

static void placement_cb(void *arg, const struct placement *placement)
{
	struct engine *engine = arg;

	(void)placement;
	adoption_look(engine);
}

/* Orders of admins hold on all nodes. */
static void engine_note_standing(struct engine *engine)
{
	for (struct relationship *rel = engine->relationships; rel != NULL; rel = rel->next) {
		relationship_note_standing(rel);
	}
	for (struct replica *replica = engine->replicas; replica != NULL; replica = replica->next) {
		replica_suspend(replica,
				standing_is_suspended(engine, replica->settings.relationship));
	}
}

static void settings_cb(void *arg, const Vmreplica__Ipc__CibSettings *settings)
{
	struct engine *engine = arg;

	(void)settings;
	receiver_child_authorize(engine->receiver);
	storage_probe_configure(engine->storages);
	engine_note_standing(engine);
	adoption_look(engine);
	engine_wake(engine);
}

/* One that listens on any address is reached at its node's. */
static void engine_note_broker(struct engine *engine, const Vmreplica__Cluster__BrokerState *broker)
{
	const char *host = broker->address;

	if (host[0] == '\0' && strcmp(broker->node, engine->config->node) == 0) {
		host = engine->cluster.ops->node_address(&engine->cluster);
	} else if (host[0] == '\0') {
		const struct table_node *node =
			cluster_table_find_node(&engine->table, broker->node);

		host = node != NULL ? node->announcement->host : NULL;
	}
	if (broker->active && host != NULL && host[0] != '\0') {
		snprintf(engine->broker_address, sizeof(engine->broker_address),
			 strchr(host, ':') != NULL ? "[%s]:%u" : "%s:%u", host, broker->port);
	}
}

/* What the broker of this node has to tell. */
static void engine_note_event(struct engine *engine, const Vmreplica__Event *event)
{
	if (strcmp(event->node, engine->config->node) == 0) {
		engine_event(engine, event->severity, event->vm, "%s", event->text);
	}
}

static void message_cb(void *arg, const Vmreplica__Cluster__Message *message, bool from_self)
{
	struct engine *engine = arg;

	if (forward_handle_message(engine->forward, message)) {
		return;
	}
	switch (message->body_case) {
	case VMREPLICA__CLUSTER__MESSAGE__BODY_ANNOUNCEMENT:
		if (cluster_table_announce(&engine->table, message->announcement,
					   clock_monotonic_ms()) < 0) {
			log_warning("out of memory: an announcement of %s is lost",
				    message->announcement->node);
		}
		break;
	case VMREPLICA__CLUSTER__MESSAGE__BODY_BROKER:
		engine_note_broker(engine, message->broker);
		break;
	case VMREPLICA__CLUSTER__MESSAGE__BODY_JOB:
		failover_job_heard(engine, message->job);
		break;
	case VMREPLICA__CLUSTER__MESSAGE__BODY_EVENT:
		engine_note_event(engine, message->event);
		break;
	case VMREPLICA__CLUSTER__MESSAGE__BODY_SOLICIT:
		announcer_touch(engine->announcer);
		engine_wake(engine);
		break;
	default:
		break;
	}
	(void)from_self;
}

static void member_cb(void *arg, const char *node, const char *member, bool joined)
{
	struct engine *engine = arg;

	if (strcmp(node, engine->config->node) == 0 && strcmp(member, CLUSTER_MEMBER_ENGINE) == 0) {
		engine->joined = joined;
	} else if (!joined && strcmp(member, CLUSTER_MEMBER_ENGINE) == 0) {
		cluster_table_leave(&engine->table, node);
	} else if (strcmp(member, CLUSTER_MEMBER_BROKER) == 0) {
		engine->brokers += joined ? 1 : -1;
	}
	if (joined && strcmp(member, CLUSTER_MEMBER_ENGINE) == 0) {
		failover_job_member_joined(engine);
	}
	/* a newcomer knows nothing of us yet */
	announcer_touch(engine->announcer);
	engine_wake(engine);
}

static void quorum_cb(void *arg, bool quorate, const char *missing)
{
	struct engine *engine = arg;

	if (engine->quorate != quorate) {
		engine_event(engine, quorate ? "notice" : "warning", "", "%s%s%s",
			     quorate ? "the cluster has quorum" : "the cluster has no quorum",
			     missing[0] != '\0' ? ": " : "", missing);
	}
	engine->quorate = quorate;
	snprintf(engine->missing, sizeof(engine->missing), "%s", missing);
}

/* ---- start and stop ---- */

static int engine_fail(char *error, int code, const char *what)
{
	snprintf(error, ENGINE_ERROR_LEN, "%s: %s", what, strerror(-code));
	return code;
}

/* Event ids of a later start are higher, so that `events --follow` goes on. */
static uint64_t engine_first_event_id(void)
{
	return (uint64_t)clock_wall_ms();
}

static int engine_make_parts(struct engine *engine, char *error)
{
	struct tls_files files = config_tls_files(engine->config);
	const size_t buffers =
		(size_t)ENGINE_CYCLE_WORKERS * (PIPELINE_BUFFERS + PIPELINE_COMPRESSORS);

	if (getrandom(&engine->boot, sizeof(engine->boot), 0) != sizeof(engine->boot)) {
		return engine_fail(error, -EIO, "no random numbers");
	}
	event_ring_init(&engine->events, engine_first_event_id());
	certificate_watch_init(&engine->certificates);
	engine->cycle_workers = workers_new(engine->loop, "cycle", ENGINE_CYCLE_WORKERS);
	engine->task_workers = workers_new(engine->loop, "task", ENGINE_TASK_WORKERS);
	engine->storage_workers = workers_new(engine->loop, "storage", ENGINE_STORAGE_WORKERS);
	engine->libvirt = source_connection_new(NULL);
	engine->tls = tls_store_new(&files);
	engine->pool = buffer_pool_new(buffers, PIPELINE_CHUNK);
	engine->announcer = announcer_new(engine);
	engine->storages = storage_probe_new(engine);
	engine->jobs = job_table_new(ENGINE_JOBS_DIR, &engine->task_workers);
	if (engine->cycle_workers == NULL || engine->task_workers == NULL ||
	    engine->storage_workers == NULL || engine->libvirt == NULL || engine->tls == NULL ||
	    engine->pool == NULL || engine->announcer == NULL || engine->storages == NULL ||
	    engine->jobs == NULL) {
		return engine_fail(error, -ENOMEM, "cannot start");
	}
	return 0;
}

static int engine_join(struct engine *engine, char *error)
{
	static const struct cluster_callbacks callbacks = {
		.placement_cb = placement_cb,
		.settings_cb = settings_cb,
		.message_cb = message_cb,
		.member_cb = member_cb,
		.quorum_cb = quorum_cb,
	};
	int result = cluster_init(&engine->cluster, engine->loop, engine->config,
				  CLUSTER_MEMBER_ENGINE, &callbacks, engine);

	if (result < 0) {
		return engine_fail(error, result, "the cluster cannot be reached");
	}
	engine->forward = forward_new(&engine->cluster, engine->config->node,
				      admin_service_forwarded_cb, engine);
	engine->receiver = receiver_child_new(engine);
	engine->authorizer = authorizer_new(&engine->cluster);
	if (engine->forward == NULL || engine->receiver == NULL || engine->authorizer == NULL) {
		return engine_fail(error, -ENOMEM, "cannot start");
	}
	authorizer_set_sizes(engine->authorizer, replica_sizes_of, engine);
	result = engine->cluster.ops->start(&engine->cluster);
	if (result < 0) {
		return engine_fail(error, result, "the cluster cannot be reached");
	}
	engine->cluster_started = true;
	return 0;
}

int engine_start(struct engine *engine, char error[ENGINE_ERROR_LEN])
{
	int result = directories_make(engine->config, error, ENGINE_ERROR_LEN);

	if (result == 0) {
		result = engine_make_parts(engine, error);
	}
	if (result == 0) {
		result = admin_service_open(engine, &engine->admin);
		if (result < 0) {
			engine_fail(error, result, "cannot listen on " ENGINE_SOCKET);
		}
	}
	if (result == 0) {
		result = engine_join(engine, error);
	}
	if (result == 0) {
		adoption_look(engine); /* the cluster may have called back while it started */
		engine_wake(engine);
	}
	return result;
}

void engine_stop(struct engine *engine, void (*stopped_cb)(void *arg), void *arg)
{
	engine->stopped_cb = stopped_cb;
	engine->stopped_arg = arg;
	if (engine->stopping) {
		return;
	}
	engine->stopping = true;
	transfers_cancel(engine);
	wrap_job_stop();
	for (struct relationship *rel = engine->relationships; rel != NULL; rel = rel->next) {
		if (!rel->stopping) {
			relationship_stop(rel, ENGINE_STOP_MS, NULL, NULL);
		}
	}
	for (struct replica *replica = engine->replicas; replica != NULL; replica = replica->next) {
		if (!replica->stopping) {
			replica_stop(replica, false, ENGINE_STOP_MS, NULL, NULL);
		}
	}
	engine_wake(engine);
}

/* What ends later, and is answered then, may ask for more: it is refused. Replica storage comes
 * last: it may hang, until the agent kills us, when the primaries' work is at its end. */
static void engine_end_workers(struct engine *engine)
{
	struct workers **pools[] = {&engine->cycle_workers, &engine->task_workers,
				    &engine->storage_workers};

	for (size_t i = 0; i < sizeof(pools) / sizeof(pools[0]); i++) {
		struct workers *pool = *pools[i];

		workers_free(pool);
		*pools[i] = NULL;
	}
}

void engine_destroy(struct engine *engine)
{
	if (engine->tick_armed) {
		qb_loop_timer_del(engine->loop, engine->tick_timer);
		engine->tick_armed = false;
	}
	for (struct relationship *rel = engine->relationships; rel != NULL; rel = rel->next) {
		relationship_cancel(rel);
	}
	engine_end_workers(engine);
	planned_free_all(engine);
	give_way_free_all(engine);
	guard_patience_free_all(engine);
	host_start_free_all(engine);
	admin_points_tick(engine, INT64_MAX);
	transfers_tick(engine, INT64_MAX);
	admin_jobs_tick(engine, INT64_MAX);
	point_find_tick(engine, INT64_MAX);
	replica_takeover_tick(engine, INT64_MAX);
	/* what admins wait for is told that it is over by these two, and answers its call */
	forward_free(engine->forward);
	if (engine->cluster_started) {
		engine->cluster.ops->stop(&engine->cluster);
	}
	failover_free_all(engine);
	failover_job_free_all(engine);
	authorizer_free(engine->authorizer);
	admin_service_close(engine->admin);
	if (engine->tick_armed) {
		qb_loop_timer_del(engine->loop, engine->tick_timer);
	}
	while (engine->relationships != NULL) {
		relationship_free(engine->relationships);
	}
	while (engine->replicas != NULL) {
		replica_free(engine->replicas);
	}
	receiver_child_free(engine->receiver);
	announcer_free(engine->announcer);
	storage_probe_free(engine->storages);
	cluster_table_destroy(&engine->table);
	job_table_free(engine->jobs);
	if (engine->pool != NULL) {
		buffer_pool_free(engine->pool);
	}
	tls_store_free(engine->tls);
	certificate_watch_destroy(&engine->certificates);
	if (engine->libvirt != NULL) {
		source_connection_free(engine->libvirt);
	}
}
