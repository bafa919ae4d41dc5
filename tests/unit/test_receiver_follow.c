/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A disk grows while deltas come: they go on, points keep the size that they had, and what is
 * smaller than before is resynchronized. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "receiver/manifest.h"
#include "replica_scene.h"
#include "unit.h"

static struct manifest store_manifest(void)
{
	int fd = open(rig.store, O_RDONLY | O_DIRECTORY);
	struct manifest manifest = {0};
	char error[MANIFEST_ERROR_LEN] = "";

	CU_ASSERT_EQUAL_FATAL(manifest_load(fd, &manifest, error), 0);
	close(fd);
	return manifest;
}

static void follow_begin(void)
{
	rig_init(&rig);
	model_init(&model);
	rig.points = 4;
	rig.point_interval_s = 1;
	rig_start(&rig, "b1");
	CU_ASSERT_EQUAL(rig_open(&rig), 0);
	scene_initial();
	sender.cut_step_ms = 2000; /* each cycle is a point */
	sender.cut_time_ms = 1795341600000;
	scene_delta(20);
	scene_check();
}

/* An older sender resynchronizes. */
static void test_not_claimed(void)
{
	follow_begin();
	model_resize(&model, 1, model.disks[1].size + (1u << 20));
	scene_enter();
	CU_ASSERT_EQUAL(sender.mode, RESYNC);
	scene_end();
}

static void test_grown(void)
{
	uint64_t before, after;
	struct manifest manifest;

	sender_features = PROTOCOL_FEATURE_DISKS; /* from here on */
	follow_begin();
	before = model.disks[1].size;
	after = before + (5u << 20) + 1024;
	scene_enter();
	model_resize(&model, 1, after);
	scene_delta(30); /* on the connection that stands */
	scene_check();
	model_resize(&model, 0, model.disks[0].size + (1u << 20));
	memset(model.disks[0].data + model.disks[0].size - 4096, 7, 4096);
	model.disks[0].dirty[model.disks[0].clusters - 1] = 1;
	scene_enter(); /* with a HELLO */
	CU_ASSERT_EQUAL(sender.mode, DELTA);
	scene_delta_of_dirty();
	scene_check();
	scene_replace_receiver(true);
	scene_enter();
	CU_ASSERT_EQUAL(sender.mode, DELTA);
	scene_delta(20);
	scene_check();
	manifest = store_manifest();
	CU_ASSERT_TRUE_FATAL(manifest.point_count >= 2);
	CU_ASSERT_EQUAL(manifest.points[0].disks[1].size_bytes, before);
	CU_ASSERT_EQUAL(manifest.points[manifest.point_count - 1].disks[1].size_bytes, after);
	CU_ASSERT_EQUAL(manifest.counters.resyncs, 0);
	manifest_destroy(&manifest);
	scene_end();
}

/* The image is made to fit, and then the cycle does not come through. */
static void test_interrupted(void)
{
	follow_begin();
	model_resize(&model, 1, model.disks[1].size + (4u << 20));
	model_change(&model, 40);
	sender_begin(&sender, &model, DELTA, false);
	sender_range(&sender, &model, 0, 0, model.disks[0].size, true);
	sender_drop(&sender);
	scene_replace_receiver(true);
	scene_enter();
	CU_ASSERT_EQUAL(sender.mode, DELTA);
	scene_delta_of_dirty();
	scene_check();
	scene_end();
}

static void test_shrunk(void)
{
	follow_begin();
	model_resize(&model, 0, model.disks[0].size - (2u << 20));
	scene_enter();
	CU_ASSERT_EQUAL(sender.mode, RESYNC);
	scene_resync_whole();
	scene_check();
	scene_end();
}

/* What the authorization entry leaves, beside a replica of 100 MiB on another node: at HELLO, and
 * for a disk that grows on a connection that stands. What is there goes on whatever the limit. */
static void test_limited(void)
{
	const uint64_t mib = 1u << 20;
	uint64_t size;

	rig_init(&rig);
	model_init(&model);
	rig_start(&rig, "b1");
	CU_ASSERT_EQUAL(rig_open(&rig), 0);
	size = model.disks[0].size + model.disks[1].size;
	rig_authorize_size(&rig, 100 * mib + size - 1, 100 * mib);
	CU_ASSERT_TRUE(sender_connect(&sender, &rig, rig.sender_tls));
	CU_ASSERT_EQUAL(sender_hello(&sender, &model), FRAME_DENIED);
	CU_ASSERT_STRING_EQUAL(sender.code, "max-size");
	CU_ASSERT_PTR_NOT_NULL(strstr(sender.reason, "entry a.example allows 133 MiB"));
	CU_ASSERT_PTR_NOT_NULL(strstr(sender.reason, "raise its --max-size"));
	sender_drop(&sender);
	rig_wait(&rig, NULL, 0, 300);
	CU_ASSERT_PTR_NOT_NULL(strstr(rig.last_event, "allows 133 MiB"));
	rig_authorize_size(&rig, 100 * mib + size, 100 * mib);
	scene_initial();
	scene_delta(20);
	model_resize(&model, 1, model.disks[1].size + mib);
	sender_begin(&sender, &model, DELTA, false);
	scene_expect(FRAME_DENIED, "max-size", "this one would have 34");
	rig_authorize_size(&rig, 0, 100 * mib);
	scene_recover();
	rig_authorize_size(&rig, mib, 100 * mib);
	scene_delta(20);
	scene_enter();
	scene_delta(20);
	scene_check();
	scene_end();
}

static const struct unit_test tests[] = {
	{"nobody says that he follows", test_not_claimed},
	{"a disk that has grown", test_grown},
	{"interrupted when it had grown", test_interrupted},
	{"a disk that has shrunk", test_shrunk},
	{"an entry with a limit", test_limited},
};

int main(void)
{
	rig_require_tools();
	return unit_run("receiver_follow", tests, sizeof(tests) / sizeof(tests[0]));
}
