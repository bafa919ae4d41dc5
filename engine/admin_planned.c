/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/admin_planned.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/admin_vm.h"
#include "engine/planned.h"
#include "engine/vm_status.h"

#define PLANNED VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_PLANNED
#define CANCEL	VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_CANCEL

static void reply_job(struct admin_call *call, const char *job, const char *text)
{
	Vmreplica__Admin__Response response = VMREPLICA__ADMIN__RESPONSE__INIT;
	Vmreplica__Admin__FailoverResponse failover = VMREPLICA__ADMIN__FAILOVER_RESPONSE__INIT;

	failover.job = vm_status_borrow(job);
	failover.text = vm_status_borrow(text);
	response.body_case = VMREPLICA__ADMIN__RESPONSE__BODY_FAILOVER;
	response.failover = &failover;
	admin_call_reply(call, &response);
}

static void begin_here(struct admin_call *call, struct relationship *rel)
{
	char job[JOB_ID_LEN + 1], error[REASON_MAX];
	int result = planned_begin(rel, job, error);

	if (result < 0) {
		admin_call_fail(call, result, "vmreplica jobs shows it", "%s", error);
	} else {
		reply_job(call, job, "");
	}
}

static void cancel_here(struct admin_call *call, struct planned *planned, bool force)
{
	char job[JOB_ID_LEN + 1];

	snprintf(job, sizeof(job), "%s", planned->order.job);
	if (planned_cancel(planned, force) < 0) {
		admin_call_fail(call, EALREADY,
				"fail over back with vmreplica failover --planned, once it is done",
				"the other side has taken the VM: that cannot be taken back");
	} else {
		reply_job(call, job, "");
	}
}

bool admin_planned(struct admin_call *call, const Vmreplica__Admin__FailoverRequest *request)
{
	struct engine *engine = admin_call_engine(call);
	struct relationship *rel = admin_find_relationship(engine, request->vm);
	struct planned *planned =
		rel != NULL ? planned_find(engine, rel->settings.relationship) : NULL;

	for (struct planned *each = engine->planned; planned == NULL && each != NULL;
	     each = each->next) {
		planned = strcmp(each->contact.vm, request->vm) == 0 ? each : NULL;
	}
	if (request->kind == CANCEL && planned != NULL) {
		cancel_here(call, planned, request->force);
		return true;
	}
	if (request->kind == PLANNED && rel != NULL) {
		begin_here(call, rel);
		return true;
	}
	return false;
}

/* ---- from the replica's side ---- */

struct planned_call {
	struct admin_call *call;
	struct engine *engine;
	struct peer_contact contact;
	struct order_result result;
	struct trouble trouble;
};

static int order_run(void *arg)
{
	struct planned_call *job = arg;
	struct locate_client client = peer_contact_client(&job->contact, job->engine->tls);
	Vmreplica__Wire__Order order = VMREPLICA__WIRE__ORDER__INIT;

	order.kind = VMREPLICA__WIRE__ORDER_KIND__ORDER_PLANNED;
	order.relationship = job->contact.relationship;
	order.site = job->engine->config->site;
	return order_client_order(&client, &order, &job->result, &job->trouble);
}

static void order_done(void *arg, int result)
{
	struct planned_call *job = arg;
	char text[REASON_MAX];

	if (result < 0) {
		admin_call_fail(job->call, EIO,
				"when the other side is gone: vmreplica failover --unplanned", "%s",
				job->trouble.text);
	} else {
		snprintf(text, sizeof(text),
			 "%s carries it out as job %s: vmreplica jobs %s --follow there",
			 job->contact.site, job->result.job, job->result.job);
		reply_job(job->call, "", text);
	}
	free(job);
}

void admin_planned_order(struct admin_call *call, const char *relationship)
{
	struct engine *engine = admin_call_engine(call);
	struct planned_call *job = calloc(1, sizeof(*job));

	if (job == NULL || peer_contact_find(engine, relationship, &job->contact) < 0 ||
	    job->contact.host[0] == '\0') {
		free(job);
		admin_call_fail(call, EDESTADDRREQ, "order it on the primary's side",
				"where the primary's broker listens is not known");
		return;
	}
	job->call = call;
	job->engine = engine;
	if (workers_submit(engine->task_workers, order_run, order_done, job) < 0) {
		free(job);
		admin_call_fail(call, EAGAIN, "try again", "the engine is busy");
	}
}
