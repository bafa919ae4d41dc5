/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One replica whose store this node owns. The engine makes its directory and tells the receiver to
 * open and close it; what happens in it is the receiver's. Control thread only.
 *
 *   PREPARING (directory, on a worker) -> OPENING (STORE_OPEN sent) -> OPEN
 *     -> CLOSING (STORE_CLOSE sent) -> GONE
 */
#ifndef VMR_ENGINE_REPLICA_H
#define VMR_ENGINE_REPLICA_H

#include "engine/engine.h"
#include "engine/replica_adopt.h"
#include "engine/replica_definition.h"
#include "engine/health_attribute.h"
#include "engine/store_reach.h"
#include "engine/vm_settings.h"
#include "engine/vm_status.h"

enum replica_phase {
	REPLICA_PREPARING,
	REPLICA_OPENING,
	REPLICA_OPEN,
	REPLICA_FAILED, /* could not be opened; tried again */
	REPLICA_CLOSING,
	REPLICA_GONE,
};

typedef void (*replica_done_cb)(void *arg, int error, const char *text);

struct replica {
	struct replica *next;
	struct engine *engine; /* borrowed */
	struct vm_settings settings;
	enum replica_phase phase;
	char directory[PATH_LEN_MAX + 1];
	Vmreplica__VmStatus *status; /* owned: what the receiver said last; NULL = nothing yet */
	struct replica_definition *definition; /* owned: of the VM; NULL without memory */
	char error[REASON_MAX];		       /* why it is FAILED */
	bool suspended;
	struct replica_adopt adopt;
	struct {		       /* what the other side asks of a planned failover */
		char text[REASON_MAX]; /* "" = nothing */
		uint64_t seq;	       /* of the last cycle then: a newer one ends it */
	} word;
	bool failed_over; /* a VM of ours runs on it, or may: its definition is the failover's */
	bool destroy;	  /* closing for good */
	bool stopping;
	bool held;	       /* the receiver had it open when it was told to close */
	bool closed;	       /* it did, and says that it has let the store go */
	char kept[REASON_MAX]; /* why the receiver did not remove it for good; "" = it did */
	bool busy;	       /* a worker prepares the directory, or waits for the store's lock */
	struct store_reach reach; /* what the receiver needs for it */
	uid_t qemu_uid;		  /* who reads the layers; 0 = root, or not known */
	pid_t spared;		  /* our receiver while the directory is prepared */
	uint64_t generation, moves, last_pause_ms;
	bool moved_here;
	int64_t detached_ms, paused_since_ms;
	int64_t retry_ms, deadline_ms; /* monotonic */
	struct health_attribute attribute;
	replica_done_cb start_done, stop_done;
	void *start_arg, *stop_arg;
	char task_error[REASON_MAX]; /* the worker's, taken over when it is done */
};

/* The other side waits for this one's word on a planned failover, or was given it: its status says
 * so until the next cycle comes, or the VM is taken. */
void replica_note_word(struct replica *replica, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Take what settings holds (left empty) and open the store; done (may be NULL) is called when it is
 * open or cannot be. NULL when out of memory (done is not called). */
struct replica *replica_new(struct engine *engine, struct vm_settings *settings, int timeout_ms,
			    replica_done_cb done, void *arg);
void replica_configure(struct replica *replica, struct vm_settings *settings);
/* Close the store, then detach: done(0) when the receiver has let everything go, done(-EPERM) when
 * it has but keeps the store, for its own reasons, although destroy was said. At timeout_ms the
 * receiver is killed, which ends its hold as surely. destroy: remove the store as well. */
void replica_stop(struct replica *replica, bool destroy, int timeout_ms, replica_done_cb done,
		  void *arg);
/* A start while it is not open: try at once. Whoever waits (start_done) is answered within
 * timeout_ms. */
void replica_retry(struct replica *replica, int timeout_ms);
void replica_suspend(struct replica *replica, bool suspended);
bool replica_is_open(const struct replica *replica);
void replica_tick(struct replica *replica, int64_t now_ms);
/* ---- replica_status.c ---- */
/* The resource that runs its VM after a failover: the VM's own where it was the primary before,
 * else the one made for it. NULL: there is none yet. Borrowed until the loop goes on. */
const Vmreplica__Ipc__CibResource *replica_vm_resource(const struct replica *replica);
/* Show its health as the node attribute when that is due. */
void replica_publish(struct replica *replica, int64_t now_ms);
void replica_fill_status(const struct replica *replica, struct vm_status_frame *frame);
void replica_free(struct replica *replica);

/* ---- from receiver_child.c ---- */
void replica_opened(struct replica *replica, int error, const char *text);
void replica_closed(struct replica *replica, int error, const char *text);
void replica_note_status(struct replica *replica, const Vmreplica__VmStatus *status);
/* The receiver is gone: nothing is open any more. */
void replica_receiver_lost(struct replica *replica);
void replica_receiver_ready(struct replica *replica);

#endif
