/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Recovery points, what they keep, and takeovers in the manifest. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "manifest_sample.h"
#include "unit.h"

static struct manifest with_points(void)
{
	struct manifest manifest = sample_manifest();
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

	sample_disk_add(&fresh, "vda", 1);
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

/* One chain too many: the points of the oldest go, and that is told. */
static void test_retired_too_many(void)
{
	struct manifest manifest = with_points();
	struct manifest_cut cut = {.cut_id = "0123456789abcdef"};
	int dropped = 0;

	memset(&manifest.merge, 0, sizeof(manifest.merge));
	manifest_pin_drop(&manifest, "web1-test");
	manifest_image_destroy(&manifest.pending);
	manifest_point_drop(&manifest, manifest.point_count);
	for (unsigned int i = 0; i <= DISKS_MAX; i++) {
		struct manifest_image fresh = {NULL, 0};

		cut.seq = 100 + i;
		CU_ASSERT_EQUAL(manifest_point_push(&manifest, &cut, false), 0);
		sample_disk_add(&fresh, "vda", 1);
		snprintf(fresh.disks[0].layers[0].file, MANIFEST_FILE_MAX, "gen-3/vda-%u.qcow2", i);
		dropped += manifest_retire(&manifest, &fresh);
		manifest_image_destroy(&manifest.current);
		manifest.current = fresh;
	}
	CU_ASSERT_EQUAL(dropped, 1); /* the first image has two disks */
	CU_ASSERT_EQUAL(manifest.points[0].cut.seq, 101);
	CU_ASSERT_TRUE(manifest.retired.disk_count <= DISKS_MAX);
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
	sample_disk_add(&fresh, "vda", 1);
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
	struct manifest manifest = sample_manifest(), back;
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

static const struct unit_test tests[] = {
	{"points round trip", test_points_round_trip},
	{"points dropped over a layer", test_point_drop_over},
	{"retired", test_retired},
	{"too many retired", test_retired_too_many},
	{"takeovers", test_takeovers},
};
UNIT_MAIN("manifest_points", tests)
