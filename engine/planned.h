/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A planned failover, carried out by the engine that has the primary VM (planned_plan.h has its
 * steps). Control thread only; what blocks is on workers.
 *
 *   planned.c        begins, resumes, drives; what admins and the other side may order of it
 *   planned_check.c  the first step
 *   planned_steps.c  from there to the point of no return
 *   planned_stop.c   stopping the VM, and on the way back starting it
 *   planned_role.c   what comes after that point
 */
#ifndef VMR_ENGINE_PLANNED_H
#define VMR_ENGINE_PLANNED_H

#include "engine/admin_service.h"
#include "engine/failover_job.h"
#include "engine/failover_order.h"
#include "engine/give_way.h"
#include "engine/handover.h"
#include "engine/order_client.h"
#include "engine/peer_contact.h"
#include "engine/planned_plan.h"
#include "engine/relationship.h"

struct planned {
	struct planned *next;
	struct engine *engine; /* borrowed */
	struct failover_job *job;
	struct failover_order order; /* what stands in the settings; its epoch is the one to take */
	struct peer_contact contact;
	enum planned_step step;
	bool busy, entered;
	bool is_recorded;    /* the order is in the settings */
	bool is_off;	     /* a worker's: the VM does not run (a host without a cluster) */
	int64_t step_ms;     /* monotonic: when the step began */
	int64_t retry_ms;    /* monotonic: not before */
	unsigned int rounds; /* of the catch-up */
	struct handover handover;
	struct epoch lost;	   /* LOST: the one that the other side holds */
	enum planned_event wanted; /* CANCEL or FORCE by an admin; LATER: nothing */
	char peer_site[SITE_NAME_MAX + 1];
	char definition[PATH_LEN_MAX + 1]; /* of the VM here */
	struct give_way *way;		   /* owned; of the role; NULL = not yet */
	unsigned int looks;		   /* at what changed since the final cycle */
	char excluded[DISKS_MAX][DISK_NAME_MAX + 1];
	size_t excluded_count;
	/* a worker's */
	struct order_answer answer;
	struct order_result result;
	struct trouble trouble;
	char address[ENGINE_ADDRESS_LEN]; /* our broker's */
	char text[SOURCE_ERROR_LEN];
	/* why it is on its way back */
	int error;
	char reason[REASON_MAX], advice[REASON_MAX];
};

/* Begin one for the primary here. 0 with the job's id in ret_job, or a negative errno with a
 * sentence: -EBUSY (a job is under way), -ENOMEM. */
int planned_begin(struct relationship *relationship, char ret_job[JOB_ID_LEN + 1],
		  char error[REASON_MAX]);
struct planned *planned_find(const struct engine *engine, const char *relationship);
/* The admin wants it back (force: whatever the other side may do). 0, or -EALREADY: it is past the
 * point of no return, or already over. */
int planned_cancel(struct planned *planned, bool force);
/* This side is the replica by now, and the job of that change of sides, here or on another node,
 * only waits for the first cycle from there: no reason to refuse another one. */
bool planned_only_waits(const struct engine *engine, const char *relationship);
/* ... which ends it, when it is here. One on another node ends by itself. */
void planned_yield(struct engine *engine, const char *relationship);
void planned_tick(struct engine *engine, int64_t now_ms);
void planned_free_all(struct engine *engine);

/* ---- for the steps ---- */
void planned_event(struct planned *planned, enum planned_event event);
/* The step failed for this reason: the way back begins, or it is tried again. */
void planned_failed(struct planned *planned, int error, const char *advice, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* The same step again in ms; fails when it has lasted limit_ms (0 = never). */
void planned_later(struct planned *planned, int ms, int64_t limit_ms, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* A change of Pacemaker's configuration: its outcome is the step's. */
void planned_switch(struct planned *planned, Vmreplica__Ipc__CibSwitch *request);
/* Write the order (or, NULL, nothing) into the settings; the step goes on when it is there. */
void planned_set(struct planned *planned, const char *name, const char *value);
/* Run on a worker; done on the control thread ends the step. */
void planned_work(struct planned *planned, worker_run_cb run, worker_done_cb done);

/* The sender of the VM here, or NULL; the VM's resource as Pacemaker has it, or NULL. */
struct relationship *planned_sender(const struct planned *planned);
const struct placement_resource *planned_place(const struct planned *planned);
/* The other side said no to the last order. */
bool planned_is_refused(const struct planned *planned);
/* On a worker: QUERY, into answer or trouble. */
int planned_query_run(void *arg);

/* The order that stands is another job's. */
bool planned_is_overtaken(const struct planned *planned);

void planned_step_check(struct planned *planned);
void planned_step_handover(struct planned *planned);
void planned_step_catch_up(struct planned *planned);
void planned_step_stop(struct planned *planned);
void planned_step_stopped(struct planned *planned);
void planned_step_final(struct planned *planned);
void planned_step_take(struct planned *planned);
void planned_step_ask(struct planned *planned);
void planned_step_role(struct planned *planned);
void planned_step_reverse(struct planned *planned);
void planned_step_overtaken(struct planned *planned); /* it ends: another order has come */
void planned_step_back_cancel(struct planned *planned);
void planned_step_back_start(struct planned *planned);
void planned_step_back_running(struct planned *planned);

#endif
