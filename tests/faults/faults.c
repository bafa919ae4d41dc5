/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/faults/faults.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "receiver/merge.h"
#include "tests/unit/unit.h"

#define LIBRARY "tests/faults/shim.so"

struct shim *faults;
struct sender_cut faults_sent, faults_acknowledged;
char faults_code[64], faults_reason[600];

long faults_number(const char *name, long otherwise)
{
	const char *text = getenv(name);

	return text == NULL || text[0] == '\0' ? otherwise : strtol(text, NULL, 10);
}

unsigned int faults_seed(void)
{
	unsigned int seed;

	rig_random(2); /* it seeds itself once */
	seed = (unsigned int)faults_number("FAULT_SEED", (long)(clock_wall_ms() % 1000000));
	srandom(seed);
	fprintf(stderr, "FAULT_SEED=%u\n", seed);
	return seed;
}

/* ---- the library ---- */

/* QEMU's programs run as the receiver's user, who need not be able to read the build's folder. */
void faults_begin(void)
{
	static char library[RIG_PATH + 32], control[RIG_PATH + 64], command[RIG_PATH * 2];
	const char *options = getenv("ASAN_OPTIONS");
	static char asan[512];
	char path[RIG_PATH + 16];
	int fd;

	snprintf(command, sizeof(command), "cp " LIBRARY " '%s/shim.so'", rig.root);
	snprintf(path, sizeof(path), "%s/faults", rig.root);
	fd = system(command) != 0 ? -1 : open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (fd < 0 || fchmod(fd, 0666) < 0 || ftruncate(fd, (off_t)SHIM_SIZE) < 0) {
		rig_die("%s: %s", path, strerror(errno));
	}
	faults = mmap(NULL, SHIM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (faults == MAP_FAILED) {
		rig_die("no memory");
	}
	snprintf(library, sizeof(library), "LD_PRELOAD=%s/shim.so", rig.root);
	snprintf(control, sizeof(control), SHIM_ENVIRONMENT "=%s", path);
	snprintf(asan, sizeof(asan), "ASAN_OPTIONS=%s%sverify_asan_link_order=0",
		 options == NULL ? "" : options, options == NULL ? "" : ":");
	rig_environment[0] = library;
	rig_environment[1] = control;
	rig_environment[2] = asan;
}

void faults_end(void)
{
	munmap(faults, SHIM_SIZE);
	faults = NULL;
	memset(rig_environment, 0, sizeof(rig_environment));
}

void faults_arm(enum shim_kind kind, int whom, long at, bool onward, int error)
{
	atomic_store(&faults->armed, 0);
	atomic_store(&faults->calls, 0);
	atomic_store(&faults->failed, 0);
	atomic_store(&faults->whom, whom);
	atomic_store(&faults->at, at);
	atomic_store(&faults->onward, onward);
	atomic_store(&faults->error, error);
	atomic_store(&faults->armed, (int)kind + 1);
}

long faults_disarm(void)
{
	atomic_store(&faults->armed, 0);
	return atomic_load(&faults->failed);
}

long faults_calls(void)
{
	return atomic_load(&faults->calls);
}

/* ---- a store ---- */

void faults_store_begin(uint32_t points)
{
	faults_prepare(points);
	faults_open();
}

void faults_record(const char *store)
{
	struct stat st;

	CU_ASSERT_EQUAL_FATAL(stat(store, &st), 0);
	atomic_store(&faults->known[0], st.st_ino);
	atomic_store(&faults->recording, 1);
}

static void acknowledged_record(uint64_t seq)
{
	uint64_t index = atomic_load(&faults->recording) == 0
				 ? SHIM_RECORDS
				 : atomic_fetch_add(&faults->records, 1);

	if (index < SHIM_RECORDS) {
		faults->record[index].what = SHIM_DID_MARK;
		faults->record[index].offset = seq;
		atomic_store(&faults->record[index].ready, 1);
	}
}

void faults_prepare(uint32_t points)
{
	rig_init(&rig);
	faults_begin();
	rig.points = points;
	rig.point_interval_s = 1;
	model_init(&model);
	scene_notes_clear();
	memset(&faults_sent, 0, sizeof(faults_sent));
	memset(&faults_acknowledged, 0, sizeof(faults_acknowledged));
	model_change(&model, 20);
}

void faults_open(void)
{
	rig_start(&rig, "b1");
	CU_ASSERT_EQUAL_FATAL(rig_open(&rig), 0);
	sender.cut_time_ms = 1795326900000;
	sender.cut_step_ms = 5000;
}

void faults_store_end(void)
{
	faults_disconnect();
	sender.cut_time_ms = sender.cut_step_ms = 0;
	if (rig.pid != 0) {
		rig_stop(&rig);
	}
	faults_end();
	rig_destroy(&rig);
	model_destroy(&model);
}

/* ---- the sender ---- */

void faults_disconnect(void)
{
	int64_t time_ms = sender.cut_time_ms, step_ms = sender.cut_step_ms;

	snprintf(faults_code, sizeof(faults_code), "%s", sender.code);
	snprintf(faults_reason, sizeof(faults_reason), "%s", sender.reason);
	sender_drop(&sender);
	sender.cut_time_ms = time_ms;
	sender.cut_step_ms = step_ms;
}

static bool cut_equal(const struct sender_cut *a, const struct sender_cut *b)
{
	return a->seq == b->seq && (a->seq == 0 || strcmp(a->cut_id, b->cut_id) == 0);
}

/* What WELCOME says must be what was acknowledged; or, without its answer, sent. */
static void committed_take(void)
{
	if (!cut_equal(&sender.committed, &faults_acknowledged) &&
	    cut_equal(&sender.committed, &faults_sent)) {
		faults_acknowledged = faults_sent;
		model_clear_dirty(&model);
	}
	CU_ASSERT_TRUE(cut_equal(&sender.committed, &faults_acknowledged));
	if (!cut_equal(&sender.committed, &faults_acknowledged)) {
		fprintf(stderr, "it holds cycle %" PRIu64 ", acknowledged was %" PRIu64 "\n",
			sender.committed.seq, faults_acknowledged.seq);
	}
}

static bool connected(void)
{
	int64_t time_ms = sender.cut_time_ms, step_ms = sender.cut_step_ms;
	bool entered;

	if (sender.conn != NULL) {
		return true;
	}
	entered = sender_enter(&sender, &rig, &model);
	sender.cut_time_ms = time_ms;
	sender.cut_step_ms = step_ms;
	if (entered) {
		committed_take();
	}
	return entered;
}

/* The data of the cycle that begins now. */
static bool data_send(void)
{
	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		uint64_t size = model.disks[i].size;

		if (sender.cycle_mode == RESYNC &&
		    sender_resync_range(&sender, &model, i, 0, size) == UINT64_MAX) {
			return false;
		}
		if (sender.cycle_mode != RESYNC) {
			sender_range(&sender, &model, i, 0, size, sender.cycle_mode == DELTA);
		}
		if (i == 0 && !sender_mark(&sender, 1, 0)) {
			return false;
		}
	}
	return true;
}

