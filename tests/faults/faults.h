/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rig's receiver under the preloaded library (shim.h), and what the tests of faults share. */
#ifndef VMR_TESTS_FAULTS_H
#define VMR_TESTS_FAULTS_H

#include <stdbool.h>

#include "tests/faults/shim.h"
#include "tests/unit/points_scene.h"

/* Of the rig that is initialized; NULL before faults_begin. */
extern struct shim *faults;

/* After rig_init, before rig_start: receivers run under the library. faults_end before rig_destroy.
 */
void faults_begin(void);
void faults_end(void);

/* From now on call number at (from 1; 0: none, they are only counted) of this kind fails with
 * error, onward: and all after it. */
void faults_arm(enum shim_kind kind, int whom, long at, bool onward, int error);
/* Nothing fails any more; how many calls have failed since the arming. */
long faults_disarm(void);
long faults_calls(void); /* since the arming */

/* The number in the environment's variable name, or otherwise. */
long faults_number(const char *name, long otherwise);
/* Seed chance with FAULT_SEED, or anew; printed. */
unsigned int faults_seed(void);

/* ---- a sender that does not take no for an answer ---- */

/* The newest cut that was sent whole (perhaps without an answer), and that was acknowledged. */
extern struct sender_cut faults_sent, faults_acknowledged;
/* An empty store that will keep points, one each cycle; a receiver under the library that has it
 * open. Both at once, or in two steps. */
void faults_store_begin(uint32_t points);
void faults_prepare(uint32_t points);
void faults_open(void);
void faults_store_end(void);
/* From now on what is done below the empty directory store is recorded, and what is acknowledged.
 */
void faults_record(const char *store);
/* Connect unless connected, and run one cycle of the mode that is wanted. true: acknowledged. What
 * the receiver says that it holds must be a cut that was acknowledged or sent last. */
bool faults_cycle(int changes);
/* What the last refusal said. */
extern char faults_code[64], faults_reason[600];
/* The sender's connection has ended. */
void faults_disconnect(void);
/* Try for timeout_ms at most until a cycle is acknowledged and applied and nothing is wrong. */
bool faults_heal(int timeout_ms);
/* The image reads as the newest acknowledged cut, every point as its own. */
bool faults_judge(void);
/* The cycle of the newest point; 0 = none. */
uint64_t faults_point(void);
/* Wait until merges have come to rest. */
bool faults_rest(int timeout_ms);

#endif
