/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Torn tails and flipped bits in what a store holds. Logs and manifest: cut at each of the last
 * 4,096 bytes, and with one bit turned, each is refused by the reader that the receiver uses. A
 * committed log that is damaged before it was applied, under the whole receiver: nothing of it is
 * applied, and a resynchronization is asked for. Layers, with times left as they were, once the
 * sums of what no kept log wrote are taken: a cut or flipped one is found by `vmreplica store
 * check`, unless nothing reads differently for it. Sums themselves: a flip in them harms nobody.
 *
 * Environment: FAULT_SEED (printed otherwise); FAULT_SHARE: flips in each of log and manifest
 * (default 100; 0: 10,000), and a hundredth of it in layers and under the receiver, but at least
 * one.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/logfile.h"
#include "receiver/check.h"
#include "tests/faults/faults.h"
#include "tests/unit/unit.h"

#define TAIL	    4096u
#define FLIPS_WHOLE 10000

static unsigned int seed;
static long flips;
static char copy[RIG_PATH + 16];

/* What is tried on one kind of file. */
struct victim {
	const char *name;
	uint8_t *data; /* as it is when sound */
	size_t len;
	bool (*is_refused)(const uint8_t *data, size_t len);
	size_t tails, turned, missed;
};

static uint8_t *file_read(const char *path, size_t *ret_len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	uint8_t *data;

	CU_ASSERT_FATAL(fd >= 0 && fstat(fd, &st) == 0);
	data = malloc((size_t)st.st_size);
	CU_ASSERT_FATAL(data != NULL && read(fd, data, (size_t)st.st_size) == st.st_size);
	close(fd);
	*ret_len = (size_t)st.st_size;
	return data;
}

static bool log_is_refused(const uint8_t *data, size_t len)
{
	char error[LOGFILE_ERROR_LEN];
	struct logfile_trailer trailer;
	FILE *file = fopen(copy, "we");

	CU_ASSERT_FATAL(file != NULL && fwrite(data, 1, len, file) == len);
	fclose(file);
	return logfile_verify(copy, &trailer, error) < 0;
}

static bool manifest_is_refused(const uint8_t *data, size_t len)
{
	char error[MANIFEST_ERROR_LEN], *text = malloc(len + 1);
	struct manifest manifest = {0};
	bool refused;

	CU_ASSERT_FATAL(text != NULL);
	memcpy(text, data, len);
	text[len] = '\0';
	refused = manifest_decode(text, len, &manifest, error) < 0;
	if (!refused) {
		manifest_destroy(&manifest);
	}
	free(text);
	return refused;
}

static void victim_try(struct victim *victim, size_t at, uint8_t bit, size_t len)
{
	bool refused;

	victim->data[at] ^= bit;
	refused = victim->is_refused(victim->data, len);
	victim->data[at] ^= bit;
	if (!refused) {
		victim->missed++;
		fprintf(stderr, "%s, %s at %zu of %zu: not noticed\n", victim->name,
			bit == 0 ? "cut" : "a bit", bit == 0 ? len : at, victim->len);
	}
}

static void victim_judge(struct victim *victim)
{
	size_t step = flips >= FLIPS_WHOLE ? 1 : 16;

	CU_ASSERT_FALSE(victim->is_refused(victim->data, victim->len));
	for (size_t cut = 1; cut <= TAIL && cut < victim->len; cut += step) {
		victim_try(victim, 0, 0, victim->len - cut);
		victim->tails++;
	}
	for (long i = 0; i < flips; i++) {
		victim_try(victim, rig_random((uint32_t)victim->len),
			   (uint8_t)(1u << rig_random(8)), victim->len);
		victim->turned++;
	}
	CU_ASSERT_EQUAL(victim->missed, 0);
	printf("%s of %zu bytes: cut at %zu of its last bytes, %zu with a bit turned: %zu not "
	       "noticed\n",
	       victim->name, victim->len, victim->tails, victim->turned, victim->missed);
	free(victim->data);
}