bool faults_cycle(int changes)
{
	static char definition[64];
	bool done;

	if (!connected()) {
		faults_disconnect();
		return false;
	}
	model_change(&model, changes);
	snprintf(definition, sizeof(definition), "<domain><n>%" PRIu64 "</n></domain>",
		 sender.next_seq);
	sender.definition = definition;
	sender.nvram = definition;
	sender_begin(&sender, &model, sender.mode, false);
	done = data_send();
	if (done) {
		scene_note_as(sender.cut.seq);
		faults_sent = sender.cut;
		done = sender_end(&sender);
	}
	if (!done) {
		faults_disconnect();
		return false;
	}
	faults_acknowledged = faults_sent;
	acknowledged_record(faults_acknowledged.seq);
	model_clear_dirty(&model);
	sender.mode = DELTA;
	return true;
}

/* ---- afterwards ---- */

static bool is_well(const struct rig *r, uint64_t unused)
{
	(void)unused;
	return r->gone || (r->status.health == VMREPLICA__HEALTH__HEALTH_OK &&
			   r->status.applied_seq == faults_acknowledged.seq);
}

bool faults_heal(int timeout_ms)
{
	int64_t deadline_ms = clock_monotonic_ms() + timeout_ms;
	bool well = false;

	while (!well && !rig.gone && clock_monotonic_ms() < deadline_ms) {
		int64_t left_ms = deadline_ms - clock_monotonic_ms();

		if (faults_cycle(2)) {
			well = rig_wait(&rig, is_well, 0, (int)left_ms) && !rig.gone;
		} else {
			rig_wait(&rig, NULL, 0, 100);
		}
	}
	if (!well) {
		fprintf(stderr, "not well: %s: %s; sender: %s %s\n", rig.status.code,
			rig.status.reason, faults_code, faults_reason);
	}
	return well;
}

bool faults_judge(void)
{
	const struct cut_note *note = scene_cut_find(faults_acknowledged.seq);
	unsigned int before = CU_get_number_of_failures();
	bool equal = false;

	CU_ASSERT_PTR_NOT_NULL_FATAL(note);
	for (int attempt = 0; attempt < 5 && !equal; attempt++) { /* a merge may be under way */
		rig_wait(&rig, NULL, 0, attempt * 100);
		equal = rig.status.disk_count == MODEL_DISKS;
		for (unsigned int i = 0; i < MODEL_DISKS && equal; i++) {
			equal = image_digest(rig.status.tops[i]) == note->digest[i];
		}
	}
	CU_ASSERT_TRUE(equal);
	points_check();
	return equal && CU_get_number_of_failures() == before;
}

uint64_t faults_point(void)
{
	struct manifest manifest = scene_manifest();
	uint64_t seq =
		manifest.point_count == 0 ? 0 : manifest.points[manifest.point_count - 1].cut.seq;

	manifest_destroy(&manifest);
	return seq;
}

static bool at_rest(void)
{
	struct manifest manifest = scene_manifest();
	struct merge_plan plan;
	bool rest;

	merge_plan(&manifest, &plan);
	rest = plan.choice != MERGE_READY && manifest.point_count <= rig.points;
	manifest_destroy(&manifest);
	return rest;
}

bool faults_rest(int timeout_ms)
{
	int64_t deadline_ms = clock_monotonic_ms() + timeout_ms;

	while (!at_rest()) {
		if (clock_monotonic_ms() > deadline_ms || rig.gone) {
			return false;
		}
		rig_wait(&rig, NULL, 0, 50);
	}
	return true;
}
