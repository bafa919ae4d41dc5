/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One protected VM that runs on this node: attach, cycles, health, detach. Control thread only;
 * what blocks runs on a worker, one job of a relationship at a time (busy).
 *
 *   relationship.c         life: new, settings, stop, free, the clock
 *   relationship_attach.c  the first look at the VM; removing our bitmaps
 *   relationship_request.c suspend, resume, sync, resync, dismiss
 *   relationship_cycle.c   starting a cycle and taking its result
 *   relationship_status.c  what is shown of it: VmStatus, health, the node attribute
 */
#ifndef VMR_ENGINE_RELATIONSHIP_H
#define VMR_ENGINE_RELATIONSHIP_H

#include "engine/cycle.h"
#include "engine/engine.h"
#include "engine/health.h"
#include "engine/health_attribute.h"
#include "engine/relationship_state.h"
#include "engine/replica_lender.h"
#include "engine/relationship_verify.h"
#include "engine/schedule.h"
#include "engine/vm_settings.h"
#include "engine/vm_status.h"

/* The result of what an admin or agent waits for. error 0, or a negative errno with a sentence. */
typedef void (*relationship_done_cb)(void *arg, int error, const char *text);

/* Somebody waits for a cycle that begins after he asked. */
struct relationship_waiter {
	struct relationship_waiter *next;
	relationship_done_cb done;
	void *arg;
	uint64_t run;	     /* the first run that counts */
	int64_t deadline_ms; /* monotonic */
};

struct relationship {
	struct relationship *next;
	struct engine *engine; /* borrowed */
	struct vm_settings settings;
	struct vm_settings pending; /* replaces settings when no worker uses them */
	bool has_pending;
	struct relationship_state state;
	struct schedule_entry schedule;
	struct health_window window;
	struct health_verdict verdict;
	struct trouble obstacle; /* code "" = none */
	int64_t obstacle_ms;	 /* monotonic, since when */
	bool denied, replica_suspended;

	bool busy;	     /* a worker has it */
	bool running;	     /* ... with a cycle */
	bool ready;	     /* attached: the VM was found and its checkpoints looked at */
	bool standing_known; /* the standing orders were read: no cycle before */
	bool suspended;	     /* by the admin */
	bool released;	     /* ... with --release: no bitmap of ours stands meanwhile */
	bool force_resync;
	int64_t start_at_ms;	 /* wall clock: no cycle before; 0 = at once */
	bool resync_waits;	 /* for its window */
	bool resync_stored;	 /* the order to resynchronize stands in the settings */
	int64_t resync_clear_ms; /* monotonic: it is taken away then; 0 = not yet */
	bool release_wanted;	 /* bitmaps go when idle */
	char release_error[SOURCE_ERROR_LEN]; /* ... and did not at the last attempt */
	bool handed;			      /* the final cycle is committed: no more from here */
	bool final_wanted;		      /* the next cycle is the final one */
	char extents_path[PATH_LEN_MAX +
			  1]; /* what the first cycle carries besides (cycle_extra.c) */
	bool blind;	      /* its guard let it start while the other side was silent */
	bool dismissed;	      /* it is being taken apart: no more cycles */
	relationship_done_cb release_done;
	void *release_arg;
	int64_t release_deadline_ms;
	bool sync_again; /* asked for while a cycle ran */
	bool stopping;
	bool gone;		 /* detached: freed at the next turn of the loop */
	int64_t attach_retry_ms; /* monotonic */
	unsigned int attach_failures;

