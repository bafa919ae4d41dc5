/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vmreplica verify: one verification of a relationship, slice by slice with its cycles. It lives as
 * long as the relationship is attached here: a move ends it, and who wants it begins it again.
 * Control thread.
 */
#ifndef VMR_ENGINE_RELATIONSHIP_VERIFY_H
#define VMR_ENGINE_RELATIONSHIP_VERIFY_H

#include "engine/cycle_verify.h"

#define VERIFY_ID_LEN 8

enum verify_phase { VERIFY_RUNNING, VERIFY_DONE, VERIFY_FAILED, VERIFY_CANCELLED };

struct verify_run {
	char id[VERIFY_ID_LEN + 1];
	enum verify_phase phase;
	struct verify_state state; /* the worker's while a cycle runs, but for its atomics */
	int64_t next_ms;	   /* monotonic: the next slice may begin */
	int64_t slice_begin_ms;
	char text[512]; /* the outcome */
};

struct relationship;

/* How long a slice may keep a job: a part of the frequency, so that cycles keep their ticks; at one
 * cut, as long as it takes. Pure. */
int64_t verify_slice_ms(uint32_t frequency_s, bool one_cut);
const char *verify_phase_to_string(enum verify_phase phase);

/* Begin one, or join the one under way, of whatever kind that is. NULL when out of memory.
 * Borrowed. */
struct verify_run *relationship_verify_begin(struct relationship *relationship, bool one_cut);
/* The one called id, also one that has ended; NULL when there is none. */
struct verify_run *relationship_verify_find(const struct relationship *relationship,
					    const char *id);
void relationship_verify_cancel(struct relationship *relationship);
/* A cycle begins: what it is to compare, or NULL. At most one cycle of this engine compares. */
struct verify_state *relationship_verify_take(struct relationship *relationship, int64_t now_ms);
/* A cycle ended. */
void relationship_verify_note(struct relationship *relationship, int64_t now_ms);
/* Once a second: the next slice's cycle. */
void relationship_verify_tick(struct relationship *relationship, int64_t now_ms);
void relationship_verify_free(struct relationship *relationship);

#endif