static void store_make(void)
{
	points_begin(2, 10, 5000);
	for (int i = 0; i < 6; i++) {
		points_cycle(6);
		points_applied_wait();
	}
	CU_ASSERT_TRUE(scene_layers_wait(4, 20000));
	CU_ASSERT_TRUE(faults_rest(20000));
	CU_ASSERT_TRUE(scene_sums_wait(60000));
	snprintf(copy, sizeof(copy), "%s/copy", rig.root);
}

static void test_readers(void)
{
	struct manifest manifest = scene_manifest();
	struct victim log = {.name = "log", .is_refused = log_is_refused};
	struct victim text = {.name = "manifest", .is_refused = manifest_is_refused};
	char path[RIG_PATH * 2];

	CU_ASSERT_FATAL(manifest.log_count > 0);
	snprintf(path, sizeof(path), "%s/%s", rig.store,
		 manifest.logs[manifest.log_count - 1].file);
	log.data = file_read(path, &log.len);
	snprintf(path, sizeof(path), "%s/" MANIFEST_NAME, rig.store);
	text.data = file_read(path, &text.len);
	manifest_destroy(&manifest);
	victim_judge(&log);
	victim_judge(&text);
}

/* ---- under the receiver ---- */

/* Cut it, or turn a bit, in its place. */
static void log_damage(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	struct stat st;
	uint8_t byte;
	off_t at;

	CU_ASSERT_FATAL(fd >= 0 && fstat(fd, &st) == 0);
	if (rig_random(2) == 0) {
		CU_ASSERT_EQUAL(ftruncate(fd, st.st_size - 1 - rig_random(TAIL)), 0);
	} else {
		at = rig_random((uint32_t)st.st_size);
		CU_ASSERT_EQUAL(pread(fd, &byte, 1, at), 1);
		byte ^= (uint8_t)(1u << rig_random(8));
		CU_ASSERT_EQUAL(pwrite(fd, &byte, 1, at), 1);
	}
	close(fd);
}

static void whole_judge(void)
{
	const struct cut_note *before;
	struct manifest manifest;
	char path[RIG_PATH * 2];
	pid_t daemon;

	scene_check();
	for (int i = 0; i < 2; i++) { /* nobody may wait for the daemon when it is stopped */
		CU_ASSERT_TRUE(faults_rest(20000));
		CU_ASSERT_TRUE(scene_sums_wait(60000));
		rig_wait(&rig, NULL, 0, 1200);
	}
	before = scene_cut_find(sender.committed.seq);
	CU_ASSERT_PTR_NOT_NULL_FATAL(before);
	daemon = rig_daemon_pid(&rig);
	kill(daemon, SIGSTOP);
	points_cycle(10); /* durable, and not applied */
	rig_kill(&rig);
	manifest = scene_manifest();
	snprintf(path, sizeof(path), "%s/%s", rig.store,
		 manifest.logs[manifest.log_count - 1].file);
	manifest_destroy(&manifest);
	log_damage(path);
	rig_start(&rig, "b1");
	CU_ASSERT_EQUAL_FATAL(rig_open(&rig), 0);
	CU_ASSERT_TRUE(rig_wait(&rig, rig_has_state,
				VMREPLICA__STATE__STATE_WAITING_FOR_RESYNCHRONIZE, 20000));
	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		CU_ASSERT_EQUAL(image_digest(rig.status.tops[i]), before->digest[i]);
	}
	points_check();
	faults_disconnect();
	scene_resync_whole();
	sender.cut_time_ms = 1795326900000 + 5000 * (int64_t)sender.committed.seq;
	sender.cut_step_ms = 5000;
	scene_note();
	CU_ASSERT_TRUE(rig_wait(&rig, rig_has_state, VMREPLICA__STATE__STATE_REPLICATING, 5000));
	points_cycle(4);
	scene_check();
}

