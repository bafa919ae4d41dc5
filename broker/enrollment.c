/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/enrollment_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/enroll_fit.h"
#include "broker/locate_service.h"
#include "broker/replica_domain.h"
#include "cluster/vm_resource.h"
#include "common/log.h"

#define ENROLLMENT_ARENA_BYTES (512u * 1024u)

struct enrollment *enrollment_new(struct broker *broker)
{
	struct enrollment *enrollment = calloc(1, sizeof(*enrollment));

	if (enrollment != NULL) {
		enrollment->broker = broker;
		qb_list_init(&enrollment->jobs);
	}
	return enrollment;
}

void enrollment_free(struct enrollment *enrollment)
{
	if (enrollment == NULL) {
		return;
	}
	while (!qb_list_empty(&enrollment->jobs)) {
		job_free(qb_list_first_entry(&enrollment->jobs, struct job, list));
	}
	free(enrollment);
}

/* ---- jobs ---- */

void job_free(struct job *job)
{
	if (job->timer_armed) {
		qb_loop_timer_del(job->enrollment->broker->loop, job->timer);
	}
	qb_list_del(&job->list);
	job->enrollment->count--;
	enroll_fit_destroy(&job->fit);
	free(job->packed);
	free(job);
}

static void job_timer_cb(void *data)
{
	struct job *job = data;

	job->timer_armed = false;
	job->next(job);
}

void job_later(struct job *job, int ms, void (*next)(struct job *job))
{
	job->next = next;
	job->timer_armed =
		qb_loop_timer_add(job->enrollment->broker->loop, QB_LOOP_MED,
				  (uint64_t)ms * 1000000u, job, job_timer_cb, &job->timer) == 0;
	if (!job->timer_armed) {
		log_error("a request of %s is dropped: out of memory", job->peer);
		job_free(job);
	}
}

struct peer_session *job_session(struct job *job)
{
	return job->answered
		       ? NULL
		       : access_point_find(job->enrollment->broker->access_point, job->session_id);
}

void job_answer(struct job *job, enum frame_type type, const ProtobufCMessage *message)
{
	struct peer_session *session = job_session(job);

	job->answered = true;
	if (session != NULL) {
		peer_session_reply(session, type, message);
	}
}

void job_deny(struct job *job, const char *code, const char *reason)
{
	struct peer_session *session = job_session(job);

	job->answered = true;
	if (session != NULL) {
		locate_service_deny(job->enrollment->broker, session, code, reason);
	}
}

static void session_answer_busy(struct peer_session *session, const char *code, const char *reason)
{
	Vmreplica__Wire__Busy busy = VMREPLICA__WIRE__BUSY__INIT;

	busy.code = (char *)(uintptr_t)code;
	busy.reason = (char *)(uintptr_t)reason;
	busy.retry_ms = ENROLLMENT_RETRY_MS;
	peer_session_reply(session, FRAME_BUSY, &busy.base);
}

void job_busy(struct job *job, const char *code, const char *reason)
{
	struct peer_session *session = job_session(job);

	job->answered = true;
	if (session != NULL) {
		session_answer_busy(session, code, reason);
	}
}

void job_refuse_change(struct job *job, int error, const char *text)
{
	char reason[REASON_MAX + 1];

	snprintf(reason, sizeof(reason), "the cluster's configuration could not be changed: %s",
		 text != NULL && text[0] != '\0' ? text : strerror(-error));
	log_warning("%s for %s: %s", job->relationship, job->peer, reason);
	if (error == -ENOTCONN || error == -ETIMEDOUT || error == -ECONNRESET ||
	    error == -ENOBUFS) {
		job_busy(job, "configuration", reason);
	} else {
		job_deny(job, "configuration", reason);
	}
}

/* What other jobs are making. */
static size_t pending_list(struct enrollment *enrollment)
{
	struct job *job;
	size_t count = 0;

	qb_list_for_each_entry(job, &enrollment->jobs, list)
	{
		if (job->creating) {
			enrollment->pending[count++] =
				(struct enroll_pending){.relationship = job->relationship,
							.site = job->plan.site,
							.size_bytes = job->plan.size_bytes};
		}
	}
	return count;
}

void job_world(const struct job *job, struct enroll_world *ret_world)
{
	struct broker *broker = job->enrollment->broker;

	*ret_world = (struct enroll_world){
		.authorizations = &broker->authorizations,
		.settings = broker->cluster.ops->settings(&broker->cluster),
		.placement = broker->cluster.ops->placement(&broker->cluster),
		.routes = broker->routes,
		.own_site = broker->config->site,
		.reserve_bytes = broker->config->storage_reserve_bytes,
		.pending = job->enrollment->pending,
		.pending_count = pending_list(job->enrollment),
	};
}

/* ---- ENROLL ---- */

