/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests of the resource agents (root, on this node only). START answers as soon as the VM is
 * attached here: whether its replication gets through is health, never a failed start. STOP answers
 * when no job of ours is left.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "engine/admin_service.h"
#include "engine/receiver_child.h"
#include "engine/relationship.h"
#include "engine/replica.h"
#include "engine/store_directory.h"
#include "engine/store_release.h"

#define AGENT_TIMEOUT_DEFAULT_MS 20000
#define AGENT_TIMEOUT_MAX_MS	 600000
#define STOP_ANSWER_MS		 500 /* of the agent's time, for the answer to reach it */

static int agent_timeout_ms(const Vmreplica__Admin__AgentRequest *request)
{
	if (request->timeout_ms == 0) {
		return AGENT_TIMEOUT_DEFAULT_MS;
	}
	return request->timeout_ms < AGENT_TIMEOUT_MAX_MS ? (int)request->timeout_ms
							  : AGENT_TIMEOUT_MAX_MS;
}

static void agent_reply(struct admin_call *call, bool running, bool ready, const char *text)
{
	Vmreplica__Admin__Response response = VMREPLICA__ADMIN__RESPONSE__INIT;
	Vmreplica__Admin__AgentResponse agent = VMREPLICA__ADMIN__AGENT_RESPONSE__INIT;

	agent.running = running;
	agent.ready = ready;
	agent.pid = (uint32_t)getpid();
	agent.text = vm_status_borrow(text);
	response.body_case = VMREPLICA__ADMIN__RESPONSE__BODY_AGENT;
	response.agent = &agent;
	admin_call_reply(call, &response);
}

static int agent_settings(struct admin_call *call, const Vmreplica__Admin__AgentRequest *request,
			  struct vm_settings *ret_settings)
{
	char error[VM_SETTINGS_ERROR_LEN];
	int result = -EINVAL;

	if (request->n_names != request->n_values) {
		snprintf(error, sizeof(error), "names and values do not match");
	} else {
		result = vm_settings_parse(request->resource, (const char *const *)request->names,
					   (const char *const *)request->values, request->n_names,
					   ret_settings, error);
	}
	if (result < 0) {
		admin_call_misused(call, "%s", error);
	}
	return result;
}

/* What is attached here of what the agent's parameters say: by their role, one of the two or
 * neither. */
struct agent_target {
	struct vm_settings settings; /* owned */
	struct relationship *rel;
	struct replica *replica;
};

/* 0, or a negative errno: the call is answered then. */
static int agent_find(struct admin_call *call, const Vmreplica__Admin__AgentRequest *request,
		      struct agent_target *ret_target)
{
	struct engine *engine = admin_call_engine(call);
	struct agent_target target = {0};
	int result = agent_settings(call, request, &target.settings);

	if (result < 0) {
		return result;
	}
	if (target.settings.role == VMREPLICA__ROLE__ROLE_PRIMARY) {
		target.rel = engine_find_relationship(engine, target.settings.relationship);
	} else if (target.settings.role == VMREPLICA__ROLE__ROLE_REPLICA) {
		target.replica = engine_find_replica(engine, target.settings.relationship);
	}
	*ret_target = target;
	return 0;
}

/* ---- start ---- */

static void replica_started_cb(void *arg, int error, const char *text)
{
	struct admin_call *call = arg;

	if (error < 0) {
		admin_call_fail(call, error, "vmreplica check says what is missing", "%s", text);
	} else {
		agent_reply(call, true, true, "");
	}
}

static void start_primary(struct admin_call *call, struct vm_settings *settings)
{
	struct engine *engine = admin_call_engine(call);
	struct relationship *rel = engine_find_relationship(engine, settings->relationship);

	if (rel != NULL && rel->stopping) {
		admin_call_fail(call, EAGAIN, "Pacemaker tries again",
				"it is still being detached");
		return;
	}
	if (rel != NULL) {
		relationship_configure(rel, settings);
	} else {
		rel = relationship_new(engine, settings);
	}
	if (rel == NULL) {
		admin_call_fail(call, ENOMEM, "", "out of memory");
		return;
	}
	agent_reply(call, true, rel->ready, rel->verdict.reason);
}

static void start_replica(struct admin_call *call, struct vm_settings *settings, int timeout_ms)
{
	struct engine *engine = admin_call_engine(call);
	struct replica *replica = engine_find_replica(engine, settings->relationship);

	if (replica != NULL && replica->stopping) {
		admin_call_fail(call, EAGAIN, "Pacemaker tries again",
				"it is still being detached");
	} else if (replica != NULL && replica_is_open(replica)) {
		replica_configure(replica, settings);
		agent_reply(call, true, true, "");
	} else if (replica != NULL) {
		if (replica->start_done != NULL) {
			replica->start_done(replica->start_arg, -EALREADY,
					    "another start took over");
		}
		replica->start_done = replica_started_cb;
		replica->start_arg = call;
		replica_retry(replica, timeout_ms);
	} else if (replica_new(engine, settings, timeout_ms, replica_started_cb, call) == NULL) {
		admin_call_fail(call, ENOMEM, "", "out of memory");
	}
}

