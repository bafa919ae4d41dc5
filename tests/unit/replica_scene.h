/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the end-to-end tests of the receiver share: a receiver with an open store, a model, a
 * sender. */
#ifndef VMR_TESTS_REPLICA_SCENE_H
#define VMR_TESTS_REPLICA_SCENE_H

#include "receiver_rig.h"
#include "replica_model.h"
#include "wire_sender.h"

#define INITIAL VMREPLICA__WIRE__MODE__MODE_INITIAL
#define DELTA	VMREPLICA__WIRE__MODE__MODE_DELTA
#define RESYNC	VMREPLICA__WIRE__MODE__MODE_RESYNC

extern struct rig rig;
extern struct model model;
extern struct sender sender;

/* A receiver as b1 with an open, new store. */
void scene_begin(void);
void scene_end(void);
/* HELLO, then a whole initial replication of a changed model. The sender stays connected. */
void scene_initial(void);
/* Change the model, send a delta of it. */
void scene_delta(int changes);
/* Send all dirty clusters as a delta that must be committed. */
void scene_delta_of_dirty(void);
/* The replica holds the model's disks once the sender's last cut is applied. */
void scene_check(void);
/* Stop (or kill) the receiver and start another as b1 on the same store. */
void scene_replace_receiver(bool cruelly);
/* HELLO whose WELCOME must offer this mark. */
void scene_enter_with_mark(Vmreplica__Wire__Mode mode, const struct sender_mark *expected);

/* HELLO and WELCOME. */
void scene_enter(void);
/* The receiver ends the sender's stream with this answer, whose reason holds these words. */
void scene_expect(enum frame_type type, const char *code, const char *words);
/* After a refusal: the same data goes through when it is sent right, and the replica's health is
 * well again. */
void scene_recover(void);
/* Wait until the status has this reason code. */
bool scene_wait_code(const char *code, int timeout_ms);

/* Connect anew and resynchronize both disks whole, to the commit. */
void scene_resync_whole(void);
/* The replica waits for a resynchronization for this reason, refuses deltas until it is done, and
 * is right again afterwards. */
void scene_resync_now(const char *why);

#endif
