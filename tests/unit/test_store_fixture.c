/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stores and streams that earlier versions made (tests/fixtures/store): this one opens them, lists
 * their points, applies what was not yet applied, and takes the recorded stream. What a later
 * version made is refused, and left alone. */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "points_scene.h"
#include "proto/logfile_format.h"
#include "receiver/manifest_json.h"
#include "unit.h"

/* Format 1 had no points, no kept logs and no checksum of the manifest. Its fixture was made later
 * than the others, by their maker and the last program that wrote it. */
static const struct {
	const char *name;
	int points, listed;  /* that the store has; with cycles, at least */
	size_t points_after; /* the stream's cycle was applied */
} fixtures[] = {{"format-2", 3, 5, 3}, {"format-1", 0, 0, 1}};

static uint64_t stored_seq, last_seq; /* the newest cycle of the store; that of the stream */

static void run(const char *command)
{
	if (system(command) != 0) {
		rig_die("failed: %s", command);
	}
}

/* The fixture (or part of it) below the rig's root, its store where the rig has it. */
static void fixture_unpack(const char *name, const char *part)
{
	char command[RIG_PATH * 8];
	uid_t uid;
	gid_t gid;
	bool drops;

	rig_user(&uid, &gid, &drops);
	snprintf(command, sizeof(command),
		 "set -e; cd '%s'; mkdir all; tar -xJf '" TEST_FIXTURES "/store/%s.tar.xz' "
		 "-C all; mv $(realpath all/%s) fixture; rmdir '%s'; mv fixture/store '%s'; [ $(id "
		 "-u) != 0 ] "
		 "|| "
		 "chown -R %u:%u '%s'",
		 rig.root, name, part, rig.store, rig.store, (unsigned int)uid, (unsigned int)gid,
		 rig.store);
	run(command);
}

static char *file_read(const char *directory, const char *name, size_t *ret_len)
{
	char path[RIG_PATH * 2];
	char *text = malloc(4u << 20);
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "re");
	if (file == NULL || text == NULL) {
		rig_die("no %s", path);
	}
	*ret_len = fread(text, 1, (4u << 20) - 1, file);
	text[*ret_len] = '\0';
	fclose(file);
	return text;
}

static void file_write(const char *name, const char *text, size_t len)
{
	char path[RIG_PATH * 2];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", rig.store, name);
	fd = open(path, O_WRONLY | O_TRUNC);
	if (fd < 0 || write(fd, text, len) != (ssize_t)len) {
		rig_die("cannot write %s", path);
	}
	close(fd);
}

static void expected_read(void)
{
	char directory[RIG_PATH + 16];
	size_t len;
	char *text, *line, *rest = NULL;

	snprintf(directory, sizeof(directory), "%s/fixture", rig.root);
	text = file_read(directory, "expected", &len);
	scene_notes_clear();
	for (line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
		struct cut_note note;

		if (sscanf(line, "%" SCNu64 " %" SCNx64 " %" SCNx64, &note.seq, &note.digest[0],
			   &note.digest[1]) != 3) {
			rig_die("not understood: %s", line);
		}
		scene_note_put(&note);
		stored_seq = last_seq;
		last_seq = note.seq;
	}
	free(text);
}

/* The files of an unpacked store are other ones than those that were closed: let their
 * fingerprints say so. All else in the manifest stays as it was written. */
static bool layers_adopt(json_t *disks)
{
	bool changed = false;
	json_t *disk, *layer;
	size_t i, k;

	json_array_foreach(disks, i, disk)
	{
		json_array_foreach(json_object_get(disk, "layers"), k, layer)
		{
			char path[RIG_PATH * 2];
			struct stat st;

			snprintf(path, sizeof(path), "%s/%s", rig.store,
				 json_string_value(json_object_get(layer, "file")));
			CU_ASSERT_EQUAL_FATAL(stat(path, &st), 0);
			if (json_integer_value(json_object_get(layer, "inode")) == 0) {
				continue; /* it has none */
			}
			changed = true;
			json_object_set_new(layer, "inode", json_integer((json_int_t)st.st_ino));
		}
	}
	return changed;
}

