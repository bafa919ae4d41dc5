/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "receiver/manifest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "receiver/durable.h"
#include "receiver/ownership.h"

void manifest_image_destroy(struct manifest_image *image)
{
	for (size_t i = 0; i < image->disk_count; i++) {
		free(image->disks[i].layers);
	}
	free(image->disks);
	image->disks = NULL;
	image->disk_count = 0;
}

void manifest_destroy(struct manifest *manifest)
{
	manifest_image_destroy(&manifest->current);
	manifest_image_destroy(&manifest->pending);
	manifest_image_destroy(&manifest->retired);
	manifest_point_drop(manifest, manifest->point_count);
	free(manifest->points);
	free(manifest->pins);
	free(manifest->states);
	free(manifest->logs);
	manifest_takeover_destroy(&manifest->test);
	manifest_takeover_destroy(&manifest->failover);
	memset(manifest, 0, sizeof(*manifest));
}

/* A copy of count elements; NULL for none. */
static int array_copy(const void *from, size_t count, size_t size, void **ret_copy)
{
	void *copy = NULL;

	if (count > 0) {
		copy = calloc(count, size);
		if (copy == NULL) {
			return -ENOMEM;
		}
		memcpy(copy, from, count * size);
	}
	*ret_copy = copy;
	return 0;
}

int manifest_image_copy(const struct manifest_image *from, struct manifest_image *ret_copy)
{
	struct manifest_image copy = {NULL, 0};
	void *memory;

	if (array_copy(from->disks, from->disk_count, sizeof(*from->disks), &memory) < 0) {
		return -ENOMEM;
	}
	copy.disks = memory;
	for (size_t i = 0; i < from->disk_count; i++) {
		const struct manifest_disk *disk = &from->disks[i];

		copy.disks[i].layers = NULL;
		copy.disk_count = i + 1;
		if (array_copy(disk->layers, disk->layer_count, sizeof(*disk->layers), &memory) <
		    0) {
			manifest_image_destroy(&copy);
			return -ENOMEM;
		}
		copy.disks[i].layers = memory;
	}
	*ret_copy = copy;
	return 0;
}

static int points_copy(const struct manifest *from, struct manifest *to)
{
	void *memory = NULL;

	if (array_copy(from->points, from->point_count, sizeof(*from->points), &memory) < 0) {
		return -ENOMEM;
	}
	to->points = memory;
	for (size_t i = 0; i < from->point_count; i++) {
		const struct manifest_point *point = &from->points[i];

		to->points[i].disks = NULL;
		to->point_count = i + 1;
		if (array_copy(point->disks, point->disk_count, sizeof(*point->disks), &memory) <
		    0) {
			return -ENOMEM;
		}
		to->points[i].disks = memory;
	}
	return 0;
}

static int lists_copy(const struct manifest *from, struct manifest *to)
{
	void *logs = NULL, *pins = NULL, *states = NULL;

	if (array_copy(from->logs, from->log_count, sizeof(*from->logs), &logs) < 0 ||
	    array_copy(from->pins, from->pin_count, sizeof(*from->pins), &pins) < 0 ||
	    array_copy(from->states, from->state_count, sizeof(*from->states), &states) < 0) {
		free(logs);
		free(pins);
		return -ENOMEM;
	}
	to->logs = logs;
	to->log_count = from->log_count;
	to->pins = pins;
	to->pin_count = from->pin_count;
	to->states = states;
	to->state_count = from->state_count;
	return points_copy(from, to);
}

int manifest_copy(const struct manifest *from, struct manifest *ret_copy)
{
	struct manifest copy = *from;

	memset(&copy.current, 0, sizeof(copy.current));
	memset(&copy.pending, 0, sizeof(copy.pending));
	memset(&copy.retired, 0, sizeof(copy.retired));
	memset(&copy.test, 0, sizeof(copy.test));
	memset(&copy.failover, 0, sizeof(copy.failover));
	copy.logs = NULL;
	copy.pins = NULL;
	copy.points = NULL;
	copy.states = NULL;
	copy.log_count = copy.pin_count = copy.point_count = copy.state_count = 0;
	if (manifest_image_copy(&from->current, &copy.current) < 0 ||
	    manifest_image_copy(&from->pending, &copy.pending) < 0 ||
	    manifest_image_copy(&from->retired, &copy.retired) < 0 ||
	    manifest_takeover_copy(&from->test, &copy.test) < 0 ||
	    manifest_takeover_copy(&from->failover, &copy.failover) < 0 ||
	    lists_copy(from, &copy) < 0) {
		manifest_destroy(&copy);
		return -ENOMEM;
	}
	*ret_copy = copy;
	return 0;
}

