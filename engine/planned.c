/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/planned.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "engine/epoch.h"
#include "engine/extended.h"
#include "engine/job_table.h"
#include "engine/replica.h"
#include "engine/standing.h"
#include "engine/switch_change.h"

#define SEE_CLUSTER "pcs status shows how the cluster is"
#define RETRY_MS    1000

struct planned *planned_find(const struct engine *engine, const char *relationship)
{
	for (struct planned *planned = engine->planned; planned != NULL; planned = planned->next) {
		if (strcmp(planned->contact.relationship, relationship) == 0) {
			return planned;
		}
	}
	return NULL;
}

static void planned_free(struct planned *planned)
{
	struct planned **from = &planned->engine->planned;

	while (*from != planned) {
		from = &(*from)->next;
	}
	*from = planned->next;
	give_way_free(planned->way);
	free(planned);
}

void planned_free_all(struct engine *engine)
{
	while (engine->planned != NULL) {
		planned_free(engine->planned);
	}
}

/* ---- begin and resume ---- */

static struct planned *planned_new(struct engine *engine, const char *relationship, const char *job)
{
	struct planned *planned = calloc(1, sizeof(*planned));

	if (planned == NULL) {
		return NULL;
	}
	planned->engine = engine;
	planned->wanted = PLANNED_EVENT_LATER;
	if (peer_contact_find(engine, relationship, &planned->contact) < 0) {
		free(planned);
		return NULL;
	}
	planned->job = failover_job_begin(engine, JOB_KIND_PLANNED, planned->contact.vm,
					  relationship, job);
	if (planned->job == NULL) {
		free(planned);
		return NULL;
	}
	snprintf(planned->order.job, sizeof(planned->order.job), "%s",
		 failover_job_id(planned->job));
	planned->order.kind = VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_PLANNED;
	planned->order.latest = true;
	planned->next = engine->planned;
	engine->planned = planned;
	return planned;
}

int planned_begin(struct relationship *rel, char ret_job[JOB_ID_LEN + 1], char error[REASON_MAX])
{
	struct engine *engine = rel->engine;
	const char *id = rel->settings.relationship;
	const char *other = failover_job_running_id(engine, id);
	struct planned *planned;

	if (extended_find_relationship(engine_settings(engine), rel->settings.vm_resource) !=
	    NULL) {
		snprintf(
			error, REASON_MAX,
			"%s is a replica here, or was: the third site takes it over with vmreplica "
			"failover --unplanned there",
			rel->settings.vm);
		return -ENOTSUP;
	}
	if (other[0] != '\0' || planned_find(engine, id) != NULL) {
		snprintf(error, REASON_MAX, "job %s of %s is under way: vmreplica jobs %s", other,
			 rel->settings.vm, other);
		return -EBUSY;
	}
	planned = planned_new(engine, id, NULL);
	if (planned == NULL) {
		snprintf(error, REASON_MAX, "out of memory");
		return -ENOMEM;
	}
	snprintf(ret_job, JOB_ID_LEN + 1, "%s", planned->order.job);
	engine_wake(engine);
	return 0;
}

/* Its order is taken out of the settings before a job ends: one that stands still is of a moment
 * ago. */
static bool job_is_over(const struct engine *engine, const char *id)
{
	const Vmreplica__Job *job = job_table_find(engine->jobs, id);

	return job != NULL && !job_message_is_running(job);
}

/* What another engine, or ours before its restart, had under way for a VM that this one has. */
static void planned_resume(struct relationship *rel)
{
	struct engine *engine = rel->engine;
	const char *id = rel->settings.relationship;
	const char *text = standing_get(engine, STANDING_FAILOVER, id);
	struct failover_order order;
	struct planned *planned;
	struct epoch known;
	enum planned_event heard;
	bool handed_over;

	if (text == NULL || rel->gone || rel->stopping || planned_find(engine, id) != NULL ||
	    !failover_order_decode(text, &order) || job_is_over(engine, order.job) ||
	    order.kind != VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_PLANNED) {
		return;
	}
	planned = planned_new(engine, id, order.job);
	if (planned == NULL) {
		return;
	}
	planned->order = order;
	planned->is_recorded = true;
	handed_over = handover_read(engine, id, &planned->handover);
	engine_epoch_known(engine, id, engine->config->site, &known);
	heard = planned_plan_judge(&order.epoch, &known, engine->config->site, false);
	if (heard == PLANNED_EVENT_NOT_TAKEN && !epoch_is_held_by(&known, engine->config->site)) {
		heard = PLANNED_EVENT_LOST;
	}
	planned->lost = known;
	planned->step =
		planned_plan_resume(handed_over, planned->handover.seq > 0, heard, order.undo);
	snprintf(planned->peer_site, sizeof(planned->peer_site), "%s", order.epoch.site);
	log_notice("%s: job %s goes on here with step %s", planned->contact.vm, order.job,
		   planned_step_to_string(planned->step));
}

