/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The receiver process: started with a socketpair on descriptor 3, told its configuration, who is
 * authorized and which stores are here; started again (backing off to 30 s) when it ends. Control
 * thread only.
 */
#ifndef VMR_ENGINE_RECEIVER_CHILD_H
#define VMR_ENGINE_RECEIVER_CHILD_H

#include "engine/engine.h"
#include "engine/store_reach.h"
#include "proto/frame.h"

#define RECEIVER_PROGRAM VMR_DAEMONDIR "/vmreplica-receiver"
#define RECEIVER_FD	 3

/* engine is borrowed. Starts the process. NULL when out of memory. */
struct receiver_child *receiver_child_new(struct engine *engine);
void receiver_child_free(
	struct receiver_child *child); /* kills it if it still runs; NULL allowed */
/* Ask it to end; receiver_child_is_running tells when it has. */
void receiver_child_stop(struct receiver_child *child);
bool receiver_child_is_running(const struct receiver_child *child);
/* Its process, 0 = none. */
pid_t receiver_child_pid(const struct receiver_child *child);
/* It said READY: stores may be opened. */
bool receiver_child_is_ready(const struct receiver_child *child);
/* It is ready, and can open all of wanted. Otherwise it will be: it is started anew when nothing is
 * under way in it that would have to begin anew, and replica_receiver_ready tells. */
bool receiver_child_reaches(struct receiver_child *child, const struct store_reach *wanted);
/* The same for the store in directory, which is looked at first: asked again a moment later. */
bool receiver_child_reaches_store(struct receiver_child *child, const char *directory);
/* End it by force: its locks and its qemu-storage-daemons end with it. It is started again. */
void receiver_child_kill(struct receiver_child *child, const char *why);
/* Send a request. 0, -ENOTCONN, ... */
int receiver_child_send(struct receiver_child *child, enum frame_type type,
			const ProtobufCMessage *message);
/* The authorization entries changed. */
void receiver_child_authorize(struct receiver_child *child);
void receiver_child_tick(struct receiver_child *child, int64_t now_ms);

#endif
