/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which layer is merged next, for chains written as text; and what pins keep. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "receiver/merge.h"
#include "unit.h"

/* A chain from its base to its top, a letter a layer:
 *   .  nothing of note    p  a point ends here    s  sealed    n  pinned
 *   r  also of a retired chain    m  its merge into the one below has begun
 *   a  a disk of the VM    l  the same, outside of the store
 * Disks are separated by spaces, and called vda, vdb. */
struct golden {
	const char *chains;
	size_t points; /* that there are elsewhere */
	const char *plan;
};

static const struct golden goldens[] = {
	/* Without points a few layers may lie there. */
	{".", 0, "none"},
	{"...", 0, "none"},
	{"........", 0, "none"},
	{".........", 0, "ready vda 1"},
	{"... .........", 0, "ready vdb 1"},
	/* With points: what no point ends with takes the layer over it. */
	{"p.", 0, "none"},
	{"pp.", 0, "none"},
	{".p.", 0, "ready vda 1"},
	{"..", 1, "none"}, /* the top is being written */
	{"p.p.", 0, "ready vda 2"},
	{"..p.", 0, "ready vda 1"},
	{"p. ..p.", 0, "ready vdb 1"},
	{"p. p.", 0, "none"},
	{"p...", 0, "ready vda 2"},
	/* What was once not durable is not written again; it goes into the one below. */
	{"sp.", 0, "none"},
	{".sp.", 0, "ready vda 1"},
	/* Who reads a layer keeps it and all below it. */
	{".n.", 1, "pinned vda 1"},
	{"n..p.", 0, "ready vda 2"},
	{"n...", 1, "ready vda 2"},
	{"..n.", 1, "pinned vda 1"},
	{".p.n..", 0, "pinned vda 1"},
	{"n.p...", 0, "ready vda 2"},
	{".n. .p.", 0, "ready vdb 1"},
	/* Chains of their own for points from before a resynchronization. */
	{"r.p.", 0, "ready vda 2"},
	{".rp.", 0, "none"},
	{"..rp.", 0, "ready vda 1"},
	/* Disks of the VM: those over which it has another one are layers as any other. */
	{"la.", 1, "none"},
	{"aaa.", 1, "ready vda 1"},
	{"aa.", 1, "none"},
	{"apa.", 0, "ready vda 1"},
	{"pa.", 0, "none"},
	{"paa.", 0, "none"},
	{"paaa.", 0, "ready vda 2"},
	{"l..a.", 1, "ready vda 1"},
	{"l...", 1, "ready vda 1"},
	{"lla.", 1, "none"},
	{"laaa.", 1, "ready vda 1"},
	{"lapaaa.", 0, "ready vda 1"},
	/* What has begun comes first, whatever else there is. */
	{"..m.", 0, "ready vda 2"},
	{"..p. .m.", 0, "ready vdb 1"},
	{".mn.", 0, "pinned vda 1"},
	{".mp. ..p.", 0, "ready vda 1"},
};

static void point_add(struct manifest *m, const char *file)
{
	struct manifest_point *points =
		reallocarray(m->points, m->point_count + 1, sizeof(*points));

	m->points = points;
	points[m->point_count] = (struct manifest_point){.disk_count = 1};
	points[m->point_count].cut.seq = m->point_count + 1;
	points[m->point_count].disks = calloc(1, sizeof(*points[0].disks));
	snprintf(points[m->point_count++].disks[0].file, MANIFEST_FILE_MAX, "%s", file);
}

static struct manifest_disk *disk_add(struct manifest_image *image, size_t index)
{
	image->disks = reallocarray(image->disks, image->disk_count + 1, sizeof(*image->disks));
	memset(&image->disks[image->disk_count], 0, sizeof(*image->disks));
	snprintf(image->disks[image->disk_count].name, DISK_NAME_MAX, "vd%c", (char)('a' + index));
	return &image->disks[image->disk_count++];
}