int planned_cancel(struct planned *planned, bool force)
{
	if (!planned_step_can_cancel(planned->step) &&
	    !(force && planned_plan_next(planned->step, PLANNED_EVENT_FORCE) != planned->step)) {
		return -EALREADY;
	}
	planned->wanted = force ? PLANNED_EVENT_FORCE : PLANNED_EVENT_CANCEL;
	planned->retry_ms = 0;
	engine_wake(planned->engine);
	return 0;
}

/* ---- for the steps ---- */

void planned_event(struct planned *planned, enum planned_event event)
{
	enum planned_step next = planned_plan_next(planned->step, event);

	planned->busy = false;
	if (next != planned->step) {
		log_info("%s: job %s: %s: %s", planned->contact.vm, planned->order.job,
			 planned_step_to_string(planned->step), planned_event_to_string(event));
		planned->entered = false;
		planned->retry_ms = 0;
		planned->step = next;
	}
	engine_wake(planned->engine);
}

void planned_failed(struct planned *planned, int error, const char *advice, const char *format, ...)
{
	char text[REASON_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (planned->error == 0) {
		planned->error = error;
		snprintf(planned->reason, sizeof(planned->reason), "%s", text);
		snprintf(planned->advice, sizeof(planned->advice), "%s", advice);
	}
	failover_job_note(planned->job, "%s", text);
	planned->retry_ms = clock_monotonic_ms() + RETRY_MS; /* where it is only tried again */
	planned_event(planned, PLANNED_EVENT_FAILED);
}

void planned_later(struct planned *planned, int ms, int64_t limit_ms, const char *format, ...)
{
	int64_t now = clock_monotonic_ms();
	char text[REASON_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (limit_ms > 0 && now - planned->step_ms >= limit_ms) {
		planned_failed(planned, -ETIMEDOUT, SEE_CLUSTER, "%s", text);
		return;
	}
	planned->busy = false;
	planned->retry_ms = now + ms;
	failover_job_note(planned->job, "%s", text);
}

static void changed_cb(void *arg, int error, const char *text)
{
	struct planned *planned = arg;

	planned->busy = false;
	if (error == 0) {
		planned_event(planned, PLANNED_EVENT_DONE);
	} else {
		planned_later(planned, RETRY_MS, 60000,
			      "the cluster's configuration cannot be changed: %s", text);
	}
}

void planned_switch(struct planned *planned, Vmreplica__Ipc__CibSwitch *request)
{
	struct cluster *cluster = &planned->engine->cluster;
	int result;

	planned->busy = true;
	result = cluster->ops->switch_role(cluster, request, changed_cb, planned);
	if (result < 0) {
		changed_cb(planned, result, "Pacemaker is not reached");
	}
}

static void set_cb(void *arg, int error, const char *text)
{
	struct planned *planned = arg;

	planned->busy = false;
	if (error < 0) {
		planned_later(planned, RETRY_MS, 60000, "it cannot be recorded: %s", text);
	} else {
		engine_wake(planned->engine); /* the step looks at what stands now */
	}
}

void planned_set(struct planned *planned, const char *name, const char *value)
{
	planned->busy = true;
	standing_set(planned->engine, name, planned->contact.relationship, value, set_cb, planned);
}

void planned_work(struct planned *planned, worker_run_cb run, worker_done_cb done)
{
	snprintf(planned->address, sizeof(planned->address), "%s",
		 engine_broker_address(planned->engine));
	planned->busy = workers_submit(planned->engine->task_workers, run, done, planned) == 0;
	if (!planned->busy) {
		planned_later(planned, RETRY_MS, 0, "the engine is busy");
	}
}

/* ---- driving ---- */

/* The order and the handover go, and the epoch that the other side holds comes, in one change: as
 * after any failover there. */
static void planned_forget_lost(struct planned *planned)
{
	const char *relationship = planned->contact.relationship;
	char value[EPOCH_TEXT_LEN];
	struct switch_change change;
	struct epoch known;

	switch_change_init(&change);
	switch_change_setting(&change, STANDING_FAILOVER, relationship, "");
	switch_change_setting(&change, STANDING_HANDOVER, relationship, "");
	engine_epoch_known(planned->engine, relationship, planned->engine->config->site, &known);
	if (planned->lost.number > known.number) {
		switch_change_setting(&change, EPOCH_SETTING, relationship,
				      epoch_format(&planned->lost, value));
	}
	planned_switch(planned, &change.request);
}

/* What stands is this job's own; one that came after it is none of its business. */
static bool order_stands(const struct planned *planned)
{
	return standing_get(planned->engine, STANDING_FAILOVER, planned->contact.relationship) !=
		       NULL &&
	       !planned_is_overtaken(planned);
}

/* The order goes out of the settings, then the job is told how it ended. True: it is over. */
static bool planned_finish(struct planned *planned)
{
	const char *vm = planned->contact.vm;
	char advice[REASON_MAX];

	if (order_stands(planned)) {
		if (planned->step == PLANNED_LOST) {
			planned_forget_lost(planned);
		} else {
			planned_set(planned, STANDING_FAILOVER, NULL);
		}
		return false;
	}
	if (planned->step == PLANNED_END) {
		failover_job_finish(planned->job, 0, planned->advice,
				    planned->reason[0] == '\0'
					    ? "%s runs at %s, and replicates to here%s"
					    : "%s was handed over to %s; %s",
				    vm, planned->peer_site, planned->reason);
	} else if (planned->step == PLANNED_LOST) {
		snprintf(advice, sizeof(advice),
			 "vmreplica reverse %s there makes this side its replica", vm);
		failover_job_finish(planned->job, -ESTALE, advice,
				    "%s was failed over there by another order meanwhile: it does "
				    "not start here",
				    vm);
	} else if (planned->wanted != PLANNED_EVENT_LATER && planned->advice[0] == '\0') {
		failover_job_finish(planned->job, -ECANCELED, "", "%s stays here, as ordered", vm);
	} else {
		failover_job_finish(planned->job, planned->error != 0 ? planned->error : -EIO,
				    planned->advice, "%s%s%s stays here, nothing is lost",
				    planned->reason, planned->reason[0] != '\0' ? "; " : "", vm);
	}
	return true;
}

/* The way back is remembered: whoever goes on with the job does not turn round. */
static bool planned_record_undo(struct planned *planned)
{
	char value[FAILOVER_ORDER_LEN];
	bool back = planned->step >= PLANNED_BACK_CANCEL && planned->step < PLANNED_END;

	if (!back || planned->order.undo || !planned->is_recorded) {
		return true;
	}
	planned->order.undo = true;
	planned_set(planned, STANDING_FAILOVER, failover_order_encode(&planned->order, value));
	return false;
}

static void planned_run(struct planned *planned)
{
	static void (*const steps[PLANNED_STEPS])(struct planned * planned) = {
		[PLANNED_CHECK] = planned_step_check,
		[PLANNED_HANDOVER] = planned_step_handover,
		[PLANNED_CATCH_UP] = planned_step_catch_up,
		[PLANNED_STOP] = planned_step_stop,
		[PLANNED_STOPPED] = planned_step_stopped,
		[PLANNED_FINAL] = planned_step_final,
		[PLANNED_TAKE] = planned_step_take,
		[PLANNED_ASK] = planned_step_ask,
		[PLANNED_ROLE] = planned_step_role,
		[PLANNED_REVERSE] = planned_step_reverse,
		[PLANNED_BACK_CANCEL] = planned_step_back_cancel,
		[PLANNED_BACK_START] = planned_step_back_start,
		[PLANNED_BACK_RUNNING] = planned_step_back_running,
	};

	if (planned_plan_next(planned->step, planned->wanted) != planned->step) {
		planned_event(planned, planned->wanted);
	}
	if (!planned_record_undo(planned) || planned->busy) {
		return;
	}
	if (!planned->entered) {
		planned->entered = true;
		planned->step_ms = clock_monotonic_ms();
		failover_job_step(planned->job, planned_step_to_string(planned->step), "%s", "");
	}
	steps[planned->step](planned);
}

bool planned_is_overtaken(const struct planned *planned)
{
	const char *text =
		standing_get(planned->engine, STANDING_FAILOVER, planned->contact.relationship);
	struct failover_order order;

	return text != NULL && failover_order_decode(text, &order) &&
	       strcmp(order.job, planned->order.job) != 0;
}

bool planned_only_waits(const struct engine *engine, const char *relationship)
{
	const Vmreplica__Job *job =
		job_table_find(engine->jobs, failover_job_running_id(engine, relationship));
	const char *last =
		job != NULL && job->n_steps > 0 ? job->steps[job->n_steps - 1]->name : "";

	return engine_find_replica(engine, relationship) != NULL && job != NULL &&
	       strcmp(job->kind, JOB_KIND_PLANNED) == 0 &&
	       (strcmp(last, planned_step_to_string(PLANNED_ROLE)) == 0 ||
		strcmp(last, planned_step_to_string(PLANNED_REVERSE)) == 0);
}

void planned_yield(struct engine *engine, const char *relationship)
{
	struct planned *planned = planned_find(engine, relationship);

	if (planned != NULL && planned->step == PLANNED_REVERSE && !planned->busy) {
		planned_step_overtaken(planned);
		if (planned_finish(planned)) {
			planned_free(planned);
		}
	}
}

void planned_tick(struct engine *engine, int64_t now_ms)
{
	struct planned *next;

	if (engine->stopping || engine_settings(engine) == NULL) {
		return;
	}
	for (struct relationship *rel = engine->relationships; rel != NULL; rel = rel->next) {
		planned_resume(rel);
	}
	for (struct planned *planned = engine->planned; planned != NULL; planned = next) {
		next = planned->next;
		if (planned->busy || now_ms < planned->retry_ms) {
			continue;
		}
		if (planned->step < PLANNED_END) {
			planned_run(planned);
		} else if (planned_finish(planned)) {
			planned_free(planned);
		}
	}
}
