/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames that are right by themselves in the wrong place: of a cycle that comes next one is
 * doubled, left out, exchanged with another, or one of an earlier cycle is among them; earlier
 * cycles come again; the stream of another VM, an older epoch, an epoch of another lineage, another
 * site. Each is refused or changes nothing; the replica holds what was acknowledged, and the cycle
 * as it was meant is taken afterwards. Logs: a sound one of an earlier cycle, or of another VM, in
 * the place of one that waits to be applied is not applied. (Owners that were replaced:
 * test_stale_owner.)
 *
 * Environment: FAULT_SEED (printed otherwise); FAULT_SHARE: how many (default 150; 0: 10,000).
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/faults/faults.h"
#include "tests/unit/unit.h"

#define WHOLE	 10000
#define KEPT	 6 /* earlier cycles, as they were sent */
#define FRAMES	 512
#define RENEW	 250 /* after so many the cycle is sent as it was meant, and another one comes */
#define EPOCH	 5
#define STRANGER "5f0c1a52-9d2e-4d57-8a4b-0c6c1b2a7e99"

/* The frames of one cycle. */
struct tape {
	char *bytes; /* owned */
	size_t size;
	size_t at[FRAMES + 1], count;
	struct sender_cut cut;
};

enum wrong {
	WRONG_DOUBLED,
	WRONG_LEFT_OUT,
	WRONG_EXCHANGED,
	WRONG_INSERTED,
	WRONG_REPLAYED, /* an earlier cycle */
	WRONG_AGAIN,	/* the last one, whose answer was lost: acknowledged once more */
	WRONG_VM,	/* of a relationship that is not here */
	WRONG_OLD_EPOCH,
	WRONG_LINEAGE,
	WRONG_SITE,
	WRONG_CERTIFICATE,
	WRONGS,
};

static const char *const names[WRONGS] = {"doubled",  "left out",  "exchanged",	 "inserted",
					  "replayed", "again",	   "other VM",	 "old epoch",
					  "lineage",  "site name", "certificate"};

static unsigned int seed;
static struct tape kept[KEPT], next;
static size_t kept_count;
static unsigned long tried[WRONGS], refused[WRONGS], idempotent[WRONGS];

/* ---- tapes ---- */

static uint32_t be32(const char *at)
{
	const uint8_t *b = (const uint8_t *)at;

	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static void tape_index(struct tape *tape)
{
	size_t at = 0;

	tape->count = 0;
	while (at < tape->size && tape->count < FRAMES) {
		tape->at[tape->count++] = at;
		at += FRAME_HEADER_LEN + be32(tape->bytes + at + 8) + be32(tape->bytes + at + 12);
	}
	CU_ASSERT_EQUAL_FATAL(at, tape->size);
	tape->at[tape->count] = at;
}

/* The delta of what is dirty, recorded and not sent. */
static void tape_make(struct tape *tape)
{
	memset(tape, 0, sizeof(*tape));
	sender_record = open_memstream(&tape->bytes, &tape->size);
	CU_ASSERT_PTR_NOT_NULL_FATAL(sender_record);
	sender_silent = true;
	sender_begin(&sender, &model, DELTA, false);
	sender_dirty(&sender, &model);
	sender_send_end(&sender);
	sender_silent = false;
	fclose(sender_record);
	sender_record = NULL;
	tape->cut = sender.cut;
	tape_index(tape);
}

static void frames_send(const struct tape *tape, size_t from, size_t count)
{
	tls_write_full(sender.conn, tape->bytes + tape->at[from],
		       tape->at[from + count] - tape->at[from], 5000);
}

static void next_prepare(void)
{
	model_change(&model, 4);
	tape_make(&next);
}

/* ---- the connection ---- */

static bool enter(void)
{
	bool entered;

	sender_drop(&sender);
	sender.epoch = EPOCH;
	entered = sender_connect(&sender, &rig, rig.sender_tls);
	sender.epoch = EPOCH;
	return entered && sender_hello(&sender, &model) == FRAME_WELCOME;
}

/* The cycle as it was meant, which becomes an earlier one. */
static void next_commit(void)
{
	CU_ASSERT_TRUE_FATAL(enter());
	frames_send(&next, 0, next.count);
	CU_ASSERT_EQUAL_FATAL(sender_answer(&sender, 20000), FRAME_COMMITTED);
	CU_ASSERT_STRING_EQUAL(sender.committed.cut_id, next.cut.cut_id);
	model_clear_dirty(&model);
	if (kept_count == KEPT) {
		free(kept[0].bytes);
		memmove(kept, kept + 1, (KEPT - 1) * sizeof(kept[0]));
		kept_count--;
	}
	kept[kept_count++] = next;
}

static void store_begin(void)
{
	rig_init(&rig);
	model_init(&model);
	rig_start(&rig, "b1");
	CU_ASSERT_EQUAL_FATAL(rig_open(&rig), 0);
	model_change(&model, 30);
	CU_ASSERT_TRUE_FATAL(enter());
	sender_begin(&sender, &model, INITIAL, false);
	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		sender_range(&sender, &model, i, 0, model.disks[i].size, false);
	}
	CU_ASSERT_TRUE_FATAL(sender_end(&sender));
	model_clear_dirty(&model);
	for (int i = 0; i < KEPT; i++) {
		CU_ASSERT_TRUE_FATAL(enter());
		next_prepare();
		next_commit();
	}
	CU_ASSERT_TRUE_FATAL(enter());
	next_prepare();
}

