/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A planned failover stops its VM, and starts it again on the way back: by Pacemaker, or on a host
 * without a cluster by libvirt. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "engine/host_vm.h"
#include "engine/own_definition.h"
#include "engine/planned.h"
#include "engine/source_define.h"
#include "engine/standing.h"

#define POLL_MS	       500
#define START_POLL_MS  1000
#define STOP_LIMIT_MS  (5 * 60 * 1000)
#define STOP_GRACE_MS  (90 * 1000) /* VirtualDomain's, by the timeout that it advises */
#define START_LIMIT_MS (3 * 60 * 1000)

static bool find_definition(struct planned *planned)
{
	return own_definition_find(planned->engine, planned->contact.relationship,
				   planned->contact.vm_resource, planned->definition);
}

/* ---- 4 stop ---- */

static int stop_run(void *arg)
{
	struct planned *planned = arg;

	return host_vm_stop(planned->engine->libvirt, planned->contact.vm, planned->definition,
			    STOP_GRACE_MS, planned->text);
}

static void stop_cb(void *arg, int result)
{
	struct planned *planned = arg;

	planned->busy = false;
	if (result < 0) {
		planned_later(planned, POLL_MS, STOP_LIMIT_MS, "%s", planned->text);
	} else {
		planned_event(planned, PLANNED_EVENT_DONE);
	}
}

void planned_step_stop(struct planned *planned)
{
	Vmreplica__Ipc__CibSwitch request = VMREPLICA__IPC__CIB_SWITCH__INIT;

	if (planned->engine->config->standalone) {
		find_definition(planned);
		planned_work(planned, stop_run, stop_cb);
		return;
	}
	request.resource = planned->contact.resource;
	request.vm_resource = planned->contact.vm_resource;
	request.follow = VMREPLICA__IPC__CIB_FOLLOW__CIB_FOLLOW_REMOVE;
	request.target = VMREPLICA__IPC__CIB_TARGET__CIB_TARGET_STOPPED;
	planned_switch(planned, &request);
}

/* ---- 5 stopped ---- */

static int define_run(void *arg)
{
	struct planned *planned = arg;

	return source_define(planned->engine->libvirt, planned->contact.vm, planned->definition,
			     planned->text);
}

static void defined_cb(void *arg, int result)
{
	struct planned *planned = arg;

	planned->busy = false;
	if (result < 0) {
		planned_later(planned, POLL_MS, STOP_LIMIT_MS, "the stopped VM is looked at: %s",
			      planned->text);
	} else {
		planned_event(planned, PLANNED_EVENT_DONE);
	}
}

void planned_step_stopped(struct planned *planned)
{
	const struct placement_resource *place = planned_place(planned);

	if (!planned->engine->config->standalone &&
	    (place == NULL || place->state != PLACEMENT_STOPPED || place->pending != NULL)) {
		planned_later(planned, POLL_MS, STOP_LIMIT_MS, "the guest is shutting down");
	} else if (!find_definition(planned)) {
		planned_failed(planned, -ENOENT, "give its VirtualDomain resource a config",
			       "the definition of %s is not to be found", planned->contact.vm);
	} else {
		planned_work(planned, define_run, defined_cb);
	}
}

/* ---- back: start ---- */

/* What was moved aside to become the replica has its name again. */
static int undefine_run(void *arg)
{
	struct planned *planned = arg;
	int result = planned->engine->config->standalone || planned->definition[0] == '\0'
			     ? 0
			     : give_way_definition_back(planned->definition);

	if (result < 0) {
		snprintf(planned->text, sizeof(planned->text), "%.200s: %s", planned->definition,
			 strerror(-result));
		return result;
	}
	return source_undefine(planned->engine->libvirt, planned->contact.vm, planned->text);
}

static void undefined_back_cb(void *arg, int result)
{
	struct planned *planned = arg;
	Vmreplica__Ipc__CibSwitch request = VMREPLICA__IPC__CIB_SWITCH__INIT;
	Vmreplica__Ipc__CibNvpair pair = VMREPLICA__IPC__CIB_NVPAIR__INIT, *list[] = {&pair};
	char name[STANDING_NAME_LEN], nothing[] = "";

	if (result < 0) {
		planned->busy = false;
		planned_later(planned, START_POLL_MS, 0, "%s", planned->text);
		return;
	}
	standing_name(STANDING_HANDOVER, planned->contact.relationship, name);
	pair.name = name;
	pair.value = nothing;
	request.resource = planned->contact.resource;
	if (!planned->engine->config->standalone) {
		request.vm_resource = planned->contact.vm_resource;
		request.follow = VMREPLICA__IPC__CIB_FOLLOW__CIB_FOLLOW_ADD;
		request.target = VMREPLICA__IPC__CIB_TARGET__CIB_TARGET_STARTED;
	}
	request.settings = list;
	request.n_settings = 1;
	planned_switch(planned, &request);
}

void planned_step_back_start(struct planned *planned)
{
	find_definition(planned);
	planned_work(planned, undefine_run, undefined_back_cb);
}

/* ---- back: running ---- */

static int start_run(void *arg)
{
	struct planned *planned = arg;

	return host_vm_start(planned->engine->libvirt, planned->contact.vm, planned->definition,
			     planned->text);
}

static void start_cb(void *arg, int result)
{
	struct planned *planned = arg;

	planned->busy = false;
	if (result == 0) {
		planned_event(planned, PLANNED_EVENT_DONE);
	} else if (clock_monotonic_ms() - planned->step_ms > START_LIMIT_MS) {
		snprintf(planned->advice, sizeof(planned->advice),
			 "it does not start here again: virsh start says why");
		planned_event(planned, PLANNED_EVENT_FAILED);
	} else {
		planned_later(planned, START_POLL_MS, 0, "%s", planned->text);
	}
}

void planned_step_back_running(struct planned *planned)
{
	const struct placement_resource *place = planned_place(planned);

	if (planned->engine->config->standalone) {
		find_definition(planned);
		planned_work(planned, start_run, start_cb);
	} else if (place != NULL && place->state == PLACEMENT_RUNNING) {
		planned_event(planned, PLANNED_EVENT_DONE);
	} else if (clock_monotonic_ms() - planned->step_ms > START_LIMIT_MS) {
		snprintf(planned->advice, sizeof(planned->advice),
			 "it does not start here again: pcs status says why");
		planned_event(planned, PLANNED_EVENT_FAILED);
	} else {
		planned_later(planned, START_POLL_MS, 0, "%s is starting here again",
			      planned->contact.vm);
	}
}
