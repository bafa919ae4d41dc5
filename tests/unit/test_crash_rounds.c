/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kill -9 at random moments of a real receiver and its qemu-storage-daemon, or the end of its
 * engine, round after round on the same store. After each: the replica equals a cycle that was
 * acknowledged (or the one that was sent whole and unanswered), never an older one; every point
 * that is listed opens and reads as the disks were at its cut, before anything has mended the
 * store; and it goes on by itself, with deltas.
 *
 * Environment: CRASH_ROUNDS (default: as many as fit) or CRASH_SECONDS (45), CRASH_SEED (printed
 * otherwise), CRASH_RESULTS (a file to which each round adds a line of JSON), CRASH_COMMIT (named
 * in it). The seed decides about operations, data and delays; what the machine makes of the delays
 * it does not. A failed round leaves its store behind.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "crash_operations.h"
#include "takeover_scene.h"
#include "unit.h"

#define SERIES_ROUNDS	10 /* on one store */
#define SECONDS_DEFAULT 45
#define CHECK_EVERY	2 /* rounds: the store's own check, offline */
#define OPERATIONS_MAX	32

enum victim {
	VICTIM_RECEIVER, /* its daemon dies with it */
	VICTIM_DAEMON,	 /* the receiver lives on */
	VICTIM_ENGINE,	 /* its link ends without a word, and the receiver with it */
};

static const char *const victim_names[] = {"receiver", "qemu-storage-daemon", "engine"};

/* The one who kills, beside the operation. */
struct killer {
	pthread_t thread;
	enum victim victim;
	unsigned int delay_us;
	pid_t daemon; /* of the receiver that was killed */
	atomic_bool done;
};

static unsigned int seed;
static unsigned int rounds_done, rounds_of[OPERATIONS_MAX];

static long environment_number(const char *name, long otherwise)
{
	const char *text = getenv(name);

	return text == NULL || text[0] == '\0' ? otherwise : strtol(text, NULL, 10);
}

/* ---- the kill ---- */

static void *killer_run(void *arg)
{
	struct killer *killer = arg;

	usleep(killer->delay_us);
	killer->daemon = rig_daemon_pid(&rig);
	if (killer->victim == VICTIM_RECEIVER) {
		kill(rig.pid, SIGKILL);
	} else if (killer->victim == VICTIM_ENGINE) {
		shutdown(rig.fd, SHUT_RDWR);
	} else if (killer->daemon != 0) {
		kill(killer->daemon, SIGKILL);
	}
	atomic_store(&killer->done, true);
	return NULL;
}

/* It sees that its engine is gone, and ends by itself. */
static void receiver_end_wait(void)
{
	bool ended = false;

	for (int i = 0; i < 3000 && !ended; i++) {
		ended = rig_process_is_dead(rig.pid);
		clock_sleep_ms(10);
	}
	CU_ASSERT_TRUE(ended);
}

static void operation_run(const struct crash_operation *operation, struct killer *killer)
{
	bool goes_on = true;

	rig_mortal = true;
	if (pthread_create(&killer->thread, NULL, killer_run, killer) != 0) {
		rig_die("no thread");
	}
	while (!atomic_load(&killer->done)) {
		goes_on = goes_on && operation->step();
		if (!goes_on) {
			usleep(1000);
		}
	}
	pthread_join(killer->thread, NULL);
	rig_mortal = false;
	if (killer->victim == VICTIM_ENGINE) {
		receiver_end_wait();
	}
	if (killer->victim != VICTIM_DAEMON) {
		rig_kill(&rig); /* takes its remains away */
		for (int i = 0;
		     killer->daemon != 0 && i < 500 && !rig_process_is_dead(killer->daemon); i++) {
			clock_sleep_ms(10);
		}
	}
}

/* ---- what must hold ---- */

