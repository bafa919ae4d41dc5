/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Test and unplanned failovers of a replica here, their cleanup, cancel and commit: carried out
 * step by step (failover_plan.h), each on workers, the receiver or Pacemaker. Control thread only.
 *
 *   failover.c         begins, resumes and drives
 *   failover_record.c  the order in the settings
 *   failover_steps.c   what goes through the receiver, and the VM's resource
 *   failover_run.c     running and stopping the VM
 *   failover_forward.c planned: what fails behind the point of no return
 *   failover_ask.c     what may make it turn round before the VM is started
 *   failover_role.c    becoming the primary: planned failover, reverse replication
 *   failover_images.c  a test's images
 *   failover_consolidate.c  a committed chain made short
 */
#ifndef VMR_ENGINE_FAILOVER_H
#define VMR_ENGINE_FAILOVER_H

#include "engine/failover_job.h"
#include "engine/failover_order.h"
#include "engine/failover_plan.h"
#include "engine/replica.h"
#include "proto/ipc.pb-c.h"

#define FAILOVER_RETRY_MS 1000

struct failover {
	struct failover *next;
	struct engine *engine; /* borrowed */
	struct failover_order order;
	char relationship[RELATIONSHIP_LEN + 1];
	char vm[VM_NAME_MAX + 1];
	struct failover_state state;
	struct failover_job *job; /* NULL once it is told how it ended */
	bool busy;		  /* somebody answers later */
	bool entered;		  /* the step was begun before */
	bool name_is_free;	  /* nobody else's VM runs here under its name */
	bool undo_recorded;	  /* that it is on its way back stands in the settings */
	unsigned int undo_attempts;
	int64_t ordered_ms;		   /* monotonic; 0: by another engine */
	int64_t step_ms;		   /* monotonic, when the step began */
	int64_t retry_ms;		   /* monotonic: not before */
	Vmreplica__Ipc__StoreTaken *taken; /* owned: what the receiver gave; NULL = not yet */
	int error;			   /* the first failure; 0 = none */
	char text[REASON_MAX], advice[REASON_MAX];
	/* REVERSE, PLANNED: what the VM began from; the last cycle that was received, and where the
	 * logs between wrote ("" = nowhere, or it is not known: then last_cut_id is "" too) */
	uint64_t from_seq, last_seq;
	char from_cut_id[CUT_ID_LEN + 1], last_cut_id[CUT_ID_LEN + 1];
	char extents[PATH_LEN_MAX + 1];
	char outcome[REASON_MAX]; /* of a job that is done */
	int64_t doubt_ms;	  /* monotonic: until then the store's status may be older */
	char told[REASON_MAX];	  /* the last failure of a step that is tried again */
	struct consolidate_job *consolidating; /* on its worker */
	int64_t bound_ms;   /* monotonic: since when ours stops before a move; 0 */
	bool gives_way;	    /* another order waits for its end */
	bool asked;	    /* PLANNED: the other side was, before the VM is started (again) */
	int64_t primary_ms; /* UNPLANNED: monotonic, when it was asked again and did not live; 0 */
	bool take_back;	    /* PLANNED: an admin here gives it back */
};

/* Begin what order says for a replica that is open here; its job has an id when this returns.
 * 0, -EBUSY (a job of it is under way), -ENOMEM. */
int failover_begin(struct replica *replica, const struct failover_order *order,
		   struct failover **ret_failover);
struct failover *failover_find(const struct engine *engine, const char *relationship);
/* Go on: also with what another engine, or ours before its restart, had under way. */
void failover_tick(struct engine *engine, int64_t now_ms);
/* A commit that merges images ends for another order: true, and soon there is no job. False: it is
 * something else that is under way, or nothing. */
bool failover_give_way(struct engine *engine, const char *relationship);
/* Likewise of a reverse for which the other side has not become the replica yet. */
bool failover_end_reverse(struct engine *engine, const char *relationship);
/* An admin gives a planned failover back that this side has taken (failover_ask.c): true, and its
 * job turns round. False: there is none, or the VM runs here. */