/* ---- wrongs ---- */

static void doubled(void)
{
	size_t at = rig_random((uint32_t)next.count - 1); /* the end doubled is no wrong */

	frames_send(&next, 0, at + 1);
	frames_send(&next, at, next.count - at);
}

static void left_out(void)
{
	size_t at = rig_random((uint32_t)next.count - 1);

	frames_send(&next, 0, at);
	frames_send(&next, at + 1, next.count - at - 1);
}

static void exchanged(void)
{
	size_t a = rig_random((uint32_t)next.count - 1);
	size_t b = a + 1 + rig_random((uint32_t)(next.count - a - 1));

	frames_send(&next, 0, a);
	frames_send(&next, b, 1);
	frames_send(&next, a + 1, b - a - 1);
	frames_send(&next, a, 1);
	frames_send(&next, b + 1, next.count - b - 1);
}

static void inserted(void)
{
	const struct tape *from = &kept[rig_random((uint32_t)kept_count)];
	size_t at = rig_random((uint32_t)next.count);

	frames_send(&next, 0, at);
	frames_send(from, rig_random((uint32_t)from->count), 1);
	frames_send(&next, at, next.count - at);
}

/* HELLO that must not be welcomed. */
static enum frame_type hello_wrong(enum wrong wrong)
{
	sender_drop(&sender);
	if (!sender_connect(&sender, &rig,
			    wrong == WRONG_CERTIFICATE ? rig.stranger_tls : rig.sender_tls)) {
		return 0;
	}
	sender.epoch = wrong == WRONG_OLD_EPOCH ? 1 + rig_random(EPOCH - 1) : EPOCH;
	sender.lineage = wrong == WRONG_LINEAGE ? STRANGER : NULL;
	sender.site = wrong == WRONG_SITE ? "c.example" : NULL;
	sender_relationship = wrong == WRONG_VM ? STRANGER : NULL;
	sender_hello(&sender, &model);
	sender_relationship = NULL;
	return sender.answer;
}

/* Send it; the receiver's verdict. 0: it has ended the connection. */
static enum frame_type wrong_try(enum wrong wrong)
{
	const struct tape *old = &kept[rig_random((uint32_t)kept_count - 1)];
	enum frame_type answer;

	if (wrong >= WRONG_VM) {
		answer = hello_wrong(wrong);
		if (answer == FRAME_WELCOME) {
			return FRAME_COMMITTED;
		}
		frames_send(&next, 0, next.count); /* whatever it said */
		return answer;
	}
	CU_ASSERT_TRUE_FATAL(enter());
	switch (wrong) {
	case WRONG_DOUBLED:
		doubled();
		break;
	case WRONG_LEFT_OUT:
		left_out();
		break;
	case WRONG_EXCHANGED:
		exchanged();
		break;
	case WRONG_INSERTED:
		inserted();
		break;
	case WRONG_REPLAYED:
		frames_send(old, 0, old->count);
		break;
	default:
		frames_send(&kept[kept_count - 1], 0, kept[kept_count - 1].count);
		break;
	}
	return sender_answer(&sender, 20000);
}

