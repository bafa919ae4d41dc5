/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vmreplica store check: a real store, then each kind of damage to it, found by file and offset.
 * The damage leaves times and sizes as they are, as a disk that rots does. */
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "receiver/check.h"
#include "points_scene.h"
#include "shell.h"
#include "unit.h"

/* ---- the check's verdict ---- */

static json_t *verdict; /* of the last check_run */
static int verdict_status;

static void check_run_with(const char *more)
{
	char command[RIG_PATH + 128];
	FILE *pipe;
	int status;

	snprintf(command, sizeof(command),
		 "./vmreplica-receiver --check '%s' %s --json 2>/dev/null", rig.store, more);
	pipe = popen(command, "r");
	if (pipe == NULL) {
		rig_die("cannot run the check");
	}
	json_decref(verdict);
	verdict = json_loadf(pipe, 0, NULL);
	status = pclose(pipe);
	verdict_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void check_run(void)
{
	check_run_with("");
}

static void check_point(uint64_t seq, int expected)
{
	char more[64];

	snprintf(more, sizeof(more), "--point %lu", seq);
	check_run_with(more);
	CU_ASSERT_EQUAL(verdict_status, expected);
	if (verdict_status != expected) {
		fprintf(stderr, "point %lu: status %d, not %d\n", seq, verdict_status, expected);
	}
}

static void findings_print(void)
{
	char *text = json_dumps(json_object_get(verdict, "findings"), JSON_INDENT(1));

	fprintf(stderr, "status %d: %s\n", verdict_status, text == NULL ? "no JSON" : text);
	free(text);
}

static void expect_sound(void)
{
	check_run();
	CU_ASSERT_EQUAL(verdict_status, CHECK_SOUND);
	if (verdict_status != CHECK_SOUND) {
		findings_print();
	}
}

/* Damage in file, told of between the offsets: of the first place that does so. */
static bool is_found(const char *file, uint64_t from, uint64_t to)
{
	json_t *finding;
	size_t i;

	json_array_foreach(json_object_get(verdict, "findings"), i, finding)
	{
		const char *where = json_string_value(json_object_get(finding, "file"));
		json_t *offset = json_object_get(finding, "offset");
		uint64_t at = (uint64_t)json_integer_value(offset);

		if (strcmp(json_string_value(json_object_get(finding, "severity")), "damage") ==
			    0 &&
		    strcmp(where, file) == 0 && json_is_integer(offset) && at >= from && at <= to) {
			return true;
		}
	}
	return false;
}

static bool is_noted(const char *file, const char *word)
{
	json_t *finding;
	size_t i;

	json_array_foreach(json_object_get(verdict, "findings"), i, finding)
	{
		const char *text = json_string_value(json_object_get(finding, "text"));

		if (strcmp(json_string_value(json_object_get(finding, "severity")), "note") == 0 &&
		    strcmp(json_string_value(json_object_get(finding, "file")), file) == 0 &&
		    strstr(text, word) != NULL) {
			return true;
		}
	}
	return false;
}

static void expect_damage(const char *file, uint64_t from, uint64_t to)
{
	bool found;

	check_run();
	found = verdict_status == CHECK_DAMAGED && is_found(file, from, to);
	CU_ASSERT_TRUE(found);
	if (!found) {
		fprintf(stderr, "damage in %s, %lu to %lu, was not found: ", file, from, to);
		findings_print();
	}
}

/* ---- damage ---- */

static int file_open(const char *file)
{
	char path[RIG_PATH * 2];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", rig.store, file);
	fd = open(path, O_RDWR);
	if (fd < 0) {
		rig_die("cannot open %s", path);
	}
	return fd;
}

/* Turn one byte over; again, and it is as it was. */
static void byte_flip(const char *file, uint64_t offset)
{
	int fd = file_open(file);
	struct timespec times[2];
	struct stat st;
	uint8_t byte;

	if (fstat(fd, &st) < 0 || pread(fd, &byte, 1, (off_t)offset) != 1) {
		rig_die("no byte %lu in %s", offset, file);
	}
	byte ^= 0x11;
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	if (pwrite(fd, &byte, 1, (off_t)offset) != 1 || futimens(fd, times) < 0) {
		rig_die("cannot damage %s", file);
	}
	close(fd);
}

static void expect_flip_found(const char *file, uint64_t offset, uint64_t from, uint64_t to)
{
	byte_flip(file, offset);
	expect_damage(file, from, to);
	byte_flip(file, offset);
}

static void expect_missing_found(const char *file)
{
	char path[RIG_PATH * 2], aside[RIG_PATH * 2 + 8];

	snprintf(path, sizeof(path), "%s/%s", rig.store, file);
	snprintf(aside, sizeof(aside), "%s.aside", path);
	CU_ASSERT_EQUAL(rename(path, aside), 0);
	expect_damage(file, 0, 0);
	CU_ASSERT_EQUAL(rename(aside, path), 0);
}

static uint64_t file_size(const char *file)
{
	int fd = file_open(file);
	struct stat st;

	CU_ASSERT_EQUAL(fstat(fd, &st), 0);
	close(fd);
	return (uint64_t)st.st_size;
}

/* ---- the store ---- */

/* A store with four points, logs in the index and in the manifest, and cycles after the last point.
 */
static void store_begin(void)
{
	rig_init(&rig);
	rig.points = 4;
	rig.point_interval_s = 50;
	model_init(&model);
	rig_start(&rig, "b1");
	CU_ASSERT_EQUAL(rig_open(&rig), 0);
	sender.cut_time_ms = 1795326900000;
	sender.cut_step_ms = 5000;
	scene_initial();
	for (int i = 0; i < 45; i++) {
		scene_delta(4);
		points_applied_wait();
	}
	rig_wait(&rig, NULL, 0, 3000); /* merges end */
	CU_ASSERT_TRUE(scene_sums_wait(60000));
}

static void store_end(void)
{
	json_decref(verdict);
	verdict = NULL;
	sender.cut_time_ms = sender.cut_step_ms = 0;
	scene_end();
}

/* ---- tests ---- */

static void logs_damage(const struct manifest *m)
{
	const char *last = m->logs[m->log_count - 1].file;
	char kept[MANIFEST_FILE_MAX + 1];
	uint64_t size = file_size(last);

	for (uint64_t at = 3; at < size; at += size / 6) {
		/* A record's damage is told of where the record begins; what is wrong with the
		 * beginning of one may make itself felt behind it. */
		expect_flip_found(last, at, 0, size);
	}
	snprintf(kept, sizeof(kept), "gen-1/%lu.vrl", m->points[0].cut.seq + 1);
	expect_flip_found(kept, file_size(kept) / 2, 1, file_size(kept) / 2);
	expect_flip_found(kept, file_size(kept) - 2, 1, file_size(kept));
	expect_missing_found(kept);
	expect_missing_found(last);
}

static void index_damage(const struct manifest *m)
{
	uint64_t size = file_size("gen-1/history");

	CU_ASSERT_EQUAL(m->history_generation, 1);
	expect_flip_found("gen-1/history", 5, 0, 0);
	expect_flip_found("gen-1/history", size / 2, 1, size / 2);
	expect_missing_found("gen-1/history");
}

#define MANIFEST_SUMS_MAX 128 /* bytes, at the end of a manifest as small as this one */

static void manifest_damage(void)
{
	uint64_t size = file_size(MANIFEST_NAME);

	for (int i = 0; i < 25; i++) {
		uint64_t at = rig_random((uint32_t)size);

		/* Text that is no JSON any more is told of where that shows, a damaged sum at the
		 * end of the file as damage of the block that it is of. */
		bool is_sum = at + MANIFEST_SUMS_MAX > size;

		expect_flip_found(MANIFEST_NAME, at, at < 4096 || is_sum ? 0 : at - 4096, size);
	}
	expect_flip_found(MANIFEST_NAME, size - 2, 0, size);
	expect_flip_found(MANIFEST_NAME, size - 10, 0, size);
}

/* Where the file holds data of its own: the first such place of the layer. */
static uint64_t layer_data(const char *file)
{
	char command[RIG_PATH * 2 + 128];
	uint64_t found = 0;
	json_t *map, *part;
	FILE *pipe;
	size_t i;

	snprintf(command, sizeof(command), "qemu-img map -U -f qcow2 --output=json '%s/%s'",
		 rig.store, file);
	pipe = popen(command, "r");
	map = pipe == NULL ? NULL : json_loadf(pipe, 0, NULL);
	pclose(pipe);
	json_array_foreach(map, i, part)
	{
		if (json_integer_value(json_object_get(part, "depth")) == 0 &&
		    json_is_true(json_object_get(part, "data")) && found == 0) {
			found = (uint64_t)json_integer_value(json_object_get(part, "offset"));
		}
	}
	json_decref(map);
	CU_ASSERT_NOT_EQUAL(found, 0);
	return found;
}

static uint64_t number_of(const char *object, const char *key)
{
	json_t *within = json_object_get(verdict, object);

	return (uint64_t)json_integer_value(json_object_get(within, key));
}

/* Sums that are damaged, void or gone: no word of damage, and what has none is counted. */
static void sums_damage(const char *sums)
{
	char path[RIG_PATH * 2], aside[RIG_PATH * 2 + 8];
	uint64_t all, none;

	expect_sound();
	all = number_of("checked", "sum_blocks");
	none = number_of("checked", "not_covered_blocks");
	CU_ASSERT_TRUE(all > 0);
	CU_ASSERT_EQUAL(none, 0);
	for (uint64_t at = 40; at < 8192; at += 8110) { /* the head, the last page's own sum */
		byte_flip(sums, at);
		expect_sound();
		CU_ASSERT_TRUE(number_of("checked", "sum_blocks") < all);
		CU_ASSERT_TRUE(number_of("checked", "not_covered_bytes") > 0);
		byte_flip(sums, at);
	}
	snprintf(path, sizeof(path), "%s/%s", rig.store, sums);
	snprintf(aside, sizeof(aside), "%s.aside", path);
	CU_ASSERT_EQUAL(rename(path, aside), 0);
	expect_sound();
	CU_ASSERT_TRUE(number_of("checked", "not_covered_blocks") > 0);
	CU_ASSERT_EQUAL(rename(aside, path), 0);
	expect_sound();
	CU_ASSERT_EQUAL(number_of("checked", "sum_blocks"), all);
}

static void layers_damage(const struct manifest *m)
{
	const struct manifest_disk *disk = &m->current.disks[0];
	const char *top = manifest_disk_top(disk)->file;
	const char *middle = m->points[2].disks[0].file;
	const char *base = disk->layers[0].file;
	char sums[MANIFEST_FILE_MAX + 8];
	const uint64_t table = 65536; /* the refcount table is the second cluster */

	expect_flip_found(middle, 1, 0, 0);	     /* magic */
	expect_flip_found(middle, 24 + 6, 0, 65536); /* the size */
	expect_flip_found(base, table + 7, 0, UINT64_MAX - 1);
	expect_flip_found(middle, 3 * 65536 + 2, 0, UINT64_MAX - 1); /* the L1 table */
	expect_flip_found(middle, layer_data(middle) + 100, layer_data(middle) + 100,
			  layer_data(middle) + 100);
	/* no kept log wrote it: its sums tell */
	expect_flip_found(base, layer_data(base) + 70000, layer_data(base) + 65536,
			  layer_data(base) + 65536);
	expect_flip_found(top, layer_data(top), layer_data(top), layer_data(top));
	snprintf(sums, sizeof(sums), "%s.sums", base);
	sums_damage(sums);
	expect_missing_found(base);
	expect_missing_found(middle);
	expect_missing_found(top);
}

/* Somebody wrote it with a program that does not hide it. */
static void layer_written(const struct manifest *m)
{
	char path[RIG_PATH * 2];
	struct timespec before[2];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", rig.store, m->points[1].disks[1].file);
	CU_ASSERT_EQUAL(stat(path, &st), 0);
	before[0] = st.st_atim;
	before[1] = st.st_mtim;
	CU_ASSERT_EQUAL(utimensat(AT_FDCWD, path, NULL, 0), 0);
	expect_damage(m->points[1].disks[1].file, 0, 0);
	CU_ASSERT_EQUAL(utimensat(AT_FDCWD, path, before, 0), 0);
}

#define AUTOCLEAR_LOW 95 /* the low byte of qcow2's autoclear features; bit 0: its bitmaps hold */

/* A program of QEMU's was killed while it rewrote the list of bitmaps: they are void, and that is
 * no damage of the replica. (That the layer was written here at all is.) */
static void bitmaps_void(const struct manifest *m)
{
	const char *top = manifest_disk_top(&m->current.disks[0])->file;

	shell_run("qemu-img bitmap --add '%s/%s' changes", rig.store, top);
	byte_flip(top, AUTOCLEAR_LOW);
	check_run();
	CU_ASSERT_TRUE(is_noted(top, "bitmap"));
}

static void test_damage(void)
{
	struct manifest m;

	store_begin();
	sender_drop(&sender);
	rig_stop(&rig);
	m = scene_manifest();
	CU_ASSERT_EQUAL(m.point_count, 4);
	CU_ASSERT_TRUE(m.applied_seq > m.points[3].cut.seq);
	expect_sound();
	CU_ASSERT_TRUE(json_integer_value(json_object_get(json_object_get(verdict, "checked"),
							  "compared_bytes")) > 1000000);
	/* the base: the initial copy went into it without a log, and it has sums */
	CU_ASSERT_TRUE(json_integer_value(json_object_get(json_object_get(verdict, "checked"),
							  "sum_bytes")) > 1000000);
	CU_ASSERT_EQUAL(json_integer_value(json_object_get(json_object_get(verdict, "checked"),
							   "not_covered_bytes")),
			0);
	logs_damage(&m);
	index_damage(&m);
	manifest_damage();
	layers_damage(&m);
	layer_written(&m);
	expect_sound();
	bitmaps_void(&m);
	manifest_destroy(&m);
	rig_start(&rig, "b1");
	store_end();
}

/* One point: sound by itself, whatever is wrong with those after it. */
static void test_one_point(void)
{
	char file[MANIFEST_FILE_MAX + 1];
	struct manifest m;

	store_begin();
	sender_drop(&sender);
	rig_stop(&rig);
	m = scene_manifest();
	for (size_t i = 0; i < m.point_count; i++) {
		check_point(m.points[i].cut.seq, CHECK_SOUND);
	}
	check_point(m.points[3].cut.seq + 1000, CHECK_FAILED);
	/* the last log that leads to the third point */
	snprintf(file, sizeof(file), "gen-1/%lu.vrl", m.points[2].cut.seq);
	byte_flip(file, 5000);
	check_point(m.points[1].cut.seq, CHECK_SOUND);
	check_point(m.points[2].cut.seq, CHECK_DAMAGED);
	check_point(m.points[3].cut.seq, CHECK_SOUND);
	byte_flip(file, 5000);
	check_point(m.points[2].cut.seq, CHECK_SOUND);
	manifest_destroy(&m);
	rig_start(&rig, "b1");
	store_end();
}

/* Beside a receiver that takes cycles, makes points and merges: never a false word, and nobody is
 * held up. */
static void test_in_use(void)
{
	store_begin();
	for (int i = 0; i < 8; i++) {
		scene_delta(10);
		expect_sound();
		CU_ASSERT_TRUE(json_is_true(json_object_get(verdict, "in_use")));
	}
	scene_check();
	sender_drop(&sender);
	store_end();
}

/* What is no store, or a newer one, is told apart from damage. */
static void test_not_checked(void)
{
	char path[RIG_PATH * 2], command[RIG_PATH * 3];

	store_begin();
	sender_drop(&sender);
	rig_stop(&rig);
	snprintf(path, sizeof(path), "%s/%s", rig.store, MANIFEST_NAME);
	snprintf(command, sizeof(command), "sed -i 's/\"format\": 2/\"format\": 99/' '%s'", path);
	CU_ASSERT_EQUAL(system(command), 0);
	check_run();
	CU_ASSERT_EQUAL(verdict_status, CHECK_FAILED);
	CU_ASSERT_EQUAL(unlink(path), 0);
	check_run();
	CU_ASSERT_EQUAL(verdict_status, CHECK_FAILED);
	CU_ASSERT_EQUAL(WEXITSTATUS(system("./vmreplica-receiver --check 2>/dev/null")),
			CHECK_USAGE);
	rig_start(&rig, "b1");
	store_end();
}

static const struct unit_test tests[] = {
	{"damage", test_damage},
	{"one point", test_one_point},
	{"in use", test_in_use},
	{"not checked", test_not_checked},
};

int main(void)
{
	rig_require_tools();
	return unit_run("store check", tests, sizeof(tests) / sizeof(tests[0]));
}