static void enroll_answer(struct job *job)
{
	Vmreplica__Wire__Enrolled enrolled = VMREPLICA__WIRE__ENROLLED__INIT;

	enrolled.resource = job->plan.resource;
	/* On shared storage it is Pacemaker that chooses: no node is promised then. */
	enrolled.node =
		job->plan.outcome == ENROLL_CREATE ? job->plan.location_node : job->plan.node;
	enrolled.storage = job->plan.storage;
	enrolled.site = job->enrollment->broker->config->site;
	enrolled.warnings = job->fit.warnings;
	enrolled.n_warnings = job->fit.warning_count;
	job_answer(job, FRAME_ENROLLED, &enrolled.base);
	job_free(job);
}

/* The change is made; wait until it is read back, so that the next question finds it. */
static void enroll_settle(struct job *job)
{
	struct enroll_world world;

	job_world(job, &world);
	if (replica_resource_find(world.settings, job->relationship) == NULL &&
	    job->tries++ < ENROLLMENT_SETTLE_TRIES) {
		job_later(job, ENROLLMENT_SETTLE_WAIT_MS, enroll_settle);
		return;
	}
	if (job->creating) {
		routing_table_note_size(job->enrollment->broker->routes, job->relationship,
					job->plan.size_bytes);
	}
	enroll_answer(job);
}

static void enroll_changed_cb(void *arg, int error, const char *text)
{
	struct job *job = arg;

	if (error < 0) {
		job_refuse_change(job, error, text);
		job_free(job);
		return;
	}
	log_notice("replica resource %s of %s is %s (storage %s, node %s)", job->plan.resource,
		   job->peer, job->plan.outcome == ENROLL_CREATE ? "created" : "updated",
		   job->plan.storage, job->plan.node);
	job->tries = 0;
	if (job->plan.outcome == ENROLL_CREATE) {
		replica_domain_create(job, job->plan.vm, job->plan.site, enroll_settle);
	} else {
		enroll_settle(job);
	}
}

#define ENROLL_PARAMETERS 10 /* at most */

#define MAPS_LEN (NETWORK_MAPS_MAX * (2 * NETWORK_NAME_MAX + 16))

/* The settings that a peer may change, as parameters. */
struct settings_text {
	char frequency[16], points[16], interval[16], app_interval[16];
	char maps[MAPS_LEN];
};

static void parameter_set(Vmreplica__Ipc__CibNvpair *pair, const char *name, const char *value)
{
	vmreplica__ipc__cib_nvpair__init(pair);
	pair->name = (char *)(uintptr_t)name;
	pair->value = (char *)(uintptr_t)value;
}

/* The settings as pairs (room for 5): a parameter without a value is left out. */
static size_t settings_pairs(const Vmreplica__Wire__Enroll *enroll, struct settings_text *text,
			     Vmreplica__Ipc__CibNvpair *pairs)
{
	const Vmreplica__PointSettings *points = enroll->points;
	size_t count = 1;

	snprintf(text->frequency, sizeof(text->frequency), "%u", enroll->frequency_s);
	parameter_set(&pairs[0], "frequency", text->frequency);
	enroll_join_maps(enroll, text->maps, sizeof(text->maps));
	if (text->maps[0] != '\0') {
		parameter_set(&pairs[count++], "map", text->maps);
	}
	if (points == NULL) {
		return count; /* an older sender: the agent's defaults */
	}
	snprintf(text->points, sizeof(text->points), "%u", points->points);
	snprintf(text->interval, sizeof(text->interval), "%u", points->interval_s);
	snprintf(text->app_interval, sizeof(text->app_interval), "%u", points->app_interval_s);
	parameter_set(&pairs[count++], "points", text->points);
	parameter_set(&pairs[count++], "point_interval", text->interval);
	parameter_set(&pairs[count++], "app_interval", text->app_interval);
	return count;
}

static void enroll_create(struct job *job, const Vmreplica__Wire__Enroll *enroll)
{
	Vmreplica__Ipc__CibCreateVm request = VMREPLICA__IPC__CIB_CREATE_VM__INIT;
	Vmreplica__Ipc__CibNvpair pairs[ENROLL_PARAMETERS], *list[ENROLL_PARAMETERS];
	struct cluster *cluster = &job->enrollment->broker->cluster;
	static char engine_clone[] = CIB_ENGINE_CLONE_DEFAULT;
	struct settings_text text;
	size_t count;
	int rc;

	parameter_set(&pairs[0], "relationship", enroll->relationship);
	parameter_set(&pairs[1], "vm", enroll->vm);
	parameter_set(&pairs[2], "role", "replica");
	parameter_set(&pairs[3], "peer", enroll->site);
	parameter_set(&pairs[4], "storage", job->plan.storage);
	count = 5 + settings_pairs(enroll, &text, &pairs[5]);
	for (size_t i = 0; i < count; i++) {
		list[i] = &pairs[i];
	}
	request.resource = job->plan.resource;
	request.n_parameters = count;
	request.parameters = list;
	request.engine_clone = engine_clone;
	request.location_node = job->plan.location_node;
	job->creating = true;
	rc = cluster->ops->create_vm(cluster, &request, enroll_changed_cb, job);
	if (rc < 0) {
		job_refuse_change(job, rc, NULL);
		job_free(job);
	}
}