static void layer_add(struct manifest *m, struct manifest_disk *disk, char kind)
{
	struct manifest_layer layer = {.generation = 1,
				       .sealed = kind == 's',
				       .adopted = kind == 'a' || kind == 'l',
				       .linked = kind == 'l'};

	snprintf(layer.file, sizeof(layer.file), "gen-1/%s-%zu.qcow2", disk->name,
		 disk->layer_count);
	if (kind == 'p') {
		point_add(m, layer.file);
	} else if (kind == 'n') {
		CU_ASSERT_EQUAL(manifest_pin_add(m, layer.file, "web1-test"), 0);
	} else if (kind == 'r') {
		CU_ASSERT_EQUAL(manifest_disk_push(disk_add(&m->retired, 0), &layer), 0);
	} else if (kind == 'm') {
		memcpy(m->merge.disk, disk->name, sizeof(m->merge.disk));
		memcpy(m->merge.from, layer.file, sizeof(m->merge.from));
		memcpy(m->merge.into, manifest_disk_top(disk)->file, sizeof(m->merge.into));
	}
	CU_ASSERT_EQUAL(manifest_disk_push(disk, &layer), 0);
}

static struct manifest manifest_of(const struct golden *golden)
{
	struct manifest m = {.generation = 1};
	struct manifest_disk *disk = disk_add(&m.current, 0);

	for (const char *at = golden->chains; *at != '\0'; at++) {
		if (*at == ' ') {
			disk = disk_add(&m.current, m.current.disk_count);
		} else {
			layer_add(&m, disk, *at);
		}
	}
	for (size_t i = 0; i < golden->points; i++) {
		point_add(&m, "gen-1/elsewhere.qcow2");
	}
	return m;
}

static void test_golden(void)
{
	static const char *const words[] = {"none", "ready", "pinned"};

	for (size_t i = 0; i < sizeof(goldens) / sizeof(goldens[0]); i++) {
		struct manifest m = manifest_of(&goldens[i]);
		struct merge_plan plan;
		char text[64];

		merge_plan(&m, &plan);
		snprintf(text, sizeof(text), "%s", words[plan.choice]);
		if (plan.choice != MERGE_NONE) {
			snprintf(text, sizeof(text), "%s %s %zu", words[plan.choice],
				 m.current.disks[plan.disk].name, plan.layer);
		}
		CU_ASSERT_EQUAL(plan.choice == MERGE_PINNED, plan.pin != NULL);
		CU_ASSERT_STRING_EQUAL(text, goldens[i].plan);
		if (strcmp(text, goldens[i].plan) != 0) {
			fprintf(stderr, "\"%s\": %s, not %s\n", goldens[i].chains, text,
				goldens[i].plan);
		}
		manifest_destroy(&m);
	}
}

/* The replica gets a new base while a VM reads the old chain, and no point is kept: the chain stays
 * until the VM lets go of it. */
static void test_pinned_is_kept(void)
{
	const struct golden fresh_chain = {"..", 0, ""}, chain = {".n. ..", 0, ""};
	struct manifest m = manifest_of(&chain), fresh = manifest_of(&fresh_chain);

	snprintf(fresh.current.disks[0].layers[0].file, MANIFEST_FILE_MAX, "gen-1/vda-8.qcow2");
	snprintf(fresh.current.disks[0].layers[1].file, MANIFEST_FILE_MAX, "gen-1/vda-9.qcow2");
	CU_ASSERT_EQUAL(manifest_retire(&m, &fresh.current), 0);
	CU_ASSERT_EQUAL(m.retired.disk_count, 1);
	CU_ASSERT_EQUAL(m.retired.disks[0].layer_count, 2); /* what is above it is not needed */
	manifest_image_destroy(&m.current);
	CU_ASSERT_EQUAL(manifest_image_copy(&fresh.current, &m.current), 0);
	CU_ASSERT_TRUE(manifest_refers_to(&m, "gen-1/vda-0.qcow2"));
	CU_ASSERT_TRUE(manifest_refers_to(&m, "gen-1/vda-1.qcow2"));
	CU_ASSERT_FALSE(manifest_refers_to(&m, "gen-1/vda-2.qcow2"));
	CU_ASSERT_EQUAL(manifest_retire(&m, &fresh.current), 0); /* again: nothing is lost */
	CU_ASSERT_TRUE(manifest_refers_to(&m, "gen-1/vda-1.qcow2"));
	CU_ASSERT_EQUAL(manifest_pin_drop(&m, "somebody"), 0);
	CU_ASSERT_EQUAL(m.retired.disk_count, 1);
	CU_ASSERT_EQUAL(manifest_pin_drop(&m, "web1-test"), 1);
	CU_ASSERT_EQUAL(m.retired.disk_count, 0);
	manifest_destroy(&m);
	manifest_destroy(&fresh);
}

static const struct unit_test tests[] = {
	{"golden", test_golden},
	{"pinned is kept", test_pinned_is_kept},
};

UNIT_MAIN("merge plan", tests)
