/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "receiver/durable.h"
#include "receiver/manifest.h"
#include "receiver/ownership.h"
#include "receiver/spool.h"
#include "tempdir.h"
#include "unit.h"

static void disk_add(struct manifest_image *image, const char *name, int layers)
{
	image->disks = reallocarray(image->disks, image->disk_count + 1, sizeof(*image->disks));
	struct manifest_disk *disk = &image->disks[image->disk_count++];

	memset(disk, 0, sizeof(*disk));
	strcpy(disk->name, name);
	disk->size_bytes = 1 << 30;
	for (int i = 0; i < layers; i++) {
		struct manifest_layer layer = {.generation = (uint64_t)i + 1,
					       .frozen = true,
					       .size_bytes = 196624,
					       .inode = UINT64_MAX - 5, /* some file systems do */
					       .mtime_ns = 1795326902638583000};

		snprintf(layer.file, sizeof(layer.file), "gen-%d/%s-%d.qcow2", i + 1, name, i + 7);
		CU_ASSERT_EQUAL(manifest_disk_push(disk, &layer), 0);
	}
}

static void log_add(struct manifest *manifest, uint64_t seq)
{
	struct manifest_log log = {.seq = seq, .cut_id = "0123456789abcdef", .size_bytes = 100};

	memset(log.hash, (int)seq, sizeof(log.hash));
	snprintf(log.file, sizeof(log.file), "gen-2/%lu.vrl", seq);
	CU_ASSERT_EQUAL(manifest_log_push(manifest, &log), 0);
}

static struct manifest sample(void)
{
	struct manifest manifest = {
		.relationship = "5f0c1a52-9d2e-4d57-8a4b-0c6c1b2a7e11",
		.vm = "web1",
		.peer_site = "a.example",
		.generation = 2,
		.owner_node = "b1",
		.closed = true,
		.epoch = {1, "0f0c1a52-9d2e-4d57-8a4b-0c6c1b2a7e22", "a.example"},
		.committed = {.seq = 9, .cut_id = "00112233aabbccdd", .time_ms = 1795326902638},
		.applied_seq = 7,
		.batch_seq = 9,
		.next_seq = 10,
		.next_layer = 5,
		.resync_needed = true,
		.resync_reason = "because \"it\" was so\n",
		.mark = {.mode = VMREPLICA__WIRE__MODE__MODE_DELTA,
			 .seq = 10,
			 .cut_id = "ffffffffffffffff",
			 .disk = 1,
			 .offset = 1 << 20,
			 .file = "gen-2/10.part",
			 .log_offset = 12345,
			 .disks = "vda,vdb"},
		.counters = {1, 2, 3, 4, 5, 6, 7, 8},
	};

	memset(manifest.committed.log_hash, 0xab, LOG_HASH_LEN);
	disk_add(&manifest.current, "vda", 2);
	disk_add(&manifest.current, "vdb", 1);
	disk_add(&manifest.pending, "vda", 3);
	for (uint64_t seq = 5; seq <= 9; seq++) {
		log_add(&manifest, seq);
	}
	return manifest;
}

static void test_round_trip(void)
{
	struct manifest manifest = sample(), back, copy;
	char error[MANIFEST_ERROR_LEN], *text, *again;
	size_t len, again_len;

	text = manifest_encode(&manifest, &len);
	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	CU_ASSERT_EQUAL_FATAL(manifest_decode(text, len, &back, error), 0);
	CU_ASSERT_STRING_EQUAL(back.resync_reason, manifest.resync_reason);
	CU_ASSERT_EQUAL(memcmp(&back.committed, &manifest.committed, sizeof(back.committed)), 0);
	CU_ASSERT_EQUAL(memcmp(&back.mark, &manifest.mark, sizeof(back.mark)), 0);
	CU_ASSERT_EQUAL(memcmp(&back.counters, &manifest.counters, sizeof(back.counters)), 0);
	CU_ASSERT_EQUAL(back.current.disks[0].layers[1].inode, UINT64_MAX - 5);
	CU_ASSERT_EQUAL(back.pending.disks[0].layer_count, 3);
	CU_ASSERT_EQUAL(manifest_copy(&back, &copy), 0);
	manifest_destroy(&back);
	again = manifest_encode(&copy, &again_len);
	CU_ASSERT_STRING_EQUAL(text, again);
	CU_ASSERT_TRUE(manifest_refers_to(&copy, "gen-3/vda-9.qcow2"));
	CU_ASSERT_TRUE(manifest_refers_to(&copy, "gen-2/10.part"));
	CU_ASSERT_TRUE(manifest_refers_to(&copy, "gen-2/9.vrl"));
	CU_ASSERT_FALSE(manifest_refers_to(&copy, "gen-2/4.vrl"));
	free(text);
	free(again);
	manifest_destroy(&copy);
	manifest_destroy(&manifest);
}

