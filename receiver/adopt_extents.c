/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What goes on the wire of an adoption, and what is left of it afterwards. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "proto/extent_file.h"
#include "receiver/adopt.h"
#include "receiver/image.h"
#include "receiver/json.h"
#include "receiver/process.h"

#define EXTENT_BYTES 16u
#define TOOL_MS	     60000
#define INFO_MAX     (1024u * 1024u)

/* ---- EXTENTS ---- */

void adopt_extents_destroy(struct adopt_extents *extents)
{
	for (size_t i = 0; i < extents->disk_count; i++) {
		dirty_map_free(extents->maps[i]);
	}
	memset(extents, 0, sizeof(*extents));
}

static uint32_t frames_count(const struct adopt_extents *extents)
{
	uint32_t frames = 0;

	for (size_t i = 0; i < extents->disk_count; i++) {
		uint64_t at = 0, runs = 0, offset, length;

		while (dirty_map_next(extents->maps[i], at, extents->sizes[i] - at, &offset,
				      &length)) {
			runs++;
			at = offset + length;
		}
		frames += (uint32_t)((runs + EXTENTS_COUNT_MAX - 1) / EXTENTS_COUNT_MAX);
	}
	return frames;
}

static int file_load(const char *path, const struct plan_disk *disks, size_t disk_count,
		     struct adopt_extents *extents, char error[EXTENT_FILE_ERROR_LEN])
{
	struct extent_file_disk list[DISKS_MAX] = {0};

	for (size_t i = 0; i < disk_count; i++) {
		extents->maps[i] = dirty_map_new(disks[i].size_bytes);
		extents->sizes[i] = disks[i].size_bytes;
		if (extents->maps[i] == NULL) {
			snprintf(error, EXTENT_FILE_ERROR_LEN, "out of memory");
			return -ENOMEM;
		}
		extents->disk_count = i + 1;
		snprintf(list[i].name, sizeof(list[i].name), "%s", disks[i].name);
		list[i].size_bytes = disks[i].size_bytes;
		list[i].map = extents->maps[i];
	}
	return extent_file_read(path, list, disk_count, error);
}

int adopt_extents_load(struct store *store, const struct plan_disk *disks, size_t disk_count,
		       struct adopt_extents *ret_extents, struct answer *answer)
{
	const struct manifest *manifest = &store->manifest;
	struct adopt_extents extents = {.disk_count = 0};
	char error[EXTENT_FILE_ERROR_LEN] = "";
	int rc;

	memset(ret_extents, 0, sizeof(*ret_extents));
	if (!manifest->adopted.pending || manifest->adopted.extents[0] == '\0' ||
	    manifest->resync_needed || manifest->committed.seq != manifest->adopted.seq) {
		return 0;
	}
	if (!plan_disks_match(&manifest->current, disks, disk_count)) {
		return store_ask_resync(
			store, answer,
			"the disks have changed since the old primary had them, and the list of "
			"what it changed is of those: everything is compared");
	}
	rc = file_load(manifest->adopted.extents, disks, disk_count, &extents, error);
	extents.frames = rc < 0 ? 0 : frames_count(&extents);
	if (rc == 0 && extents.frames <= EXTENTS_FRAMES_MAX) {
		*ret_extents = extents;
		return 0;
	}
	adopt_extents_destroy(&extents);
	return store_ask_resync(
		store, answer,
		"the list of what the old primary changed is not to be had (%.200s): "
		"everything is compared",
		rc < 0 ? (error[0] != '\0' ? error : strerror(-rc)) : "too long");
}

static void write_be(uint8_t *to, uint64_t value)
{
	for (int i = 7; i >= 0; i--) {
		to[i] = (uint8_t)value;
		value >>= 8;
	}
}

static int disk_send(struct session *session, const struct adopt_extents *extents, size_t disk,
		     uint8_t *payload, struct answer *answer)
{
	Vmreplica__Wire__Extents message = VMREPLICA__WIRE__EXTENTS__INIT;
	uint64_t at = 0, offset = 0, length = 0;
	bool more = true;
	int rc = 0;

	message.disk = (uint32_t)disk;
	while (rc == 0 && more) {
		more = dirty_map_next(extents->maps[disk], at, extents->sizes[disk] - at, &offset,
				      &length);
		if (more) {
			write_be(payload + (size_t)message.count * EXTENT_BYTES, offset);
			write_be(payload + (size_t)message.count * EXTENT_BYTES + 8, length);
			message.count++;
			at = offset + length;
		}
		if (message.count > 0 && (!more || message.count == EXTENTS_COUNT_MAX)) {
			rc = session_send(session, FRAME_EXTENTS, &message.base, payload,
					  message.count * EXTENT_BYTES, answer);
			message.count = 0;
		}
	}
	return rc;
}

int adopt_extents_send(struct session *session, const struct adopt_extents *extents,
		       struct answer *answer)
{
	cleanup_free uint8_t *payload =
		extents->frames > 0 ? malloc((size_t)EXTENTS_COUNT_MAX * EXTENT_BYTES) : NULL;
	int rc = 0;