bool failover_take_back(struct engine *engine, const char *relationship);
/* At the end; nobody answers any more. */
void failover_free_all(struct engine *engine);

/* ---- for the steps ---- */
/* The replica, open here; NULL when it is not at the moment. */
struct replica *failover_replica(const struct failover *failover);
void failover_done(struct failover *failover);
/* Not now: look again after ms. Fails instead (with text) when the step has lasted limit_ms. */
void failover_later(struct failover *failover, int ms, int64_t limit_ms, const char *advice,
		    const char *format, ...) __attribute__((format(printf, 5, 6)));
void failover_failed(struct failover *failover, int error, const char *advice, const char *format,
		     ...) __attribute__((format(printf, 4, 5)));
/* Must the step that failed be tried again, because the point of no return of a planned failover is
 * behind (failover_forward.c)? Then do so, and say what is in the way. */
bool failover_goes_forward(struct failover *failover);
void failover_try_again(struct failover *failover, const char *advice, const char *text);
/* Is this a planned failover whose epoch the other side was promised (peer_take.c), and not told
 * to start yet? It may be started there: here it must not. */
bool failover_is_refused(const struct failover *failover);
/* Before its store is taken: the step fails. Afterwards: it is given back. False: not refused, or
 * (take) the store is taken already, and the start decides. */
bool failover_stops_refused(struct failover *failover);
/* Was it ordered to turn round? Then it does, now or soon: true. */
bool failover_turn_back(struct failover *failover);
/* Before the VM of a planned failover is started, or started again: has the other side failed over
 * to itself meanwhile? True: it is being asked, or has, and the job turned. */
bool failover_asks(struct failover *failover);
/* The same of an unplanned one that is resumed, or takes long, unless it was forced: before the
 * store is taken, and before its VM is asked for the first time: is the primary back? True: it is
 * being asked. */
bool failover_asks_primary(struct failover *failover);
/* The resource of the VM (not of a test's); NULL: none yet. Borrowed until the loop goes on. */
const Vmreplica__Ipc__CibResource *failover_vm_resource(const struct failover *failover);
/* See that nobody else's VM runs under the name, then failover_step_resource again. */
void failover_check_name(struct failover *failover);
/* The epoch that ending it raises to: of a cancel the order's; of one that is taken back the one
 * after it, or what the other side has raised to meanwhile. Its holder is the primary's site. 0 or
 * as epoch_raise. */
int failover_release_epoch(const struct failover *failover, const struct replica *replica,
			   struct epoch *ret_epoch);
/* Was Pacemaker told to run the VM? Then it may be ours that runs. */
bool failover_was_started(const struct failover *failover);
/* The name of a test failover's VM and resource, "<vm>-test" (RESOURCE_ID_MAX + 1 bytes). */
char *failover_test_name(const struct failover *failover, char *buf);

/* Each begins its step or looks at how it goes, and ends with one of the three above, now or (busy)
 * later. */
void failover_step_record(struct failover *failover);
void failover_step_takeover(struct failover *failover);
void failover_step_overlays(struct failover *failover);
void failover_step_definition(struct failover *failover);
void failover_step_resource(struct failover *failover);
void failover_step_start(struct failover *failover);
void failover_step_running(struct failover *failover);
void failover_step_stop(struct failover *failover);
void failover_step_remove(struct failover *failover);
void failover_step_release(struct failover *failover);
void failover_step_points(struct failover *failover);
void failover_step_consolidate(struct failover *failover);
/* The merge under way gives up soon; it is begun again with the step. */
void failover_consolidate_stop(struct failover *failover);
/* Is one under way of it? The replica is not let go before it has ended. */
bool failover_consolidates(const struct engine *engine, const char *relationship);
void failover_step_forget(struct failover *failover);
/* failover_role.c */
void failover_step_extents(struct failover *failover);
void failover_step_peer(struct failover *failover);
void failover_step_role(struct failover *failover);

#endif
