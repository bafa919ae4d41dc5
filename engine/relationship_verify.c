/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/relationship_verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "engine/relationship.h"

#define SLICE_MIN_MS 1000
#define SLICE_MAX_MS 20000
#define ONE_CUT_MS   (7 * 24 * 3600 * INT64_C(1000)) /* the largest VM on the slowest storage */

int64_t verify_slice_ms(uint32_t frequency_s, bool one_cut)
{
	int64_t slice_ms = (int64_t)frequency_s * 1000 / 4;

	if (one_cut) {
		return ONE_CUT_MS;
	}
	return slice_ms < SLICE_MIN_MS	 ? SLICE_MIN_MS
	       : slice_ms > SLICE_MAX_MS ? SLICE_MAX_MS
					 : slice_ms;
}

const char *verify_phase_to_string(enum verify_phase phase)
{
	static const char *const words[] = {"running", "done", "failed", "cancelled"};

	return words[phase];
}

static bool verify_runs(const struct relationship *rel)
{
	return rel->verify != NULL && rel->verify->phase == VERIFY_RUNNING;
}

struct verify_run *relationship_verify_begin(struct relationship *rel, bool one_cut)
{
	struct verify_run *run;
	uint32_t random;

	if (verify_runs(rel)) {
		return rel->verify;
	}
	run = calloc(1, sizeof(*run));
	if (run == NULL || getrandom(&random, sizeof(random), 0) != sizeof(random) ||
	    verify_state_init(&run->state, verify_slice_ms(rel->settings.frequency_s, one_cut),
			      one_cut) < 0) {
		free(run);
		return NULL;
	}
	snprintf(run->id, sizeof(run->id), "%08" PRIx32, random);
	relationship_verify_free(rel);
	rel->verify = run;
	engine_event(rel->engine, "notice", rel->settings.vm, "verification begins");
	engine_wake(rel->engine);
	return run;
}

struct verify_run *relationship_verify_find(const struct relationship *rel, const char *id)
{
	return rel->verify != NULL && strcmp(rel->verify->id, id) == 0 ? rel->verify : NULL;
}

static void verify_end(struct relationship *rel, enum verify_phase phase, const char *severity)
{
	rel->verify->phase = phase;
	engine_event(rel->engine, severity, rel->settings.vm, "verification: %s",
		     rel->verify->text);
}

void relationship_verify_cancel(struct relationship *rel)
{
	if (verify_runs(rel)) {
		snprintf(rel->verify->text, sizeof(rel->verify->text),
			 "cancelled by the administrator");
		verify_end(rel, VERIFY_CANCELLED, "notice");
	}
}

/* Two kept jobs at once would take both of the places that cycles have. */
static bool another_compares(const struct relationship *rel)
{
	for (const struct relationship *other = rel->engine->relationships; other != NULL;
	     other = other->next) {
		if (other != rel && other->running && other->cycle.verify != NULL) {
			return true;
		}
	}
	return false;
}

struct verify_state *relationship_verify_take(struct relationship *rel, int64_t now)
{
	if (!verify_runs(rel) || now < rel->verify->next_ms || another_compares(rel)) {
		return NULL;
	}
	rel->verify->slice_begin_ms = now;
	rel->verify->state.used = false;
	rel->verify->state.trouble = (struct trouble){0};
	return &rel->verify->state;
}

static void verify_conclude(struct relationship *rel)
{
	struct verify_run *run = rel->verify;
	const struct verify_state *state = &run->state;

	if (state->differing_bytes == 0) {
		snprintf(run->text, sizeof(run->text),
			 "the replica equals the primary (%" PRIu64
			 " MiB compared, at the cuts of cycles %" PRIu64 " to %" PRIu64 ")",
			 (uint64_t)atomic_load(&state->done_bytes) >> 20, state->first_seq,
			 state->last_seq);
		verify_end(rel, VERIFY_DONE, "notice");
	} else {
		snprintf(run->text, sizeof(run->text),
			 "the replica differs from the primary: %" PRIu64
			 " KiB, first on disk %s at offset %" PRIu64
			 "; heal it with: vmreplica resync %s",
			 state->differing_bytes >> 10, state->differences[0].disk,
			 state->differences[0].offset, rel->settings.vm);
		verify_end(rel, VERIFY_DONE, "error");
	}
}

void relationship_verify_note(struct relationship *rel, int64_t now)
{
	struct verify_run *run = rel->verify;

	if (rel->cycle.verify == NULL || !verify_runs(rel)) {
		return;
	}
	/* as long a rest as the slice took: other VMs' cycles come first then */
	run->next_ms = now + (now - run->slice_begin_ms);
	if (run->state.complete) {
		verify_conclude(rel);
	} else if (run->state.trouble.outcome == SCHEDULE_DENIED ||
		   run->state.fruitless >= VERIFY_FRUITLESS_MAX) {
		snprintf(run->text, sizeof(run->text), "could not be done: %.400s",
			 run->state.trouble.text);
		verify_end(rel, VERIFY_FAILED, "warning");
	}
}

void relationship_verify_tick(struct relationship *rel, int64_t now)
{
	if (verify_runs(rel) && !rel->running && now >= rel->verify->next_ms &&
	    rel->schedule.failures == 0 && !another_compares(rel)) {
		rel->schedule.wanted = true;
	}
}

void relationship_verify_free(struct relationship *rel)
{
	if (rel->verify != NULL) {
		verify_state_destroy(&rel->verify->state);
		free(rel->verify);
		rel->verify = NULL;
	}
}
