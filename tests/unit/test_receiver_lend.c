/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a store lends to extended replication: always the state of one cut, and the changes up to
 * it, while replication goes on. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "proto/extent_file.h"
#include "receiver/manifest.h"
#include "replica_scene.h"
#include "unit.h"

#define READER "0b7d2c4e-55aa-4c1b-9d0e-2f1e6b3a9c01"
#define OTHER  "1c8e3d5f-66bb-4d2c-8e1f-3a2f7c4b0d12"

static uint64_t lent_digest[MODEL_DISKS];

static void lend_begin(void)
{
	rig_init(&rig);
	rig.points = 4;
	rig.point_interval_s = 3600;
	model_init(&model);
	rig_start(&rig, "b1");
	CU_ASSERT_EQUAL(rig_open(&rig), 0);
	sender.cut_time_ms = 1795326900000;
	sender.cut_step_ms = 5000;
	scene_initial();
}

static void lend_over(void)
{
	sender.cut_time_ms = sender.cut_step_ms = 0;
	scene_end();
}

static void cycle_applied(int changes)
{
	scene_delta(changes);
	CU_ASSERT_TRUE(rig_wait(&rig, rig_is_applied, sender.committed.seq, 30000));
}

/* What is lent is the model's present state, whose digests are kept for later. */
static void lent_check(void)
{
	CU_ASSERT_EQUAL(rig.lent.seq, sender.committed.seq);
	CU_ASSERT_STRING_EQUAL(rig.lent.cut_id, sender.committed.cut_id);
	CU_ASSERT_EQUAL_FATAL(rig.lent.disk_count, MODEL_DISKS);
	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		CU_ASSERT_STRING_EQUAL(rig.lent.names[i], model.disks[i].name);
		lent_digest[i] = model_digest(&model, i);
		CU_ASSERT_EQUAL(image_digest(rig.lent.layers[i]), lent_digest[i]);
	}
}

static void lent_still(void)
{
	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		CU_ASSERT_EQUAL(image_digest(rig.lent.layers[i]), lent_digest[i]);
	}
}

/* The pins and, of the longest chain, the layers of the store. */
static void store_count(size_t *ret_pins, size_t *ret_layers)
{
	int fd = open(rig.store, O_RDONLY | O_DIRECTORY);
	struct manifest manifest = {0};
	char error[MANIFEST_ERROR_LEN] = "";

	CU_ASSERT_EQUAL_FATAL(manifest_load(fd, &manifest, error), 0);
	close(fd);
	*ret_pins = manifest.pin_count;
	*ret_layers = 0;
	for (size_t i = 0; i < manifest.current.disk_count; i++) {
		if (manifest.current.disks[i].layer_count > *ret_layers) {
			*ret_layers = manifest.current.disks[i].layer_count;
		}
	}
	manifest_destroy(&manifest);
}

static bool settles(size_t pins, size_t layers)
{
	int64_t deadline_ms = clock_monotonic_ms() + 30000;
	size_t now_pins, now_layers;

	do {
		rig_wait(&rig, NULL, 0, 100);
		store_count(&now_pins, &now_layers);
	} while ((now_pins != pins || now_layers > layers) && clock_monotonic_ms() < deadline_ms);
	return now_pins == pins && now_layers <= layers;
}

/* The file's extents hold every cluster marked in changed, and no others. */
static void extents_check(uint8_t *const changed[MODEL_DISKS])
{
	struct extent_file_disk disks[MODEL_DISKS];
	char error[EXTENT_FILE_ERROR_LEN] = "";

	memset(disks, 0, sizeof(disks));
	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		snprintf(disks[i].name, sizeof(disks[i].name), "%s", model.disks[i].name);
		disks[i].size_bytes = model.disks[i].size;
		disks[i].map = dirty_map_new(disks[i].size_bytes);
	}
	CU_ASSERT_EQUAL(extent_file_read(rig.lent.extents, disks, MODEL_DISKS, error), 0);
	CU_ASSERT_STRING_EQUAL(error, "");
	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		for (uint64_t k = 0; k < model.disks[i].clusters; k++) {
			uint64_t offset, length;

			CU_ASSERT_EQUAL(dirty_map_next(disks[i].map, k * MODEL_CLUSTER, 1, &offset,
						       &length),
					changed[i][k] != 0);
		}
		dirty_map_free(disks[i].map);
	}
}

static void dirty_add(uint8_t *const changed[MODEL_DISKS])
{
	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		for (uint64_t k = 0; k < model.disks[i].clusters; k++) {
			changed[i][k] |= model.disks[i].dirty[k];
		}
	}
}

/* One cycle whose changes are noted. */
static void cycle_noted(uint8_t *const changed[MODEL_DISKS])
{
	model_change(&model, 6);
	dirty_add(changed);
	scene_delta_of_dirty();
	CU_ASSERT_TRUE(rig_wait(&rig, rig_is_applied, sender.committed.seq, 30000));
}