static void test_truncated(void)
{
	struct manifest manifest = sample(), back;
	char error[MANIFEST_ERROR_LEN], *text;
	size_t len;

	text = manifest_encode(&manifest, &len);
	for (size_t i = 0; i < len - 1; i++) {
		CU_ASSERT_EQUAL(manifest_decode(text, i, &back, error), -EBADMSG);
	}
	free(text);
	manifest_destroy(&manifest);
}

/* Replace the first occurrence of from by to in the sample's text, and decode. */
static int decode_changed(const char *from, const char *to)
{
	struct manifest manifest = sample(), back;
	char error[MANIFEST_ERROR_LEN], *text, *at;
	char *changed = calloc(1, 65536);
	size_t len;
	int rc;

	text = manifest_encode(&manifest, &len);
	strcpy(strstr(text, ",\n \"sum\": "), "\n}"); /* as before there were checksums */
	at = strstr(text, from);
	CU_ASSERT_PTR_NOT_NULL_FATAL(at);
	snprintf(changed, 65536, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
	rc = manifest_decode(changed, strlen(changed), &back, error);
	if (rc == 0) {
		manifest_destroy(&back);
	}
	free(text);
	free(changed);
	manifest_destroy(&manifest);
	return rc;
}

/* No byte of the text can change without being noticed, and the place is told to 4 KiB. */
static void test_checksum(void)
{
	struct manifest manifest = sample(), back;
	char error[MANIFEST_ERROR_LEN], *text;
	size_t len;

	for (uint64_t seq = 20; seq < 60; seq++) {
		log_add(&manifest, seq);
	}
	text = manifest_encode(&manifest, &len);
	CU_ASSERT_TRUE(len > 8192);
	for (size_t i = 0; i < len; i++) {
		int rc;

		text[i] ^= 4;
		rc = manifest_decode(text, len, &back, error);
		CU_ASSERT_TRUE(rc == -EBADMSG || rc == -EPROTONOSUPPORT);
		CU_ASSERT_PTR_NOT_NULL(strstr(error, rc == -EBADMSG ? "at byte" : "format"));
		text[i] ^= 4;
	}
	*strstr(text + 5000, "gen-") = 'G';
	CU_ASSERT_EQUAL(manifest_decode(text, len, &back, error), -EBADMSG);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "at byte 4096 "));
	free(text);
	manifest_destroy(&manifest);
}

static void test_not_believed(void)
{
	CU_ASSERT_EQUAL(decode_changed("\"web1\"", "\"web2\""), 0);
	CU_ASSERT_EQUAL(decode_changed("\"format\": 2", "\"format\": 4"), -EPROTONOSUPPORT);
	CU_ASSERT_EQUAL(decode_changed("gen-1/vda-7.qcow2", "../vda-7.qcow2"), -EBADMSG);
	CU_ASSERT_EQUAL(decode_changed("gen-1/vda-7.qcow2", "gen-1/../x"), -EBADMSG);
	CU_ASSERT_EQUAL(decode_changed("gen-1/vda-7.qcow2", "gen-1/x/y"), -EBADMSG);
	CU_ASSERT_EQUAL(decode_changed("gen-1/vda-7.qcow2", "/etc/passwd"), -EBADMSG);
	CU_ASSERT_EQUAL(decode_changed("\"vda\"", "\"../vda\""), -EBADMSG);
	CU_ASSERT_EQUAL(decode_changed("\"generation\": 2", "\"generation\": 0"), -EBADMSG);
	CU_ASSERT_EQUAL(decode_changed("\"applied_seq\": 7", "\"applied_seq\": -7"), -EBADMSG);
	CU_ASSERT_EQUAL(decode_changed("\"batch_seq\": 9", "\"batch_seq\": 0"), 0);
	CU_ASSERT_EQUAL(decode_changed("\"batch_seq\": 9", "\"batch_seq\": 7"), -EBADMSG);
	CU_ASSERT_EQUAL(decode_changed("\"batch_seq\": 9", "\"batch_seq\": 10"), -EBADMSG);
	CU_ASSERT_EQUAL(decode_changed("\"batch_seq\": 9", "\"batch_seq\": -1"), -EBADMSG);
	CU_ASSERT_EQUAL(decode_changed("\"seq\": 6", "\"seq\": 5"), -EBADMSG); /* not ascending */
	CU_ASSERT_EQUAL(decode_changed("abab", "abax"), -EBADMSG);
	CU_ASSERT_EQUAL(decode_changed("\"closed\": true", "\"closed\": 1"), -EBADMSG);
	CU_ASSERT_EQUAL(decode_changed("\"delta\"", "\"delta2\""), -EBADMSG);
	CU_ASSERT_EQUAL(decode_changed("\"size\": 1073741824", "\"size\": 9007199254740992"),
			-EBADMSG);
}