	/* shown and announced; survives moves */
	uint64_t generation, seq, resyncs, moves, last_pause_ms, bytes_dirty, bytes_wire,
		largest_bytes;
	uint64_t latency_ms, latency_max_ms;
	struct epoch epoch;	    /* the highest that this site knows */
	int64_t last_replicated_ms; /* wall clock of the last committed cut; 0 = never */
	int64_t last_app_ms;	    /* the same of the last application-consistent one */
	int64_t app_tried_ms;	    /* wall clock of a later attempt that failed; 0 = none */
	uint64_t frozen_ms;
	bool state_stays;	     /* UEFI variables or TPM did not travel: it was told */
	char app_reason[REASON_MAX]; /* why the last attempt failed; "" = it did not */
	int64_t last_success_ms;     /* monotonic; 0 = not since attach */
	struct health_counts cycles;
	char cut_id[CUT_ID_LEN + 1];
	char doubt[SOURCE_ERROR_LEN];	   /* of wrapped disks, as told last */
	char peer_node[NODE_NAME_MAX + 1]; /* owner on the other side, as of the last cycle */
	struct cycle_disk disks[DISKS_MAX];
	uint32_t disk_count;
	bool moved_here;	 /* another node let it go: the pause is counted when ready */
	int64_t detached_ms;	 /* monotonic: when that was heard */
	int64_t paused_since_ms; /* wall clock label; 0 while attached */

	/* work */
	bool watched; /* the idle connection is, on the loop: no worker has it */
	int watched_fd;
	struct replica_lender lender; /* extended.h; filled before each cycle */
	struct peer peer;
	struct cycle cycle;
	struct cycle_progress progress;
	int progress_seen; /* the kind whose begin is in the state already */
	uint64_t runs;	   /* cycles started */
	int64_t run_begin_ms;
	struct peer_state telling;
	char task_error[SOURCE_ERROR_LEN];
	bool task_has_checkpoints;

	struct chain_keeper *chain;	     /* owned; NULL = nothing to put in order */
	struct verify_run *verify;	     /* owned; NULL = none since attach */
	struct relationship_waiter *waiters; /* owned */
	relationship_done_cb stop_done;
	void *stop_arg;
	int64_t stop_deadline_ms, stop_grace_ms; /* monotonic */
	bool cancelled;
	int64_t cancelled_ms; /* monotonic */
	bool aborting;	      /* its backup job is ended from another worker */
	struct health_attribute attribute;
};

/* Attach a VM: takes what settings holds (left empty). Returns at once; libvirt is looked at on a
 * worker, and again until it answers. NULL when out of memory. */
struct relationship *relationship_new(struct engine *engine, struct vm_settings *settings);
/* Other parameters (taken); they hold from the next cycle on. */
void relationship_configure(struct relationship *relationship, struct vm_settings *settings);
/* Pause and quiesce, then detach: done(0) when no job of ours is left, or done(-ETIMEDOUT) at
 * timeout_ms while a worker still hangs (it detaches when it comes back). A cycle that is nearly
 * through may end within a quarter of the time. */
void relationship_stop(struct relationship *relationship, int timeout_ms, relationship_done_cb done,
		       void *arg);
/* The admin's pause, as its standing order says (told here, on other nodes, after restarts).
 * released: our bitmaps go as well. */
void relationship_note_suspended(struct relationship *relationship, bool suspended, bool released);
/* The admin's resume: goes on at once, earlier refusals and failures forgotten. */
void relationship_resume(struct relationship *relationship);
/* Have the bitmaps removed: done when they are gone, or, with what hinders, when timeout_ms is over
 * (it is tried on). */
void relationship_release(struct relationship *relationship, int timeout_ms,
			  relationship_done_cb done, void *arg);
/* unprotect: the same, and no more cycles. */
void relationship_dismiss(struct relationship *relationship, int timeout_ms,
			  relationship_done_cb done, void *arg);
/* The order to resynchronize is in the settings: the next cycle is one. */
void relationship_request_resync(struct relationship *relationship);
/* Its initial replication is scheduled for later. */
bool relationship_waits_for_start(const struct relationship *relationship);
/* Nothing goes over the line before a copy was imported on the other side. */
bool relationship_waits_for_copy(const struct relationship *relationship);
/* It has come: the order is taken away. */
void relationship_clear_copy(struct relationship *relationship);
/* The scheduled start is over, or an admin does not wait for it. */
void relationship_clear_start(struct relationship *relationship);
/* One that is needed may begin now: it was ordered, or the policy says so. */
bool relationship_may_resync(const struct relationship *relationship,
			     const struct vm_settings *settings);