static void fingerprints_adopt(void)
{
	size_t len;
	char *text = file_read(rig.store, MANIFEST_NAME, &len);
	json_t *root = json_loads(text, 0, NULL);
	bool changed;

	CU_ASSERT_PTR_NOT_NULL_FATAL(root);
	changed = layers_adopt(json_object_get(root, "current"));
	changed |= layers_adopt(json_object_get(root, "pending"));
	changed |= layers_adopt(json_object_get(root, "retired"));
	free(text);
	if (changed) {
		json_object_del(root, "sum");
		text = json_dumps(root, JSON_INDENT(1));
		len = strlen(text);
		text = manifest_sum_append(text, &len);
		file_write(MANIFEST_NAME, text, len);
		free(text);
	}
	json_decref(root);
}

static void part_begin(const char *name, const char *part)
{
	rig_init(&rig);
	rig.points = 3;
	rig.point_interval_s = 10;
	model_init(&model);
	fixture_unpack(name, part);
	fingerprints_adopt();
	expected_read();
}

static void fixture_begin(const char *name)
{
	part_begin(name, ".");
}

static void fixture_end(void)
{
	scene_end();
}

static char *text_of(const char *borrowed)
{
	return (char *)(uintptr_t)borrowed;
}

static void epoch_fill(Vmreplica__Epoch *epoch, uint64_t number)
{
	vmreplica__epoch__init(epoch);
	epoch->number = number;
	epoch->lineage = text_of("00000000-0000-4000-8000-000000000002");
	epoch->site = text_of(RIG_SITE);
}

/* As the maker of the fixture asked for it. */
static int fixture_take(Vmreplica__TakeoverKind kind, const char *holder)
{
	Vmreplica__Ipc__StoreTakeover request = VMREPLICA__IPC__STORE_TAKEOVER__INIT;
	Vmreplica__Epoch epoch;

	epoch_fill(&epoch, 2);
	request.id = 1;
	request.relationship = text_of(RIG_RELATIONSHIP);
	request.kind = kind;
	request.holder = text_of(holder);
	request.latest = true;
	request.cut_id = text_of("");
	request.epoch = &epoch;
	rig_ask(&rig, FRAME_STORE_TAKEOVER, &request.base);
	return rig_taken_wait(&rig, 60000);
}

static int fixture_end_as(Vmreplica__Ipc__TakeoverEnd end)
{
	Vmreplica__Ipc__StoreTakeoverEnd request = VMREPLICA__IPC__STORE_TAKEOVER_END__INIT;
	Vmreplica__Epoch epoch;

	epoch_fill(&epoch, 3);
	request.id = 2;
	request.relationship = text_of(RIG_RELATIONSHIP);
	request.end = end;
	request.epoch = &epoch;
	rig_ask(&rig, FRAME_STORE_TAKEOVER_END, &request.base);
	return rig_taken_wait(&rig, 60000);
}

static void replica_judge(uint64_t seq)
{
	CU_ASSERT_TRUE(rig_wait(&rig, rig_is_applied, seq, 30000));
	CU_ASSERT_EQUAL(rig.status.disk_count, MODEL_DISKS);
	for (unsigned int i = 0; i < rig.status.disk_count; i++) {
		CU_ASSERT_TRUE(scene_reads(rig.status.tops[i], seq, i));
	}
}

/* The frames that a sender of that version sent. */
static void stream_send(const char *name)
{
	char directory[RIG_PATH + 16];
	size_t len;
	char *frames;

	snprintf(directory, sizeof(directory), "%s/fixture", rig.root);
	frames = file_read(directory, name, &len);
	CU_ASSERT_EQUAL(tls_write_full(sender.conn, frames, len, 20000), 0);
	free(frames);
}