static void test_save(void)
{
	struct manifest manifest = sample(), back;
	char error[MANIFEST_ERROR_LEN], path[TEMP_PATH_LEN];
	int dir_fd = open(tempdir(), O_RDONLY | O_DIRECTORY);
	bool uncertain = true;

	CU_ASSERT_EQUAL(manifest_load(dir_fd, &back, error), -ENOENT);
	CU_ASSERT_EQUAL(manifest_check_generation(dir_fd, 2), -ESTALE);
	CU_ASSERT_EQUAL(manifest_save(dir_fd, &manifest, &uncertain), -ESTALE); /* nobody's yet */
	CU_ASSERT_EQUAL(ownership_take(dir_fd, 2), 0);
	CU_ASSERT_EQUAL(manifest_save(dir_fd, &manifest, &uncertain), 0);
	CU_ASSERT_FALSE(uncertain);
	CU_ASSERT_EQUAL(manifest_check_generation(dir_fd, 2), 0);
	CU_ASSERT_EQUAL(manifest_check_generation(dir_fd, 1), -ESTALE);
	CU_ASSERT_EQUAL_FATAL(manifest_load(dir_fd, &back, error), 0);
	CU_ASSERT_EQUAL(back.next_seq, 10);
	CU_ASSERT_NOT_EQUAL(access(temp_path(path, "own-2/manifest.json"), F_OK), 0);
	manifest_destroy(&back);
	manifest_destroy(&manifest);
	CU_ASSERT_EQUAL(unlink(temp_path(path, "manifest.json")), 0);
	CU_ASSERT_EQUAL(symlink("/etc/passwd", path), 0);
	CU_ASSERT_EQUAL(manifest_load(dir_fd, &back, error), -ELOOP);
	close(dir_fd);
}

/* A new owner takes the store away: whatever the older one had begun, nothing of it comes any more.
 */