static void agent_start(struct admin_call *call, const Vmreplica__Admin__AgentRequest *request)
{
	struct vm_settings settings = {0};

	if (agent_settings(call, request, &settings) < 0) {
		return;
	}
	if (admin_call_engine(call)->stopping) {
		admin_call_fail(call, ESHUTDOWN, "", "the engine is stopping");
	} else if (settings.role == VMREPLICA__ROLE__ROLE_PRIMARY) {
		start_primary(call, &settings);
	} else {
		start_replica(call, &settings, agent_timeout_ms(request));
	}
	vm_settings_destroy(&settings);
}

/* ---- stop ---- */

static void stopped_cb(void *arg, int error, const char *text)
{
	struct admin_call *call = arg;

	if (error < 0) {
		admin_call_fail(call, error, "the agent does it by itself", "%s", text);
	} else {
		agent_reply(call, false, false, "");
	}
}

/* Nothing of it is attached here. But the receiver of an engine before this one may hang with the
 * store in its hands. */
static void stop_unknown_replica(struct admin_call *call, const struct vm_settings *settings,
				 int timeout_ms)
{
	char directory[PATH_LEN_MAX + 1];

	if (store_directory_path(settings->storage, settings->peer, settings->vm,
				 settings->relationship, directory, sizeof(directory)) < 0) {
		agent_reply(call, false, false, ""); /* cannot have been started */
		return;
	}
	store_release(admin_call_engine(call), directory, false, timeout_ms - STOP_ANSWER_MS,
		      stopped_cb, call);
}

static void agent_stop(struct admin_call *call, const Vmreplica__Admin__AgentRequest *request)
{
	struct agent_target target;

	if (agent_find(call, request, &target) < 0) {
		return;
	}
	if (target.rel != NULL) {
		relationship_stop(target.rel, agent_timeout_ms(request), stopped_cb, call);
	} else if (target.replica != NULL) {
		replica_stop(target.replica, false, agent_timeout_ms(request), stopped_cb, call);
	} else if (target.settings.role == VMREPLICA__ROLE__ROLE_REPLICA) {
		stop_unknown_replica(call, &target.settings, agent_timeout_ms(request));
	} else {
		agent_reply(call, false, false, "");
	}
	vm_settings_destroy(&target.settings);
}

/* ---- monitor, reload ---- */

static void agent_monitor(struct admin_call *call, const Vmreplica__Admin__AgentRequest *request)
{
	struct agent_target target;

	if (agent_find(call, request, &target) < 0) {
		return;
	}
	if (target.rel != NULL) {
		agent_reply(call, true, target.rel->ready, target.rel->verdict.reason);
	} else if (target.replica != NULL && target.replica->phase != REPLICA_GONE) {
		agent_reply(call, true, replica_is_open(target.replica), target.replica->error);
	} else {
		agent_reply(call, false, false, "not attached");
	}
	vm_settings_destroy(&target.settings);
}

static void agent_reload(struct admin_call *call, const Vmreplica__Admin__AgentRequest *request)
{
	struct agent_target target;

	if (agent_find(call, request, &target) < 0) {
		return;
	}
	if (target.rel != NULL) {
		relationship_configure(target.rel, &target.settings);
		agent_reply(call, true, target.rel->ready, "");
	} else if (target.replica != NULL) {
		replica_configure(target.replica, &target.settings);
		agent_reply(call, true, replica_is_open(target.replica), "");
	} else {
		agent_reply(call, false, false, "not attached");
	}
	vm_settings_destroy(&target.settings);
}

static void agent_stop_daemon(struct admin_call *call)
{
	struct engine *engine = admin_call_engine(call);

	agent_reply(call, false, false, "stopping");
	admin_service_stop_daemon(engine->admin);
}

void admin_agent(struct admin_call *call, const Vmreplica__Admin__AgentRequest *request)
{
	struct engine *engine = admin_call_engine(call);

	if (!admin_call_is_root(call)) {
		admin_call_fail(call, EPERM, "",
				"resource agents alone, as root on this node, may ask this");
		return;
	}
	switch (request->op) {
	case VMREPLICA__ADMIN__AGENT_REQUEST__OP__START:
		agent_start(call, request);
		break;
	case VMREPLICA__ADMIN__AGENT_REQUEST__OP__STOP:
		agent_stop(call, request);
		break;
	case VMREPLICA__ADMIN__AGENT_REQUEST__OP__MONITOR:
		agent_monitor(call, request);
		break;
	case VMREPLICA__ADMIN__AGENT_REQUEST__OP__RELOAD:
		agent_reload(call, request);
		break;
	case VMREPLICA__ADMIN__AGENT_REQUEST__OP__PING:
		agent_reply(call, true, engine->joined && receiver_child_is_ready(engine->receiver),
			    "");
		break;
	case VMREPLICA__ADMIN__AGENT_REQUEST__OP__STOP_DAEMON:
		agent_stop_daemon(call);
		break;
	default:
		admin_call_misused(call, "unknown operation %d", (int)request->op);
	}
}