struct manifest_disk *manifest_image_find(const struct manifest_image *image, const char *name)
{
	for (size_t i = 0; i < image->disk_count; i++) {
		if (strcmp(image->disks[i].name, name) == 0) {
			return &image->disks[i];
		}
	}
	return NULL;
}

int manifest_disk_push(struct manifest_disk *disk, const struct manifest_layer *layer)
{
	struct manifest_layer *layers;

	if (disk->layer_count >= MANIFEST_LAYERS_MAX) {
		return -E2BIG;
	}
	layers = reallocarray(disk->layers, disk->layer_count + 1, sizeof(*layers));
	if (layers == NULL) {
		return -ENOMEM;
	}
	layers[disk->layer_count++] = *layer;
	disk->layers = layers;
	return 0;
}

struct manifest_layer *manifest_disk_top(const struct manifest_disk *disk)
{
	return disk->layer_count == 0 ? NULL : &disk->layers[disk->layer_count - 1];
}

int manifest_log_push(struct manifest *manifest, const struct manifest_log *log)
{
	struct manifest_log *logs;

	if (manifest->log_count >= MANIFEST_LOGS_MAX) {
		return -E2BIG;
	}
	logs = reallocarray(manifest->logs, manifest->log_count + 1, sizeof(*logs));
	if (logs == NULL) {
		return -ENOMEM;
	}
	logs[manifest->log_count++] = *log;
	manifest->logs = logs;
	return 0;
}

void manifest_log_drop(struct manifest *manifest, size_t count)
{
	if (count > manifest->log_count) {
		count = manifest->log_count;
	}
	manifest->log_count -= count;
	if (manifest->log_count > 0) {
		memmove(manifest->logs, manifest->logs + count,
			manifest->log_count * sizeof(*manifest->logs));
	}
}

uint64_t manifest_spool_bytes(const struct manifest *manifest)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < manifest->log_count; i++) {
		if (manifest->logs[i].seq > manifest->applied_seq) {
			sum += manifest->logs[i].size_bytes;
		}
	}
	return sum;
}

const struct manifest_log *manifest_log_next(const struct manifest *manifest)
{
	for (size_t i = 0; i < manifest->log_count; i++) {
		if (manifest->logs[i].seq > manifest->applied_seq) {
			return &manifest->logs[i];
		}
	}
	return NULL;
}

bool manifest_refers_to(const struct manifest *manifest, const char *file)
{
	for (size_t i = 0; i < manifest->log_count; i++) {
		if (strcmp(manifest->logs[i].file, file) == 0) {
			return true;
		}
	}
	for (size_t i = 0; i < manifest->state_count; i++) {
		if (strcmp(manifest->states[i].file, file) == 0) {
			return true;
		}
	}
	return (manifest->mark.mode != VMREPLICA__WIRE__MODE__MODE_NONE &&
		strcmp(manifest->mark.file, file) == 0) ||
	       manifest_image_holds(&manifest->current, file) ||
	       manifest_image_holds(&manifest->pending, file) ||
	       manifest_image_holds(&manifest->retired, file) ||
	       manifest_takeover_refers_to(&manifest->test, file) ||
	       manifest_takeover_refers_to(&manifest->failover, file);
}

int manifest_load(int dir_fd, struct manifest *ret_manifest, char error[MANIFEST_ERROR_LEN])
{
	cleanup_free char *text = NULL;
	size_t len = 0;
	int rc = durable_file_read(dir_fd, MANIFEST_NAME, MANIFEST_SIZE_MAX, &text, &len);

	if (rc < 0) {
		snprintf(error, MANIFEST_ERROR_LEN, "cannot read " MANIFEST_NAME ": %s",
			 strerror(-rc));
		return rc;
	}
	return manifest_decode(text, len, ret_manifest, error);
}

int manifest_check_generation(int dir_fd, uint64_t generation)
{
	char error[MANIFEST_ERROR_LEN];
	struct manifest found = {0};
	uint64_t on_disk;
	int rc = manifest_load(dir_fd, &found, error);

	if (rc < 0) {
		return rc == -ENOENT || rc == -EPROTONOSUPPORT ? -ESTALE : rc;
	}
	on_disk = found.generation;
	manifest_destroy(&found);
	return on_disk == generation ? 0 : -ESTALE;
}

int manifest_save(int dir_fd, const struct manifest *manifest, bool *ret_uncertain)
{
	cleanup_free char *text = NULL;
	size_t len = 0;

	*ret_uncertain = false;
	text = manifest_encode(manifest, &len);
	if (text == NULL) {
		return -ENOMEM;
	}
	if (len > MANIFEST_SIZE_MAX) {
		return -EFBIG;
	}
	return ownership_file_replace(dir_fd, manifest->generation, MANIFEST_NAME, text, len,
				      ret_uncertain);
}