static void test_fence(void)
{
	struct manifest manifest = sample();
	char path[TEMP_PATH_LEN], text[16] = "";
	int dir_fd = open(tempdir(), O_RDONLY | O_DIRECTORY), fd;
	bool uncertain;

	unlink(temp_path(path, "manifest.json"));
	CU_ASSERT_EQUAL(ownership_take(dir_fd, 2), 0);
	CU_ASSERT_EQUAL(manifest_save(dir_fd, &manifest, &uncertain), 0);
	/* It was stopped with its new file written, before the rename. */
	fd = openat(dir_fd, "own-2/manifest.json", O_WRONLY | O_CREAT, 0600);
	CU_ASSERT_EQUAL(write(fd, "stale", 5), 5);
	CU_ASSERT_EQUAL(ownership_fence(dir_fd), 0);
	CU_ASSERT_EQUAL(ownership_take(dir_fd, 3), 0);
	CU_ASSERT_EQUAL(write(fd, "stale", 5), 5);
	close(fd);
	CU_ASSERT_TRUE(renameat(dir_fd, "own-2/manifest.json", dir_fd, "manifest.json") < 0 &&
		       errno == ENOENT);
	CU_ASSERT_EQUAL(manifest_save(dir_fd, &manifest, &uncertain), -ESTALE);
	CU_ASSERT_FALSE(uncertain);
	CU_ASSERT_EQUAL(ownership_file_replace(dir_fd, 2, "domain.xml", "x", 1, &uncertain),
			-ESTALE);
	CU_ASSERT_EQUAL(ownership_file_remove(dir_fd, 2, "manifest.json"), -ESTALE);
	CU_ASSERT_EQUAL(ownership_file_remove(dir_fd, 3, "nothing"), -ENOENT);
	fd = openat(dir_fd, "manifest.json", O_RDONLY);
	CU_ASSERT_TRUE(read(fd, text, 5) == 5 && strncmp(text, "stale", 5) != 0);
	close(fd);
	manifest.generation = 3;
	CU_ASSERT_EQUAL(manifest_save(dir_fd, &manifest, &uncertain), 0);
	CU_ASSERT_EQUAL(manifest_check_generation(dir_fd, 3), 0);
	CU_ASSERT_EQUAL(ownership_file_remove(dir_fd, 3, "manifest.json"), 0);
	CU_ASSERT_NOT_EQUAL(access(temp_path(path, "manifest.json"), F_OK), 0);
	manifest_destroy(&manifest);
	close(dir_fd);
}

static void test_spool(void)
{
	struct manifest manifest = sample();

	CU_ASSERT_EQUAL(manifest_spool_bytes(&manifest), 200); /* 8 and 9 */
	CU_ASSERT_EQUAL(manifest_log_next(&manifest)->seq, 8);
	CU_ASSERT_EQUAL(spool_prune(&manifest), 1); /* 5 goes, 6 and 7 are the window */
	CU_ASSERT_EQUAL(manifest.logs[0].seq, 6);
	CU_ASSERT_EQUAL(spool_prune(&manifest), 0);
	manifest.applied_seq = 9;
	CU_ASSERT_PTR_NULL(manifest_log_next(&manifest));
	CU_ASSERT_EQUAL(spool_prune(&manifest), 2);
	CU_ASSERT_EQUAL(manifest.logs[0].seq, 8);
	manifest_destroy(&manifest);
}

static struct manifest with_points(void)
{
	struct manifest manifest = sample();
	struct manifest_cut cut = {.seq = 5, .cut_id = "00112233aabbccdd", .time_ms = 1};
	struct manifest_layer above = {.file = "gen-2/vda-20.qcow2", .generation = 2};

	CU_ASSERT_EQUAL(manifest_point_push(&manifest, &cut, true), 0);
	CU_ASSERT_EQUAL(manifest_disk_push(&manifest.current.disks[0], &above), 0);
	cut.seq = 7;
	CU_ASSERT_EQUAL(manifest_point_push(&manifest, &cut, false), 0);
	CU_ASSERT_EQUAL(manifest_pin_add(&manifest, "gen-1/vda-7.qcow2", "web1-test"), 0);
	CU_ASSERT_EQUAL(manifest_pin_add(&manifest, "gen-1/vda-7.qcow2", "web1-test"), 0);
	manifest.merge = (struct manifest_merge){.disk = "vda",
						 .from = "gen-2/vda-8.qcow2",
						 .into = "gen-1/vda-7.qcow2",
						 .offset = 65536};
	manifest.history_generation = 2;
	manifest.history_from = 3;
	return manifest;
}

