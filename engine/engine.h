/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine as a whole: what its rooms share. One control thread (a qb_loop) runs all of it;
 * libvirt, disks and the network are workers' business: cycle_workers run cycles, storage_workers
 * whatever touches the storage of replicas, task_workers everything else that blocks. So a storage
 * that hangs holds up nothing but replicas.
 *
 *   engine.c          wiring: start, the cluster's callbacks, stop
 *   engine_clock.c    schedule, retries, deadlines
 *   relationship*.c   one protected VM that runs here: attach, cycles, health, detach
 *   replica.c         one replica whose store this node owns (its work is the receiver's)
 *   receiver_child.c  the receiver process
 *   announcer.c       what this node tells the cluster; cluster_table.c: what the others told
 *   failover_job.c    a failover that this node carries out; job_table.c: jobs of all nodes
 *   admin_*.c         requests of admins and agents
 */
#ifndef VMR_ENGINE_ENGINE_H
#define VMR_ENGINE_ENGINE_H

#include <qb/qbloop.h>
#include <stdbool.h>
#include <stdint.h>

#include "cluster/cluster.h"
#include "cluster/forward.h"
#include "common/buffer.h"
#include "common/config.h"
#include "common/workers.h"
#include "engine/certificate_watch.h"
#include "engine/cluster_table.h"
#include "engine/digest_estimate.h"
#include "engine/event_ring.h"
#include "engine/source.h"
#include "common/tls_store.h"

#define ENGINE_CYCLE_WORKERS   2 /* SCHEDULE_MAX_RUNNING */
#define ENGINE_TASK_WORKERS    4
#define ENGINE_STORAGE_WORKERS 4
#define ENGINE_GROUP	       "vmreplica" /* user and group of the receiver; group of admins */
#define ENGINE_SOCKET	       VMR_RUNDIR "/engine.sock"
#define ENGINE_BACKUP_DIR      VMR_RUNDIR "/backup"
#define ENGINE_LENT_DIR                                                                            \
	VMR_RUNDIR "/lent" /* sockets of replicas that are read, by the receiver's user */
#define ENGINE_STATE_DIR   VMR_STATEDIR "/engine"
#define ENGINE_JOBS_DIR	   VMR_STATEDIR "/jobs"
#define ENGINE_ERROR_LEN   512
#define ENGINE_ADDRESS_LEN 320
#define ENGINE_MISSING_LEN 512

struct relationship;
struct replica;
struct receiver_child;
struct announcer;
struct storage_probe;
struct admin_service;
struct authorizer;

struct engine {
	qb_loop_t *loop;	     /* borrowed */
	const struct config *config; /* borrowed */
	const char *config_path;     /* borrowed; the file that it came from, or NULL */
	struct cluster cluster;
	bool cluster_started;
	struct forward *forward;
	struct workers *cycle_workers, *task_workers, *storage_workers;
	struct source_connection *libvirt;
	struct tls_store *tls;
	struct certificate_watch certificates;
	struct buffer_pool *pool;
	struct relationship *relationships; /* owned list: primaries here */
	struct replica *replicas;	    /* owned list: stores here */
	struct give_way *giving_way;	/* owned list: old primaries here that become replicas */
	unsigned int way_watches;	/* questions under way (give_way_back.c) */
	int64_t way_watch_ms;		/* monotonic: when the next are asked */
	struct guard_refusal *guard_refusals; /* owned list (guard_patience.h) */
	struct host_start *host_starts; /* owned list: VMs without a cluster (host_start.h) */
	struct planned *planned;	/* owned list: planned failovers of primaries here */
	struct receiver_child *receiver;
	struct lend_call *lend_calls; /* owned list: asked of the receiver (replica_lender.c) */
	uint64_t lend_id;
	struct points_wait *points_waits;   /* owned list: asked of the receiver (admin_points.c) */
	struct transfer *transfers;	    /* owned list: exports and imports (transfer.c) */
	struct job_table *jobs;		    /* of all nodes */
	struct failover_job *failover_jobs; /* owned list: carried out here */
	struct takeover_wait
		*takeover_waits;    /* owned list: asked of the receiver (replica_takeover.c) */
	struct failover *failovers; /* owned list: of replicas here (failover.h) */
	struct point_finding *point_findings; /* owned list (point_find.c) */
	struct jobs_wait *jobs_waits;	      /* owned list: who follows a job (admin_jobs.c) */
	struct cluster_table table;
	struct announcer *announcer;
	struct storage_probe *storages;
	struct event_ring events;
	struct digest_speed digest_speed; /* of resynchronizations that ran here */
	struct admin_service *admin;
	struct authorizer *authorizer;
	char broker_address[ENGINE_ADDRESS_LEN]; /* "host:port" as it told; "" = not yet */
	unsigned int brokers; /* in the group now: at most one, but for moments */
	uint64_t boot;	      /* random per start */
	bool quorate;
	char missing[ENGINE_MISSING_LEN]; /* without quorum: who is absent, what to do */
	bool joined;			  /* the group hears us */
	bool adopted; /* resources that run here were attached once after start */
	bool orphans_ended, orphans_busy; /* jobs of an earlier engine were looked for */
	int64_t orphans_retry_ms;	  /* monotonic */
	qb_loop_timer_handle tick_timer;
	bool tick_armed;
	bool stopping;
	/* Called once when all is detached and closed after engine_stop. */
	void (*stopped_cb)(void *arg);
	void *stopped_arg;
};

/* Make directories, start workers, admin socket and cluster. *engine is zeroed but for loop and
 * config. 0, or a negative errno with a sentence. Blocking for a moment (directories, socket): at
 * start only. */
int engine_start(struct engine *engine, char error[ENGINE_ERROR_LEN]);
/* Begin to stop: cycles are cancelled, stores closed; then stopped_cb from the loop. */
void engine_stop(struct engine *engine, void (*stopped_cb)(void *arg), void *arg);
/* Release everything. After stopped_cb, or after a failed engine_start. */
void engine_destroy(struct engine *engine);

/* Look at the schedule again soon (a cycle ended, a request came). */
void engine_wake(struct engine *engine);
/* Something that an admin sees changed: announce it soon. */
void engine_changed(struct engine *engine);
/* Record an event; also written to the log by its severity ("notice", "warning", "error"). vm may
 * be "". */
void engine_event(struct engine *engine, const char *severity, const char *vm, const char *format,
		  ...) __attribute__((format(printf, 4, 5)));

/* Where this site's broker listens, "host:port", for the other side's orders; "" when no broker was
 * heard of. */
const char *engine_broker_address(const struct engine *engine);

struct relationship *engine_find_relationship(const struct engine *engine,
					      const char *relationship);
struct replica *engine_find_replica(const struct engine *engine, const char *relationship);
/* Where Pacemaker has the resource; NULL: it has not said, or knows none of that id (which may be
 * NULL). Borrowed until the loop goes on. */
const struct placement_resource *engine_find_place(struct engine *engine, const char *resource);
/* The cluster's settings, or NULL before they are known. */
const Vmreplica__Ipc__CibSettings *engine_settings(const struct engine *engine);
/* The value of a cluster setting, or NULL. */
const char *engine_setting(const struct engine *engine, const char *name);

#endif
