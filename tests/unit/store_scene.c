/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store_scene.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "unit.h"

#define CUTS_MAX 512

static struct cut_note cuts[CUTS_MAX];
static size_t cut_count;

void scene_note_put(const struct cut_note *note)
{
	/* A cycle that never arrived leaves its number to another. */
	struct cut_note *to = (struct cut_note *)(uintptr_t)scene_cut_find(note->seq);

	if (to == NULL) {
		to = &cuts[cut_count++ % CUTS_MAX];
	}
	*to = *note;
}

void scene_note_as(uint64_t seq)
{
	struct cut_note note = {.seq = seq};

	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		note.digest[i] = model_digest(&model, i);
	}
	scene_note_put(&note);
}

void scene_note(void)
{
	scene_note_as(sender.committed.seq);
}

void scene_notes_clear(void)
{
	memset(cuts, 0, sizeof(cuts));
	cut_count = 0;
}

const struct cut_note *scene_cut_find(uint64_t seq)
{
	for (size_t i = 0; i < CUTS_MAX; i++) {
		if (cuts[i].seq == seq) {
			return &cuts[i];
		}
	}
	return NULL;
}

bool scene_reads(const char *path, uint64_t seq, unsigned int index)
{
	const struct cut_note *note = scene_cut_find(seq);
	bool same = note != NULL && image_digest(path) == note->digest[index];

	if (!same) {
		fprintf(stderr, "%s does not read as cycle %" PRIu64 "\n", path, seq);
	}
	return same;
}

struct manifest scene_manifest(void)
{
	int fd = open(rig.store, O_RDONLY | O_DIRECTORY);
	struct manifest manifest = {0};
	char error[MANIFEST_ERROR_LEN] = "";

	CU_ASSERT_EQUAL_FATAL(manifest_load(fd, &manifest, error), 0);
	close(fd);
	return manifest;
}

/* Does it read as what it is said to be, or is it no point any more? A merge that begins while we
 * read may take a file of the chain away between our opening of two: so once more, a little later.
 */
static bool point_is_true(uint64_t seq, unsigned int disk)
{
	for (int attempt = 0; attempt < 3; attempt++) {
		struct manifest manifest = scene_manifest();
		char path[RIG_PATH * 2] = "";

		for (size_t i = 0; i < manifest.point_count; i++) {
			if (manifest.points[i].cut.seq == seq) {
				snprintf(path, sizeof(path), "%s/%s", rig.store,
					 manifest.points[i].disks[disk].file);
			}
		}
		manifest_destroy(&manifest);
		if (path[0] == '\0' || scene_reads(path, seq, disk)) {
			return true;
		}
		rig_wait(&rig, NULL, 0, 1000);
	}
	return false;
}

size_t scene_points_judge(void)
{
	struct manifest manifest = scene_manifest();
	size_t count = manifest.point_count;

	for (size_t i = 0; i < count; i++) {
		for (unsigned int k = 0; k < MODEL_DISKS; k++) {
			CU_ASSERT_TRUE(point_is_true(manifest.points[i].cut.seq, k));
		}
	}
	manifest_destroy(&manifest);
	return count;
}

size_t scene_layers(void)
{
	struct manifest manifest = scene_manifest();
	size_t most = 0;

	for (size_t i = 0; i < manifest.current.disk_count; i++) {
		size_t count = manifest.current.disks[i].layer_count;

		most = count > most ? count : most;
	}
	manifest_destroy(&manifest);
	return most;
}

bool scene_layers_wait(size_t most, int timeout_ms)
{
	int64_t deadline_ms = clock_monotonic_ms() + timeout_ms;

	while (scene_layers() > most) {
		if (clock_monotonic_ms() > deadline_ms) {
			return false;
		}
		rig_wait(&rig, NULL, 0, 200);
	}
	return true;
}

bool scene_sums_are_whole(void)
{
	struct manifest manifest = scene_manifest();
	bool merging = manifest.merge.from[0] != '\0';
	char command[RIG_PATH + 128];

	manifest_destroy(&manifest);
	snprintf(
		command, sizeof(command),
		"./vmreplica-receiver --check '%s' | awk '/^sums:/ {s = 1} /^not covered:/ {n = 1} "
		"END {exit !s || n}'",
		rig.store);
	return !merging && system(command) == 0;
}

bool scene_sums_wait(int timeout_ms)
{
	int64_t deadline_ms = clock_monotonic_ms() + timeout_ms;
	bool whole = scene_sums_are_whole();

	while (!whole && clock_monotonic_ms() < deadline_ms) {
		rig_wait(&rig, NULL, 0, 200);
		whole = scene_sums_are_whole();
	}
	return whole;
}

void scene_give(const char *path)
{
	uid_t uid;
	gid_t gid;
	bool drops;

	rig_user(&uid, &gid, &drops);
	CU_ASSERT_EQUAL(chown(path, uid, gid), 0);
}