static void test_points_round_trip(void)
{
	struct manifest manifest = with_points(), back, copy;
	char error[MANIFEST_ERROR_LEN], *text, *again;
	size_t len, again_len;

	text = manifest_encode(&manifest, &len);
	CU_ASSERT_EQUAL_FATAL(manifest_decode(text, len, &back, error), 0);
	CU_ASSERT_EQUAL(manifest_copy(&back, &copy), 0);
	again = manifest_encode(&copy, &again_len);
	CU_ASSERT_STRING_EQUAL(text, again);
	CU_ASSERT_EQUAL(copy.point_count, 2);
	CU_ASSERT_TRUE(copy.points[0].application);
	CU_ASSERT_STRING_EQUAL(copy.points[0].disks[0].file, "gen-2/vda-8.qcow2");
	CU_ASSERT_EQUAL(copy.pin_count, 1);
	CU_ASSERT_TRUE(manifest_merge_touches(&copy, "gen-1/vda-7.qcow2"));
	CU_ASSERT_FALSE(manifest_merge_touches(&copy, "gen-2/vda-20.qcow2"));
	copy.merge.copied = true; /* now its header is written */
	CU_ASSERT_TRUE(manifest_merge_touches(&copy, "gen-2/vda-20.qcow2"));
	manifest_merge_finish(&copy);
	CU_ASSERT_STRING_EQUAL(copy.points[0].disks[0].file, "gen-1/vda-7.qcow2");
	CU_ASSERT_EQUAL(copy.current.disks[0].layer_count, 2);
	CU_ASSERT_FALSE(manifest_refers_to(&copy, "gen-2/vda-8.qcow2"));
	CU_ASSERT_EQUAL(manifest_pin_drop(&copy, "web1-test"), 1);
	free(text);
	free(again);
	manifest_destroy(&back);
	manifest_destroy(&copy);
	manifest_destroy(&manifest);
}

/* A replica that gets new bases keeps the old chains for its points, and only for them. */
static void test_retired(void)
{
	struct manifest manifest = with_points();
	struct manifest_image fresh = {NULL, 0};

	disk_add(&fresh, "vda", 1);
	strcpy(fresh.disks[0].layers[0].file, "gen-2/vda-99.qcow2");
	memset(&manifest.merge, 0, sizeof(manifest.merge));
	manifest_pin_drop(&manifest, "web1-test");
	CU_ASSERT_EQUAL(manifest_retire(&manifest, &fresh), 0);
	manifest_image_destroy(&manifest.current);
	manifest.current = fresh;
	manifest_image_destroy(&manifest.pending);
	CU_ASSERT_EQUAL(manifest.retired.disk_count, 2);
	CU_ASSERT_TRUE(manifest_refers_to(&manifest, "gen-2/vda-20.qcow2"));
	manifest_point_drop(&manifest, 1);
	CU_ASSERT_EQUAL(manifest.retired.disk_count, 2);
	manifest_point_drop(&manifest, 1);
	CU_ASSERT_EQUAL(manifest.retired.disk_count, 0);
	CU_ASSERT_FALSE(manifest_refers_to(&manifest, "gen-2/vda-20.qcow2"));
	manifest_destroy(&manifest);
}

/* Points go with a layer that they stand on, wherever its chain is; those below it stay. */
static void test_point_drop_over(void)
{
	struct manifest manifest = with_points();
	struct manifest_image fresh = {NULL, 0};

	CU_ASSERT_EQUAL(manifest_point_drop_over(&manifest, "gen-9/vda-1.qcow2"), 0);
	CU_ASSERT_EQUAL(manifest_point_drop_over(&manifest, "gen-2/vda-20.qcow2"), 1);
	CU_ASSERT_EQUAL(manifest.point_count, 1);
	CU_ASSERT_EQUAL(manifest.points[0].cut.seq, 5);
	memset(&manifest.merge, 0, sizeof(manifest.merge));
	manifest_pin_drop(&manifest, "web1-test");
	disk_add(&fresh, "vda", 1);
	strcpy(fresh.disks[0].layers[0].file, "gen-2/vda-99.qcow2");
	CU_ASSERT_EQUAL(manifest_retire(&manifest, &fresh), 0);
	manifest_image_destroy(&manifest.current);
	manifest.current = fresh;
	CU_ASSERT_TRUE(manifest.retired.disk_count > 0);
	CU_ASSERT_EQUAL(manifest_point_drop_over(&manifest, "gen-1/vda-7.qcow2"), 1);
	CU_ASSERT_EQUAL(manifest.point_count, 0);
	CU_ASSERT_EQUAL(manifest.retired.disk_count, 0);
	manifest_destroy(&manifest);
}

