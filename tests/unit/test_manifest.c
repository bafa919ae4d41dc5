/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "receiver/durable.h"
#include "receiver/ownership.h"
#include "receiver/spool.h"
#include "manifest_sample.h"
#include "tempdir.h"
#include "unit.h"

static void test_round_trip(void)
{
	struct manifest manifest = sample_manifest(), back, copy;
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
	struct manifest manifest = sample_manifest(), back;
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
	struct manifest manifest = sample_manifest(), back;
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
	struct manifest manifest = sample_manifest(), back;
	char error[MANIFEST_ERROR_LEN], *text;
	size_t len;

	for (uint64_t seq = 20; seq < 60; seq++) {
		sample_log_add(&manifest, seq);
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
	struct manifest manifest = sample_manifest(), back;
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
	struct manifest manifest = sample_manifest();
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
	struct manifest manifest = sample_manifest();

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
	{"format 1", test_format_1},
	{"prefix copy", test_prefix_copy},
};

int main(void)
{
	int rc = unit_run("manifest", tests, sizeof(tests) / sizeof(tests[0]));

	tempdir_remove();
	return rc;
}