static void test_read(void)
{
	char command[RIG_PATH + 64];

	for (size_t i = 0; i < sizeof(fixtures) / sizeof(fixtures[0]); i++) {
		fixture_begin(fixtures[i].name);
		snprintf(command, sizeof(command), "./vmreplica-receiver --check '%s' >&2",
			 rig.store);
		run(command);
		CU_ASSERT_EQUAL(scene_points_judge(), fixtures[i].points);
		rig_start(&rig, "b1");
		CU_ASSERT_EQUAL_FATAL(rig_open(&rig), 0);
		replica_judge(stored_seq); /* also what was not applied */
		rig_list(&rig, true, 0);
		CU_ASSERT_TRUE(fixtures[i].listed > 0 ? rig.list_count >= (size_t)fixtures[i].listed
						      : rig.list_count == 0);
		for (size_t k = 0; k < rig.list_count; k++) {
			CU_ASSERT_STRING_EQUAL(rig.list[k].verdict, k == 0 ? "start" : "ok");
		}
		CU_ASSERT_TRUE_FATAL(sender_connect(&sender, &rig, rig.sender_tls));
		stream_send("hello");
		CU_ASSERT_EQUAL_FATAL(sender_answer(&sender, 20000), FRAME_WELCOME);
		CU_ASSERT_EQUAL(sender.mode, DELTA);
		stream_send("cycle");
		CU_ASSERT_EQUAL(sender_answer(&sender, 20000), FRAME_COMMITTED);
		CU_ASSERT_EQUAL(sender.committed.seq, last_seq);
		replica_judge(last_seq);
		CU_ASSERT_EQUAL(points_wait(fixtures[i].points_after), fixtures[i].points_after);
		CU_ASSERT_EQUAL(rig.status.health, VMREPLICA__HEALTH__HEALTH_OK);
		fixture_end();
	}
}

/* ---- stores that VMs have taken over ---- */

static void check_run(void)
{
	char command[RIG_PATH + 64];

	snprintf(command, sizeof(command), "./vmreplica-receiver --check '%s' >&2", rig.store);
	run(command);
}

/* What stands is handed out again as it was, and goes. */
static void test_failed_over(void)
{
	part_begin("format-3", "failed-over");
	check_run();
	rig_start(&rig, "b1");
	CU_ASSERT_EQUAL_FATAL(rig_open(&rig), 0);
	CU_ASSERT_TRUE(rig_wait(&rig, rig_has_state, VMREPLICA__STATE__STATE_RECOVERED, 5000));
	CU_ASSERT_EQUAL(fixture_take(VMREPLICA__TAKEOVER_KIND__TAKEOVER_FAILOVER, "web1"), 0);
	CU_ASSERT_EQUAL(rig.taken.seq, last_seq);
	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		CU_ASSERT_TRUE(scene_reads(rig.taken.paths[i], last_seq, i));
	}
	CU_ASSERT_EQUAL(fixture_end_as(VMREPLICA__IPC__TAKEOVER_END__TAKEOVER_CANCEL), 0);
	replica_judge(last_seq);
	CU_ASSERT_TRUE(scene_points_judge() >= 3);
	fixture_end();
}

static void test_tested(void)
{
	part_begin("format-3", "tested");
	check_run();
	rig_start(&rig, "b1");
	CU_ASSERT_EQUAL_FATAL(rig_open(&rig), 0);
	CU_ASSERT_EQUAL(fixture_take(VMREPLICA__TAKEOVER_KIND__TAKEOVER_TEST, "web1-test"), 0);
	CU_ASSERT_EQUAL(rig.taken.seq, stored_seq); /* a cycle came after it */
	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		CU_ASSERT_TRUE(scene_reads(rig.taken.backings[i], stored_seq, i));
	}
	CU_ASSERT_EQUAL(fixture_end_as(VMREPLICA__IPC__TAKEOVER_END__TAKEOVER_CLEANUP), 0);
	replica_judge(last_seq);
	fixture_end();
}

static void test_adopted(void)
{
	part_begin("format-3", "adopted");
	check_run();
	rig_start(&rig, "b1");
	CU_ASSERT_EQUAL_FATAL(rig_open(&rig), 0);
	replica_judge(last_seq);
	CU_ASSERT_TRUE(scene_layers_wait(6, 20000)); /* also of what it adopted */
	CU_ASSERT_EQUAL(rig_close(&rig, true), -EPERM);
	CU_ASSERT_EQUAL(rig_open(&rig), 0);
	replica_judge(last_seq);
	fixture_end();
}