/* The store as the crash left it: nobody has it open. */
static void offline_verify(void)
{
	char command[RIG_PATH + 64];
	int status;

	if (crash_acknowledged_cut.seq == 0) {
		return;
	}
	points_check();
	if (rounds_done % CHECK_EVERY == 0) {
		snprintf(command, sizeof(command),
			 "./vmreplica-receiver --check '%s' > /tmp/vmreplica-check-%d", rig.store,
			 (int)getpid());
		status = system(command);
		CU_ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
		if (status != 0) {
			snprintf(command, sizeof(command), "cat /tmp/vmreplica-check-%d >&2",
				 (int)getpid());
			CU_ASSERT_EQUAL(system(command), 0);
		}
		snprintf(command, sizeof(command), "/tmp/vmreplica-check-%d", (int)getpid());
		unlink(command);
	}
}

/* What the receiver says that it holds is the newest acknowledged cut. */
static void committed_verify(const struct crash_operation *operation)
{
	const struct sender_cut *known = &crash_acknowledged_cut;

	CU_ASSERT_EQUAL(sender.committed.seq, known->seq);
	CU_ASSERT_TRUE(known->seq == 0 || strcmp(sender.committed.cut_id, known->cut_id) == 0);
	if (known->seq == 0) {
		CU_ASSERT_EQUAL(sender.mode, INITIAL);
	} else { /* a crash costs no resynchronization */
		CU_ASSERT_TRUE(sender.mode == DELTA ||
			       (operation->resyncs && sender.mode == RESYNC));
		if (sender.mode == RESYNC && !operation->resyncs) {
			fprintf(stderr, "a resynchronization: %s\n", sender.welcome_reason);
		}
	}
}

static bool disks_equal(const struct cut_note *note)
{
	for (unsigned int i = 0; i < rig.status.disk_count; i++) {
		if (image_digest(rig.status.tops[i]) != note->digest[i]) {
			return false;
		}
	}
	return rig.status.disk_count == MODEL_DISKS;
}

/* The replica is the newest acknowledged cut. A merge may be just pointing a layer to another. */
static void replica_verify(void)
{
	const struct cut_note *note = scene_cut_find(crash_acknowledged_cut.seq);
	bool equal = false;

	if (crash_acknowledged_cut.seq == 0) {
		return;
	}
	CU_ASSERT_PTR_NOT_NULL_FATAL(note);
	CU_ASSERT_TRUE(rig_wait(&rig, rig_is_applied, crash_acknowledged_cut.seq, 60000));
	for (int i = 0; i < 5 && !equal; i++) {
		rig_wait(&rig, NULL, 0, i * 100);
		equal = disks_equal(note);
	}
	CU_ASSERT_TRUE(equal);
	if (!equal) {
		fprintf(stderr, "cycle %lu applied as %lu, batch %lu: %s differs\n",
			crash_acknowledged_cut.seq, rig.status.applied_seq, rig.status.batch_seq,
			image_digest(rig.status.tops[0]) != note->digest[0] ? rig.status.tops[0]
									    : rig.status.tops[1]);
	}
}

static bool is_well(const struct rig *r, uint64_t unused)
{
	(void)unused;
	return r->status.health == VMREPLICA__HEALTH__HEALTH_OK;
}

static void healed_verify(void)
{
	CU_ASSERT_TRUE(crash_cycle(5));
	replica_verify();
	CU_ASSERT_TRUE(rig_wait(&rig, is_well, 0, 15000));
	if (!is_well(&rig, 0)) {
		fprintf(stderr, "%s: %s\n", rig.status.code, rig.status.reason);
	}
}

/* ---- rounds ---- */

static void settings_apply(const struct crash_operation *operation)
{
	rig.points = operation->points;
	rig.point_interval_s = 5;
	sender.cut_step_ms = operation->step_ms;
	CU_ASSERT_EQUAL_FATAL(rig_open(&rig), 0);
}