/* Once a second: its window opens or closes. */
void relationship_tick_resync(struct relationship *relationship, int64_t now_ms);
/* A whole copy or a resynchronization is committed: the order is taken away. */
void relationship_finish_resync(struct relationship *relationship);
/* A cycle now. done may be NULL; else it is called at the end of the first cycle that begins from
 * now on, or at timeout_ms. */
int relationship_request_sync(struct relationship *relationship, int timeout_ms,
			      relationship_done_cb done, void *arg);
/* The VM is off and stays so: send the last cycle, then no more. done as above; the cut is in seq
 * and cut_id. */
int relationship_request_final(struct relationship *relationship, int timeout_ms,
			       relationship_done_cb done, void *arg);
/* Once a second, and when something ended: retries, deadlines, health. */
void relationship_tick(struct relationship *relationship, int64_t now_ms);
/* Free one that is gone (no worker has it). */
void relationship_free(struct relationship *relationship);

/* ---- for each other ---- */
/* What is read when it is not a VM of libvirt's; NULL: it is. Filled anew: while no worker has it.
 */
const struct replica_lender *relationship_lender(struct relationship *relationship);
void relationship_take_pending(struct relationship *relationship, int64_t now_ms);
void relationship_start_attach(struct relationship *relationship);
void relationship_start_release(struct relationship *relationship);
/* A cancelled cycle still hangs: end its backup job beside it, so that its reads fail. */
void relationship_abort_job(struct relationship *relationship);
/* Tell the other side how this one is, when that changed and it is connected. */
void relationship_tell_peer(struct relationship *relationship);
/* While no worker has it the connection to the owner is watched, so that a PING is answered soon,
 * and its end noticed. Before a worker gets it, or it is closed, it must not be watched any more.
 */
void relationship_watch_peer(struct relationship *relationship);
void relationship_unwatch_peer(struct relationship *relationship);
void relationship_answer_release(struct relationship *relationship, int error, const char *text);
/* Read the standing orders, if the cluster's settings are known. */
void relationship_note_standing(struct relationship *relationship);
/* A higher epoch was told of: make it durable, and go by it when it is. */
void relationship_note_heard(struct relationship *relationship);
void relationship_clear_resync(struct relationship *relationship, int64_t now_ms);

/* ---- relationship_cycle.c ---- */
void relationship_start_cycle(struct relationship *relationship, int64_t now_ms);
/* Tell of wrapped disks that are doubted (cycle.h). */
void relationship_note_doubt(struct relationship *relationship);
/* Take a begun transfer into the state. */
void relationship_note_progress(struct relationship *relationship);
/* What a resynchronization takes, the one that runs or one that were to begin now; "" while the
 * disks are not known. Returns buf. */
char *relationship_resync_estimate(const struct relationship *relationship,
				   char buf[DIGEST_ESTIMATE_LEN]);
void relationship_cancel(struct relationship *relationship);
/* End the waits of those whose cycle ended so (text: what failed), or whose time is over. */
void relationship_answer_waiters(struct relationship *relationship, int error, const char *text,
				 int64_t now_ms);

/* ---- relationship_status.c ---- */
void relationship_judge(struct relationship *relationship, int64_t now_ms);
/* Build its status in frame; strings stay the relationship's. */
void relationship_fill_status(const struct relationship *relationship,
			      struct vm_status_frame *frame);
/* Take over counters and state from what was announced before. */
void relationship_adopt(struct relationship *relationship, const Vmreplica__VmStatus *status);
void relationship_save(const struct relationship *relationship);
/* Set the node attribute when it changed and a minute has passed. */
void relationship_publish(struct relationship *relationship, int64_t now_ms);
void relationship_unpublish(struct relationship *relationship);

#endif