	if (extents->frames > 0 && payload == NULL) {
		return answer_storage(answer, -ENOMEM, "telling extents");
	}
	for (size_t i = 0; rc == 0 && extents->frames > 0 && i < extents->disk_count; i++) {
		rc = disk_send(session, extents, i, payload, answer);
	}
	return rc;
}

/* ---- our bitmaps ---- */

/* What qemu-img says of an image. NULL: it says nothing. */
static json_t *image_describe(const struct cell *cell, const char *path)
{
	const char *argv[] = {"qemu-img", "info", "-U", "-f", "qcow2", "--output=json", path, NULL};
	cleanup_close int out = memfd_create("info", MFD_CLOEXEC);
	const struct process_setup setup = {
		.standard = {-1, out, -1}, .kept = {-1, -1}, .cell = cell};
	cleanup_free char *text = malloc(INFO_MAX);
	int status = 0;
	ssize_t n;
	pid_t pid;

	if (out < 0 || text == NULL || process_spawn(argv, &setup, &pid) < 0) {
		return NULL;
	}
	if (process_wait(pid, TOOL_MS, &status) < 0) {
		process_end(pid, 2000);
		return NULL;
	}
	n = pread(out, text, INFO_MAX, 0);
	return status != 0 || n <= 0 ? NULL : json_loadb(text, (size_t)n, 0, NULL);
}

static int bitmaps_remove(struct store *store, const char *path, char error[QSD_ERROR_LEN])
{
	const struct cell cell = store_cell(store);
	cleanup_json json_t *info = image_describe(&cell, path);
	json_t *bitmaps = NULL, *item;
	char ours[RELATIONSHIP_LEN + 16];
	size_t i;
	int rc = 0;

	snprintf(ours, sizeof(ours), "vmreplica-%s-", store->relationship);
	if (info == NULL) {
		snprintf(error, QSD_ERROR_LEN, "qemu-img cannot read it");
		return -EIO;
	}
	if (json_unpack(info, "{s:{s:{s:o}}}", "format-specific", "data", "bitmaps", &bitmaps) <
	    0) {
		return 0; /* there are none */
	}
	json_array_foreach(bitmaps, i, item)
	{
		const char *name = json_string_value(json_object_get(item, "name"));

		if (name != NULL && strncmp(name, ours, strlen(ours)) == 0 && rc == 0) {
			rc = qsd_image_bitmap_remove(&cell, path, name, error);
		}
	}
	return rc;
}

static bool tidy_is_due(const struct store *store)
{
	const struct manifest *manifest = &store->manifest;

	return manifest->adopted.bitmaps && !manifest->adopted.pending && !store->applying &&
	       manifest->pending.disk_count == 0 && !manifest->resync_needed &&
	       manifest->pin_count == 0 &&
	       manifest->failover.kind == VMREPLICA__TAKEOVER_KIND__TAKEOVER_NONE;
}

/* Before the adopted images are touched their fingerprints go, durably: a crash in the middle would
 * look as if somebody else had written them. Once done they get new ones. 0 or a negative errno. */
static int tidy_record(struct store *store, bool done)
{
	struct manifest next = {0};
	struct answer answer;
	int rc;

	if (manifest_copy(&store->manifest, &next) < 0) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < next.current.disk_count; i++) {
		for (size_t k = 0; k < next.current.disks[i].layer_count; k++) {
			struct manifest_layer *layer = &next.current.disks[i].layers[k];

			layer->frozen &= !layer->adopted;
		}
	}
	if (done) {
		next.adopted.bitmaps = false;
		image_freeze(store, &next, &next.current, false);
	}
	rc = store_save(store, &next, &answer);
	manifest_destroy(&next);
	return rc;
}

static void images_tidy(struct store *store)
{
	const struct manifest_image *image = &store->manifest.current;
	char path[IMAGE_PATH_LEN], error[QSD_ERROR_LEN] = "";
	int rc = 0;

	for (size_t i = 0; i < image->disk_count; i++) {
		for (size_t k = 0; rc == 0 && k < image->disks[i].layer_count; k++) {
			const struct manifest_layer *layer = &image->disks[i].layers[k];

			if (layer->adopted) {
				rc = bitmaps_remove(store, image_path(store, layer->file, path),
						    error);
			}
		}
	}
	if (rc < 0) { /* they cost space, not truth */
		log_warning("%s: bitmaps stay in the adopted disk %s: %s", store->vm, path, error);
	}
}

void adopt_tidy(struct store *store)
{
	struct answer answer;

	if (!tidy_is_due(store) || image_detach(store) < 0) {
		return;
	}
	if (tidy_record(store, false) == 0) {
		images_tidy(store);
		tidy_record(store, true);
	}
	if (image_attach(store, STORE_CURRENT, false, &answer, NULL) < 0) {
		store_note(store, &answer);
	}
}