static void result_write(const struct crash_operation *operation, const struct killer *killer,
			 unsigned int series, unsigned int round, bool ok)
{
	const char *name = getenv("CRASH_RESULTS"), *commit = getenv("CRASH_COMMIT");
	FILE *file = name == NULL || name[0] == '\0' ? NULL : fopen(name, "a");
	char line[400];

	snprintf(line, sizeof(line),
		 "{\"seed\": %u, \"series\": %u, \"round\": %u, \"operation\": \"%s\", "
		 "\"killed\": \"%s\", \"after_us\": %u, \"node\": \"%s\", \"commit\": \"%.40s\", "
		 "\"ok\": %s}",
		 seed, series, round, operation->name, victim_names[killer->victim],
		 killer->delay_us, rig.node, commit == NULL ? "" : commit, ok ? "true" : "false");
	if (file != NULL) {
		fprintf(file, "%s\n", line);
		fclose(file);
	}
	if (!ok) {
		fprintf(stderr, "failed: %s\nits store: %s\n", line, rig.store);
	}
}

static void restart(void)
{
	bool moves = rig_random(3) == 0;
	const char *other = strcmp(rig.node, "b1") == 0 ? "b2" : "b1";
	char node[32];

	snprintf(node, sizeof(node), "%s", moves ? other : rig.node);
	rig_start(&rig, node);
	CU_ASSERT_EQUAL_FATAL(rig_open(&rig), 0);
}

/* One round; true when all held. */
static bool round_run(const struct crash_operation *operation, unsigned int series,
		      unsigned int round)
{
	static const enum victim victims[] = {VICTIM_RECEIVER, VICTIM_RECEIVER, VICTIM_RECEIVER,
					      VICTIM_DAEMON, VICTIM_ENGINE};
	struct killer killer = {
		.victim = victims[rig_random(sizeof(victims) / sizeof(victims[0]))],
		.delay_us = 1000 * rig_random(operation->window_ms) + rig_random(1000),
	};
	unsigned int before = CU_get_number_of_failures();
	bool ok;

	settings_apply(operation);
	operation_run(operation, &killer);
	if (killer.victim != VICTIM_DAEMON) {
		offline_verify();
		restart();
	}
	if (operation->settle != NULL) {
		operation->settle();
	}
	CU_ASSERT_TRUE_FATAL(crash_connect());
	committed_verify(operation);
	replica_verify();
	healed_verify();
	ok = CU_get_number_of_failures() == before;
	rounds_of[operation - crash_operations]++;
	result_write(operation, &killer, series, round, ok);
	rounds_done++;
	return ok;
}

/* The operations in an order of chance, so that a few series meet all of them. */
static void deck_shuffle(size_t *deck)
{
	for (size_t i = 0; i < crash_operation_count; i++) {
		size_t other = rig_random((uint32_t)i + 1);

		deck[i] = deck[other];
		deck[other] = i;
	}
}

static void series_begin(unsigned int series)
{
	srandom(seed + series);
	crash_epoch = 0;
	memset(&crash_sent_cut, 0, sizeof(crash_sent_cut));
	memset(&crash_acknowledged_cut, 0, sizeof(crash_acknowledged_cut));
	rig_init(&rig);
	model_init(&model);
	model_change(&model, 60);
	rig_start(&rig, "b1");
	CU_ASSERT_EQUAL_FATAL(rig_open(&rig), 0);
	CU_ASSERT_TRUE_FATAL(sender_enter(&sender, &rig, &model));
	sender.cut_time_ms = 1795326900000;
	if (rig_random(2) == 0) { /* else the first kill may meet the initial replication */
		CU_ASSERT_TRUE(crash_cycle(0));
	}
}

/* Those of the VM's images over the base that stay as they are: links, and the uppermost, which its
 * definition names. Those below it are merged as any other layer. */
static size_t disk_kept(const struct manifest_disk *disk)
{
	size_t kept = 0;
	bool named = true;

	for (size_t i = disk->layer_count; i > 1; i--) {
		if (disk->layers[i - 1].adopted) {
			kept += named || disk->layers[i - 1].linked ? 1 : 0;
			named = false;
		}
	}
	return kept;
}