/* What the receiver holds is the last acknowledged cycle. */
static bool unchanged(void)
{
	bool same =
		enter() && strcmp(sender.committed.cut_id, kept[kept_count - 1].cut.cut_id) == 0;

	CU_ASSERT_TRUE(same);
	return same;
}

static void wrong_judge(enum wrong wrong)
{
	enum frame_type answer = wrong_try(wrong);
	bool held = answer != FRAME_COMMITTED;

	if (wrong == WRONG_AGAIN) {
		held = answer == FRAME_COMMITTED;
	}
	tried[wrong]++;
	refused[wrong] += answer != FRAME_COMMITTED;
	idempotent[wrong] += answer == FRAME_COMMITTED;
	CU_ASSERT_TRUE(held);
	if (!unchanged() || !held) {
		fprintf(stderr, "%s: %s %s: %s (seed %u)\n", names[wrong],
			answer == 0 ? "nothing" : frame_type_to_string(answer), sender.code,
			sender.reason, seed);
	}
}

static void test_frames(void)
{
	long share = faults_number("FAULT_SHARE", 150), count = share == 0 ? WHOLE : share;
	unsigned long all = 0, not_taken = 0, taken = 0;

	store_begin();
	for (long i = 0; i < count && CU_get_number_of_failures() == 0; i++) {
		wrong_judge((enum wrong)rig_random(WRONGS));
		if (i % RENEW == RENEW - 1) {
			next_commit();
			CU_ASSERT_TRUE_FATAL(enter());
			next_prepare();
		}
	}
	next_commit();
	memset(&next, 0, sizeof(next));
	scene_check();
	printf("FAULT_SEED=%u:", seed);
	for (size_t i = 0; i < WRONGS; i++) {
		printf("%s %s %lu", i == 0 ? "" : ",", names[i], tried[i]);
		all += tried[i];
		not_taken += refused[i];
		taken += idempotent[i];
	}
	printf(": %lu wrong streams, %lu refused, %lu acknowledged once more, the replica right\n",
	       all, not_taken, taken);
}

/* ---- logs ---- */

/* A sound log in the place of the one that waits. */
static void test_logs(void)
{
	const struct cut_note *before;
	struct manifest manifest;
	char command[RIG_PATH * 4];

	scene_note();
	before = scene_cut_find(sender.committed.seq);
	CU_ASSERT_PTR_NOT_NULL_FATAL(before);
	kill(rig_daemon_pid(&rig), SIGSTOP);
	CU_ASSERT_TRUE_FATAL(enter());
	next_prepare();
	next_commit();
	rig_kill(&rig);
	manifest = scene_manifest();
	CU_ASSERT_FATAL(manifest.log_count > 1);
	snprintf(command, sizeof(command), "cat '%s/%s' > '%s/%s'", rig.store,
		 manifest.logs[manifest.log_count - 2].file, rig.store,
		 manifest.logs[manifest.log_count - 1].file);
	CU_ASSERT_EQUAL(system(command), 0);
	manifest_destroy(&manifest);
	rig_start(&rig, "b1");
	CU_ASSERT_EQUAL_FATAL(rig_open(&rig), 0);
	CU_ASSERT_TRUE(rig_wait(&rig, rig_has_state,
				VMREPLICA__STATE__STATE_WAITING_FOR_RESYNCHRONIZE, 20000));
	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		CU_ASSERT_EQUAL(image_digest(rig.status.tops[i]), before->digest[i]);
	}
	for (size_t i = 0; i < kept_count; i++) {
		free(kept[i].bytes);
	}
	scene_end();
}

static const struct unit_test tests[] = {
	{"frames", test_frames},
	{"logs", test_logs},
};

int main(void)
{
	rig_require_tools();
	seed = faults_seed();
	return unit_run("wrong frames", tests, sizeof(tests) / sizeof(tests[0]));
}