/* Names and contents of all files but the lock. */
static void store_sum(char sum[128])
{
	char command[RIG_PATH * 2];
	FILE *pipe;

	snprintf(command, sizeof(command),
		 "cd '%s' && find . -type f ! -name lock -printf '%%p %%s %%T@\\n' | sort | cksum; "
		 "cat "
		 "manifest.json | cksum",
		 rig.store);
	pipe = popen(command, "re");
	sum[pipe == NULL ? 0 : fread(sum, 1, 127, pipe)] = '\0';
	pclose(pipe);
}

static void file_sum(const char *path, char sum[128])
{
	char command[RIG_PATH * 2 + 16];
	FILE *pipe;

	snprintf(command, sizeof(command), "cksum <'%s'", path);
	pipe = popen(command, "re");
	sum[pipe == NULL ? 0 : fread(sum, 1, 127, pipe)] = '\0';
	pclose(pipe);
}

static void test_newer_store(void)
{
	char before[128] = "", after[128] = "", *text, *at;
	size_t len;

	fixture_begin(fixtures[0].name);
	text = file_read(rig.store, MANIFEST_NAME, &len);
	at = strstr(text, "\"format\": ");
	CU_ASSERT_PTR_NOT_NULL_FATAL(at);
	at[strlen("\"format\": ")] = '9'; /* as a version far from now writes it */
	file_write(MANIFEST_NAME, text, len);
	rig_start(&rig, "b2");
	store_sum(before);
	CU_ASSERT_EQUAL(rig_open(&rig), -EPROTONOSUPPORT);
	CU_ASSERT_PTR_NOT_NULL(strstr(rig.opened_text, "update this node"));
	store_sum(after);
	CU_ASSERT_STRING_EQUAL(before, after);
	free(text);
	fixture_end();
}

/* Give a log the version, and a checksum that fits. */
static void log_version_set(const char *path, uint8_t version)
{
	uint8_t raw[LOGFILE_HEADER_LEN];
	int fd = open(path, O_RDWR);
	uint64_t sum;

	CU_ASSERT_EQUAL_FATAL(pread(fd, raw, sizeof(raw), 0), (ssize_t)sizeof(raw));
	raw[8] = version;
	sum = htole64(codec_checksum(raw, sizeof(raw) - 8, 0));
	memcpy(raw + sizeof(raw) - 8, &sum, 8);
	CU_ASSERT_EQUAL(pwrite(fd, raw, sizeof(raw), 0), (ssize_t)sizeof(raw));
	close(fd);
}

/* A log of a later version that waits to be applied: it is kept, waited with, and no reason for a
 * resynchronization; a vmreplica that knows it goes on from there. */
static void test_newer_log(void)
{
	char path[RIG_PATH * 2], before[128] = "", after[128] = "";
	uint64_t last = 0;
	struct manifest manifest;

	fixture_begin(fixtures[0].name);
	manifest = scene_manifest();
	last = manifest.committed.seq;
	CU_ASSERT_TRUE(manifest.applied_seq < last);
	snprintf(path, sizeof(path), "%s/%s", rig.store,
		 manifest.logs[manifest.log_count - 1].file);
	manifest_destroy(&manifest);
	log_version_set(path, LOGFILE_VERSION + 1);
	file_sum(path, before);
	rig_start(&rig, "b1");
	CU_ASSERT_EQUAL(rig_open(&rig), 0);
	CU_ASSERT_TRUE(scene_wait_code("storage-error", 20000));
	CU_ASSERT_PTR_NOT_NULL(strstr(rig.status.reason, "newer vmreplica"));
	manifest = scene_manifest();
	CU_ASSERT_FALSE(manifest.resync_needed);
	manifest_destroy(&manifest);
	file_sum(path, after);
	CU_ASSERT_STRING_EQUAL(before, after);
	log_version_set(path, LOGFILE_VERSION);
	replica_judge(last);
	fixture_end();
}

static const struct unit_test tests[] = {
	{"read", test_read},	   {"failed over", test_failed_over}, {"tested", test_tested},
	{"adopted", test_adopted}, {"newer store", test_newer_store}, {"newer log", test_newer_log},
};

int main(void)
{
	rig_require_tools();
	return unit_run("stores of earlier versions", tests, sizeof(tests) / sizeof(tests[0]));
}