/* The longest chain when the replica is at rest: base, what is kept of an old primary's images, a
 * layer for each point, top. */
static size_t rest_layers(size_t points)
{
	struct manifest manifest = scene_manifest();
	size_t most = 0;

	for (size_t i = 0; i < manifest.current.disk_count; i++) {
		size_t kept = disk_kept(&manifest.current.disks[i]);

		most = kept > most ? kept : most;
	}
	manifest_destroy(&manifest);
	return most + points + 1;
}

/* Left to itself it comes to rest: as many points as wanted, merged, sound by its own check. The
 * points of the rounds are merged first: with too many layers left no point is made. */
static void series_end(void)
{
	settings_apply(&(const struct crash_operation){.points = 2, .step_ms = 5000});
	CU_ASSERT_TRUE(scene_layers_wait(rest_layers(11), 300000));
	for (int i = 0; i < 3; i++) {
		CU_ASSERT_TRUE(crash_cycle(5));
		points_applied_wait();
	}
	CU_ASSERT_TRUE(scene_layers_wait(rest_layers(2), 60000));
	CU_ASSERT_EQUAL(points_wait(2), 2);
	replica_verify();
	sender_drop(&sender);
	rig_stop(&rig);
	rounds_done = 0;
	offline_verify();
}

static bool series_run(unsigned int series, unsigned int rounds, int64_t deadline_ms)
{
	unsigned int before = CU_get_number_of_failures(), all = rounds_done;
	size_t deck[OPERATIONS_MAX];
	bool ok = true;

	series_begin(series);
	deck_shuffle(deck);
	for (unsigned int i = 0; i < rounds && ok && clock_monotonic_ms() < deadline_ms; i++) {
		const struct crash_operation *operation =
			&crash_operations[deck[i % crash_operation_count]];

		ok = round_run(operation, series, i);
		all++;
	}
	if (ok) {
		series_end();
		ok = CU_get_number_of_failures() == before;
	}
	rounds_done = all;
	if (ok) {
		rig_destroy(&rig);
	} else {
		fprintf(stderr, "series %u of seed %u failed; its store: %s\n", series, seed,
			rig.store);
	}
	model_destroy(&model);
	sender_drop(&sender);
	return ok;
}

static void test_rounds(void)
{
	unsigned int wanted = (unsigned int)environment_number("CRASH_ROUNDS", 0), series = 0;
	int64_t deadline_ms = INT64_MAX;
	bool ok = true;

	CU_ASSERT_FATAL(crash_operation_count <= OPERATIONS_MAX);

	if (wanted == 0) {
		deadline_ms = clock_monotonic_ms() +
			      1000 * environment_number("CRASH_SECONDS", SECONDS_DEFAULT);
		wanted = 1000000;
	}
	while (ok && rounds_done < wanted && clock_monotonic_ms() < deadline_ms) {
		unsigned int left = wanted - rounds_done;

		ok = series_run(series++, left < SERIES_ROUNDS ? left : SERIES_ROUNDS, deadline_ms);
	}
	CU_ASSERT_TRUE(ok && rounds_done > 0);
	printf("%u rounds in %u series, CRASH_SEED=%u:", rounds_done, series, seed);
	for (size_t i = 0; i < crash_operation_count; i++) {
		printf("%s %s %u", i == 0 ? "" : ",", crash_operations[i].name, rounds_of[i]);
	}
	printf("\n");
}

static const struct unit_test tests[] = {{"rounds", test_rounds}};

int main(void)
{
	rig_require_tools();
	rig_random(2); /* it seeds itself once */
	seed = (unsigned int)environment_number("CRASH_SEED",
						(long)(clock_wall_ms() / 1000 % 1000000));
	fprintf(stderr, "CRASH_SEED=%u\n", seed);
	return unit_run("crash rounds", tests, sizeof(tests) / sizeof(tests[0]));
}