static void taken_add(struct manifest_takeover *takeover, Vmreplica__TakeoverKind kind,
		      const char *base)
{
	takeover->kind = kind;
	strcpy(takeover->holder, "web1-test");
	takeover->cut =
		(struct manifest_cut){.seq = 8, .cut_id = "00112233aabbccdd", .time_ms = 12345};
	takeover->application = takeover->planned = takeover->ready = true;
	takeover->epoch = 3;
	takeover->disks = calloc(1, sizeof(*takeover->disks));
	takeover->disk_count = 1;
	strcpy(takeover->disks[0].name, "vda");
	strcpy(takeover->disks[0].base, base);
	takeover->disks[0].size_bytes = 1 << 20;
	strcpy(takeover->disks[0].built.file, "gen-2/vda-77.qcow2");
}

/* What stands of a takeover stays, and an older receiver is kept out. */
static void test_takeovers(void)
{
	struct manifest manifest = sample(), back;
	char error[MANIFEST_ERROR_LEN], *text, *again;
	size_t len, again_len;

	taken_add(&manifest.test, VMREPLICA__TAKEOVER_KIND__TAKEOVER_TEST, "gen-1/vda-7.qcow2");
	taken_add(&manifest.failover, VMREPLICA__TAKEOVER_KIND__TAKEOVER_FAILOVER,
		  "gen-2/vda-8.qcow2");
	strcpy(manifest.peer_address, "broker.a.example:8650");
	text = manifest_encode(&manifest, &len);
	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"format\": 3"));
	CU_ASSERT_EQUAL_FATAL(manifest_decode(text, len, &back, error), 0);
	again = manifest_encode(&back, &again_len);
	CU_ASSERT_STRING_EQUAL(text, again);
	CU_ASSERT_STRING_EQUAL(back.peer_address, "broker.a.example:8650");
	CU_ASSERT_TRUE(back.failover.planned && back.failover.ready && !back.failover.committed);
	CU_ASSERT_EQUAL(back.test.cut.seq, 8);
	CU_ASSERT_TRUE(manifest_refers_to(&back, "gen-2/vda-77.qcow2"));
	manifest_destroy(&back);
	free(text);
	free(again);
	strcpy(manifest.test.disks[0].base, "gen-9/vda-7.qcow2"); /* is in no chain */
	text = manifest_encode(&manifest, &len);
	CU_ASSERT_EQUAL(manifest_decode(text, len, &back, error), -EBADMSG);
	free(text);
	manifest_destroy(&manifest);
}

/* A store of format 1 opens: without points. */
static void test_format_1(void)
{
	CU_ASSERT_EQUAL(decode_changed("\"format\": 2", "\"format\": 1"), 0);
	CU_ASSERT_EQUAL(decode_changed("\"format\": 2", "\"format\": 0"), -EBADMSG);
}

static void test_prefix_copy(void)
{
	int dir_fd = open(tempdir(), O_RDONLY | O_DIRECTORY);
	char path[TEMP_PATH_LEN], *data;
	size_t len;

	temp_file(path, "from", "0123456789");
	CU_ASSERT_EQUAL(durable_prefix_copy(dir_fd, "from", "to", 4), 0);
	CU_ASSERT_EQUAL_FATAL(durable_file_read(dir_fd, "to", 100, &data, &len), 0);
	CU_ASSERT_STRING_EQUAL(data, "0123");
	free(data);
	CU_ASSERT_EQUAL(durable_file_read(dir_fd, "from", 9, &data, &len), -EFBIG);
	CU_ASSERT_EQUAL(durable_prefix_copy(dir_fd, "from", "to", 11), -ENODATA);
	CU_ASSERT_EQUAL(durable_prefix_copy(dir_fd, "none", "to", 1), -ENOENT);
	CU_ASSERT_NOT_EQUAL(access(temp_path(path, "to"), F_OK), 0);
	close(dir_fd);
}

static const struct unit_test tests[] = {
	{"round trip", test_round_trip},
	{"truncated", test_truncated},
	{"checksum", test_checksum},
	{"not believed", test_not_believed},
	{"save", test_save},
	{"fence", test_fence},
	{"spool", test_spool},
	{"points round trip", test_points_round_trip},
	{"points dropped over a layer", test_point_drop_over},
	{"retired", test_retired},
	{"takeovers", test_takeovers},
	{"format 1", test_format_1},
	{"prefix copy", test_prefix_copy},
};

int main(void)
{
	int rc = unit_run("manifest", tests, sizeof(tests) / sizeof(tests[0]));

	tempdir_remove();
	return rc;
}