static void enroll_update(struct job *job, const Vmreplica__Wire__Enroll *enroll)
{
	Vmreplica__Ipc__CibUpdateVm request = VMREPLICA__IPC__CIB_UPDATE_VM__INIT;
	struct cluster *cluster = &job->enrollment->broker->cluster;
	Vmreplica__Ipc__CibNvpair pairs[ENROLL_PARAMETERS], *list[ENROLL_PARAMETERS];
	struct settings_text text;
	size_t count = settings_pairs(enroll, &text, pairs);
	int rc;

	for (size_t i = 0; i < count; i++) {
		list[i] = &pairs[i];
	}
	request.resource = job->plan.resource;
	request.n_parameters = count;
	request.parameters = list;
	rc = cluster->ops->update_vm(cluster, &request, enroll_changed_cb, job);
	if (rc < 0) {
		job_refuse_change(job, rc, NULL);
		job_free(job);
	}
}

static void enroll_begin(struct job *job);

static void enroll_denied(struct job *job)
{
	if (strcmp(job->plan.code, "no-storage") == 0 && job->tries++ < ENROLLMENT_STORAGE_TRIES) {
		broker_solicit(job->enrollment->broker);
		job_later(job, ENROLLMENT_STORAGE_WAIT_MS, enroll_begin);
		return;
	}
	if (strcmp(job->plan.code, "starting") == 0 || strcmp(job->plan.code, "busy") == 0) {
		job_busy(job, job->plan.code, job->plan.reason);
	} else {
		job_deny(job, job->plan.code, job->plan.reason);
	}
	job_free(job);
}

static void enroll_begin(struct job *job)
{
	struct peer_session *session = job_session(job);
	Vmreplica__Wire__Enroll *enroll;
	struct enroll_world world;
	struct arena arena;

	if (session == NULL) {
		job_free(job); /* nobody waits, and nothing has been changed */
		return;
	}
	arena_init(&arena, ENROLLMENT_ARENA_BYTES);
	enroll = vmreplica__wire__enroll__unpack(&arena.allocator, job->packed_len, job->packed);
	if (enroll == NULL) {
		job_busy(job, "busy", "the broker is out of memory");
		job_free(job);
	} else {
		job_world(job, &world);
		enroll_decide(&world, enroll, peer_session_names(session), &job->plan);
		if (job->plan.outcome == ENROLL_DENIED) {
			enroll_denied(job);
		} else if (enroll_fit_is_due(job, enroll)) {
			enroll_fit_ask(job, enroll, enroll_begin);
		} else if (enroll->dry_run ||
			   (job->plan.outcome == ENROLL_EXISTS && !job->plan.update_frequency &&
			    !job->plan.update_map)) {
			enroll_answer(job);
		} else if (job->plan.outcome == ENROLL_EXISTS) {
			enroll_update(job, enroll);
		} else {
			enroll_create(job, enroll);
		}
	}
	arena_reset(&arena);
}

/* ---- requests ---- */

static struct job *job_find(struct enrollment *enrollment, const char *relationship)
{
	struct job *job;

	qb_list_for_each_entry(job, &enrollment->jobs, list)
	{
		if (strcmp(job->relationship, relationship) == 0) {
			return job;
		}
	}
	return NULL;
}

/* NULL: the peer has been told to come again. */
static struct job *job_new(struct enrollment *enrollment, struct peer_session *session,
			   const ProtobufCMessage *message, const char *relationship)
{
	struct job *job = NULL;

	if (job_find(enrollment, relationship) != NULL ||
	    enrollment->count >= ENROLLMENT_JOBS_MAX) {
		session_answer_busy(session, "busy",
				    "an earlier request for this VM is still under way");
		return NULL;
	}
	job = calloc(1, sizeof(*job));
	if (job != NULL) {
		job->packed_len = protobuf_c_message_get_packed_size(message);
		job->packed = malloc(job->packed_len + 1);
	}
	if (job == NULL || job->packed == NULL) {
		free(job);
		session_answer_busy(session, "busy", "the broker is out of memory");
		return NULL;
	}
	protobuf_c_message_pack(message, job->packed);
	job->enrollment = enrollment;
	job->session_id = session->id;
	snprintf(job->relationship, sizeof(job->relationship), "%s", relationship);
	broker_peer_label(session, job->peer, sizeof(job->peer));
	qb_list_add_tail(&job->list, &enrollment->jobs);
	enrollment->count++;
	return job;
}

void enrollment_handle_enroll(struct enrollment *enrollment, struct peer_session *session,
			      const Vmreplica__Wire__Enroll *enroll)
{
	struct job *job;

	if (!locate_service_admit(enrollment->broker, session, enroll->version)) {
		return;
	}
	job = job_new(enrollment, session, &enroll->base, enroll->relationship);
	if (job != NULL) {
		enroll_begin(job);
	}
}

void enrollment_handle_withdraw(struct enrollment *enrollment, struct peer_session *session,
				const Vmreplica__Wire__Withdraw *withdraw)
{
	struct job *job;

	if (!locate_service_admit(enrollment->broker, session, withdraw->version)) {
		return;
	}
	job = job_new(enrollment, session, &withdraw->base, withdraw->relationship);
	if (job != NULL) {
		withdrawal_begin(job);
	}
}