/* While it is lent, cycles are applied over it; given back, the layers become few again. */
static void test_stands_still(void)
{
	size_t pins, layers;

	lend_begin();
	cycle_applied(10);
	CU_ASSERT_EQUAL(rig_lend(&rig, READER, "", NULL, false), 0);
	CU_ASSERT_STRING_EQUAL(rig.lent.extents, "");
	lent_check();
	for (int i = 0; i < 4; i++) {
		cycle_applied(10);
	}
	lent_still();
	store_count(&pins, &layers);
	CU_ASSERT_EQUAL(pins, MODEL_DISKS);
	scene_check();
	/* another reader, and the first one again: what he had goes back */
	CU_ASSERT_EQUAL(rig_lend(&rig, OTHER, "", NULL, false), 0);
	lent_check();
	CU_ASSERT_EQUAL(rig_lend(&rig, READER, "", NULL, false), 0);
	lent_check();
	rig_lend_end(&rig, OTHER);
	CU_ASSERT_TRUE(settles(MODEL_DISKS, 250));
	lent_still();
	rig_lend_end(&rig, READER);
	/* the base, what the initial copy's point holds back, and the top */
	CU_ASSERT_TRUE(settles(0, 3));
	cycle_applied(10);
	scene_check();
	lend_over();
}

static void test_changes(void)
{
	uint8_t *changed[MODEL_DISKS];
	char first[CUT_ID_LEN + 1], middle[CUT_ID_LEN + 1];
	const char *known[] = {first, "00112233445566aa", middle, NULL};

	lend_begin();
	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		changed[i] = calloc(model.disks[i].clusters, 1);
	}
	strcpy(first, sender.committed.cut_id); /* the initial copy's: no log leads to it */
	cycle_noted(changed);
	cycle_noted(changed);
	strcpy(middle, sender.committed.cut_id);
	CU_ASSERT_EQUAL(rig_lend(&rig, READER, first, known, false), 0);
	CU_ASSERT_EQUAL(rig.lent.known_count, 2);
	extents_check(changed);
	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		memset(changed[i], 0, model.disks[i].clusters);
	}
	CU_ASSERT_EQUAL(rig_lend(&rig, READER, middle, NULL, false), 0);
	extents_check(changed); /* nothing yet */
	for (int i = 0; i < 3; i++) {
		cycle_noted(changed);
	}
	CU_ASSERT_EQUAL(rig_lend(&rig, READER, middle, NULL, false), 0);
	extents_check(changed);
	lent_check();
	/* through a restart of the receiver the history is the same */
	scene_replace_receiver(true);
	scene_enter();
	CU_ASSERT_EQUAL(rig_lend(&rig, READER, middle, known, false), 0);
	CU_ASSERT_EQUAL(rig.lent.known_count, 2);
	extents_check(changed);
	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		free(changed[i]);
	}
	lend_over();
}

/* What is not there is not lent, and a resynchronization breaks the way that logs lead. */
static void test_refused(void)
{
	char before[CUT_ID_LEN + 1];
	const char *known[] = {before, NULL};
	size_t pins, layers;

	lend_begin();
	cycle_applied(5);
	strcpy(before, sender.committed.cut_id);
	CU_ASSERT_EQUAL(rig_lend(&rig, "not-a-uuid", "", NULL, false), -EINVAL);
	CU_ASSERT_EQUAL(rig_lend(&rig, READER, "ffffffffffffffff", NULL, false), -ESTALE);
	CU_ASSERT_EQUAL(rig_lend(&rig, READER, before, known, true), 0);
	CU_ASSERT_EQUAL(rig.lent.known_count, 1);
	CU_ASSERT_EQUAL(rig.lent.disk_count, MODEL_DISKS);
	store_count(&pins, &layers);
	CU_ASSERT_EQUAL(pins, 0); /* only looked at */
	model_change(&model, 5);
	scene_resync_whole();
	CU_ASSERT_TRUE(rig_wait(&rig, rig_is_applied, sender.committed.seq, 30000));
	CU_ASSERT_EQUAL(rig_lend(&rig, READER, before, NULL, false), -ESTALE);
	CU_ASSERT_EQUAL(rig_lend(&rig, READER, "", known, false), 0);
	CU_ASSERT_EQUAL(rig.lent.known_count, 0);
	lent_check();
	rig_close(&rig, false);
	CU_ASSERT_EQUAL(rig_lend(&rig, READER, "", NULL, false), -EAGAIN);
	lend_over();
}

/* Who wants an application-consistent state gets the newest that lies ahead of him, else the
 * newest. */
static void test_application(void)
{
	char before[CUT_ID_LEN + 1], point[CUT_ID_LEN + 1];

	lend_begin();
	rig.app_interval_s = 1;
	CU_ASSERT_EQUAL(rig_open(&rig), 0);
	cycle_applied(5);
	strcpy(before, sender.committed.cut_id);
	sender.application = true;
	cycle_applied(5);
	strcpy(point, sender.committed.cut_id);
	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		lent_digest[i] = model_digest(&model, i);
	}
	sender.application = false;
	cycle_applied(5);
	rig_lend_application = true;
	CU_ASSERT_EQUAL(rig_lend(&rig, READER, before, NULL, false), 0);
	CU_ASSERT_STRING_EQUAL(rig.lent.cut_id, point);
	CU_ASSERT_TRUE(rig.lent.application);
	lent_still();
	CU_ASSERT_EQUAL(rig_lend(&rig, READER, point, NULL, false), 0); /* he has that one */
	CU_ASSERT_FALSE(rig.lent.application);
	lent_check();
	rig_lend_application = false;
	lend_over();
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"stands still", test_stands_still},
		{"changes", test_changes},
		{"refused", test_refused},
		{"application-consistent", test_application},
	};

	rig_require_tools();
	return unit_run("lending", tests, sizeof(tests) / sizeof(tests[0]));
}