static void test_unapplied_log(void)
{
	long rounds = flips / 100 > 0 ? flips / 100 : 1, done = 0;
	unsigned int before = CU_get_number_of_failures();

	rounds = flips < FLIPS_WHOLE ? 1 : rounds;
	points_cycle(4); /* so that the image is open for writing before the daemon is stopped */
	scene_check();
	for (; done < rounds && CU_get_number_of_failures() == before; done++) {
		whole_judge();
	}
	printf("%ld committed logs cut or with a bit turned before they were applied: %s\n", done,
	       CU_get_number_of_failures() == before ? "none applied" : "FAILED");
	points_end();
}

/* ---- layers ---- */

static int check_run(void)
{
	char command[RIG_PATH + 128];
	int status;

	snprintf(command, sizeof(command), "./vmreplica-receiver --check '%s' >/dev/null 2>&1",
		 rig.store);
	status = system(command);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool newest_reads_well(const struct manifest *manifest)
{
	const struct cut_note *note = scene_cut_find(manifest->applied_seq);
	char path[RIG_PATH * 2];
	bool well = note != NULL;

	for (size_t i = 0; i < MODEL_DISKS && well; i++) {
		snprintf(path, sizeof(path), "%s/%s", rig.store,
			 manifest_disk_top(&manifest->current.disks[i])->file);
		well = image_digest(path) == note->digest[i];
	}
	return well;
}

static bool points_read_well(const struct manifest *manifest)
{
	char path[RIG_PATH * 2];
	bool well = true;

	for (size_t p = 0; p < manifest->point_count && well; p++) {
		const struct cut_note *note = scene_cut_find(manifest->points[p].cut.seq);

		for (size_t i = 0; i < MODEL_DISKS && well; i++) {
			snprintf(path, sizeof(path), "%s/%s", rig.store,
				 manifest->points[p].disks[i].file);
			well = note != NULL && image_digest(path) == note->digest[i];
		}
	}
	return well;
}

static void byte_turn(int fd, off_t at, uint8_t bit)
{
	struct timespec times[2];
	struct stat st;
	uint8_t byte;

	CU_ASSERT_FATAL(fstat(fd, &st) == 0 && pread(fd, &byte, 1, at) == 1);
	byte ^= bit;
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	CU_ASSERT_FATAL(pwrite(fd, &byte, 1, at) == 1 && futimens(fd, times) == 0);
}

/* One bit of a layer's file. */
struct flip {
	char path[RIG_PATH * 2];
	unsigned int disk;
	off_t at;
	uint8_t bit;
};

struct tally {
	long found, harmless, missed, in_sums;
};

static void flip_make(const struct flip *flip)
{
	int fd = open(flip->path, O_RDWR | O_CLOEXEC);

	CU_ASSERT_FATAL(fd >= 0);
	byte_turn(fd, flip->at, flip->bit);
	close(fd);
}

static void layer_flip(const struct manifest *manifest, struct tally *tally)
{
	struct flip flip = {.disk = rig_random(MODEL_DISKS), .bit = (uint8_t)(1u << rig_random(8))};
	const struct manifest_disk *disk = &manifest->current.disks[flip.disk];
	size_t index = rig_random((uint32_t)disk->layer_count);
	struct stat st;

	snprintf(flip.path, sizeof(flip.path), "%s/%s", rig.store, disk->layers[index].file);
	CU_ASSERT_EQUAL_FATAL(stat(flip.path, &st), 0);
	flip.at = rig_random((uint32_t)st.st_size);
	flip_make(&flip);
	if (check_run() == CHECK_DAMAGED) {
		tally->found++;
	} else if (points_read_well(manifest) && newest_reads_well(manifest)) {
		tally->harmless++;
	} else {
		tally->missed++;
		CU_FAIL("a flip that changes what is read was not found");
		fprintf(stderr, "%s, bit %#x of %lld: not noticed\n", flip.path, flip.bit,
			(long long)flip.at);
	}
	flip_make(&flip);
}

/* In the sums of the base: they are not believed then, which is no damage of the replica. */
static void sums_flip(const struct manifest *manifest, struct tally *tally)
{
	struct flip flip = {.disk = rig_random(MODEL_DISKS), .bit = (uint8_t)(1u << rig_random(8))};
	struct stat st;

	snprintf(flip.path, sizeof(flip.path), "%s/%s.sums", rig.store,
		 manifest->current.disks[flip.disk].layers[0].file);
	CU_ASSERT_EQUAL_FATAL(stat(flip.path, &st), 0);
	flip.at = rig_random((uint32_t)st.st_size);
	flip_make(&flip);
	CU_ASSERT_EQUAL(check_run(), CHECK_SOUND);
	flip_make(&flip);
	tally->in_sums++;
}

/* Cut, with the time as it was. */
static void layer_cut(const struct manifest *manifest, size_t cut)
{
	const struct manifest_disk *disk = &manifest->current.disks[rig_random(MODEL_DISKS)];
	size_t index = rig_random((uint32_t)disk->layer_count), len;
	struct timespec times[2];
	char path[RIG_PATH * 2];
	struct stat st;
	uint8_t *data;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", rig.store, disk->layers[index].file);
	data = file_read(path, &len);
	fd = open(path, O_RDWR | O_CLOEXEC);
	CU_ASSERT_FATAL(fd >= 0 && fstat(fd, &st) == 0);
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	CU_ASSERT_FATAL(ftruncate(fd, st.st_size - (off_t)cut) == 0 && futimens(fd, times) == 0);
	CU_ASSERT_EQUAL(check_run(), CHECK_DAMAGED);
	CU_ASSERT_FATAL(pwrite(fd, data, len, 0) == (ssize_t)len && futimens(fd, times) == 0);
	close(fd);
	free(data);
}

static bool connected_again(void)
{
	int64_t time_ms = 1795326900000 + 5000 * (int64_t)100;
	bool entered = sender_enter(&sender, &rig, &model);

	sender.cut_time_ms = time_ms;
	sender.cut_step_ms = 5000;
	return entered;
}

static void test_layers(void)
{
	long rounds = flips / 100 > 0 ? flips / 100 : 1;
	struct manifest manifest;
	struct tally tally = {0};

	faults_disconnect();
	rig_stop(&rig);
	manifest = scene_manifest();
	CU_ASSERT_EQUAL(check_run(), CHECK_SOUND);
	CU_ASSERT_TRUE_FATAL(scene_sums_are_whole());
	for (long i = 0; i < rounds; i++) {
		layer_flip(&manifest, &tally);
		layer_cut(&manifest, 1 + rig_random(TAIL));
		sums_flip(&manifest, &tally);
	}
	CU_ASSERT_EQUAL(check_run(), CHECK_SOUND);
	manifest_destroy(&manifest);
	printf("layers: %ld cut in their last bytes, all found; %ld with a bit turned: %ld found, "
	       "%ld where nothing is read, %ld missed; %ld bits of sums: no word of damage\n",
	       rounds, rounds, tally.found, tally.harmless, tally.missed, tally.in_sums);
	rig_start(&rig, "b1");
	CU_ASSERT_EQUAL_FATAL(rig_open(&rig), 0);
	CU_ASSERT_TRUE_FATAL(connected_again());
}

static const struct unit_test tests[] = {
	{"a store", store_make},
	{"readers", test_readers},
	{"layers", test_layers},
	{"a log before it is applied", test_unapplied_log},
};

int main(void)
{
	rig_require_tools();
	seed = faults_seed();
	flips = faults_number("FAULT_SHARE", 100);
	flips = flips == 0 ? FLIPS_WHOLE : flips;
	return unit_run("torn tails and flipped bits", tests, sizeof(tests) / sizeof(tests[0]));
}
