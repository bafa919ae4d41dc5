/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A wrap or unwrap under way: which steps on which nodes. Private to admin_wrap.c, wrap_job.c,
 * wrap_refusal.c and wrap_power.c. Control thread only.
 *
 *   look here -> check everywhere -> [shut the VM off] -> make here -> allow everywhere -> define
 * everywhere
 *     -> [start the VM] -> answer
 *
 * What fails before the first definition is changed is taken back; from there on the same command
 * given again goes on.
 */
#ifndef VMR_ENGINE_WRAP_JOB_H
#define VMR_ENGINE_WRAP_JOB_H

#include "engine/admin_service.h"
#include "engine/protect.h"
#include "engine/wrap_node.h"

#define WRAP_NODES_MAX 64u
#define WRAP_TASKS_MAX (4u * WRAP_NODES_MAX + 1) /* check, make, allow, define, remove; merge */

struct wrap_task {
	unsigned int node; /* index in nodes; 0 is this one */
	Vmreplica__Admin__WrapStep step;
};

struct wrap_job {
	struct admin_call *call;
	struct engine *engine;
	struct protect_vm vm;
	struct wrap_node node; /* the work here, and the disks of all */
	char directory[PATH_LEN_MAX + 1];
	char exclude[DISKS_MAX][DISK_NAME_MAX + 1];
	size_t exclude_count;
	bool unwrap, dry_run, restart, force;
	bool defined;	  /* a definition was changed */
	bool undone;	  /* what was done before is being taken back */
	bool stopped;	  /* by us, for --restart */
	atomic_bool stop; /* the engine ends: what merges gives up */
	char nodes[WRAP_NODES_MAX][NODE_NAME_MAX + 1];
	unsigned int node_count;
	struct wrap_task tasks[WRAP_TASKS_MAX];
	unsigned int task_count, task_next;
	void (*then)(struct wrap_job *job); /* when all tasks have succeeded */
	struct sentence_list steps, warnings;
	int failure; /* negative: what is told at the end */
	char failure_text[REASON_MAX * 2], failure_advice[REASON_MAX];
	/* wrap_power.c */
	qb_loop_timer_handle timer;
	int64_t deadline_ms; /* monotonic */
	bool target_started;
	void (*powered)(struct wrap_job *job, int error, const char *text);
};

/* One at a time on a node: two would make the same files. True when this one may begin; finishing
 * it lets the next one. */
bool wrap_job_claim(struct wrap_job *job);
bool wrap_job_is_under_way(void);
/* The engine ends: a merge that is under way gives up. */
void wrap_job_stop(void);
/* Run what is left of tasks, then call then; after a failure finish. */
void wrap_job_next(struct wrap_job *job);
/* Remember the first failure. */
void wrap_job_fail(struct wrap_job *job, int error, const char *advice, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* Start the VM again if we stopped it, answer, free. */
void wrap_job_finish(struct wrap_job *job);

/* Is unwrap refused: because the VM is protected, because its images are a relationship's? The job
 * is answered then, and over. */
bool wrap_refuse_protected(struct wrap_job *job);
bool wrap_refuse_held(struct wrap_job *job);
/* Our resource of the relationship whose store the image of a disk lies in, by the end of the
 * store's name (proto/store_path.h); NULL: there is none. Pure. */
const Vmreplica__Ipc__CibResource *wrap_find_holder(const Vmreplica__Ipc__CibSettings *settings,
						    const struct wrap_node *node);

/* Have Pacemaker (of a single host: libvirt) stop or start the VM, and wait until it is so. That it
 * is off for this stands in the settings meanwhile (wrap_unfinished.h). */
void wrap_power(struct wrap_job *job, bool start,
		void (*powered)(struct wrap_job *job, int error, const char *text));
/* Is it off for good: stopped, and wanted so? What to do otherwise, into advice. */
bool wrap_power_is_off(const struct wrap_job *job, char text[REASON_MAX], char advice[REASON_MAX]);

#endif
