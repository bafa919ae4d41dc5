/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A store's manifest, of any bytes, as it is and with its sums made right again. What decodes must
 * encode to what decodes to the same, be copied whole, and keep what the receiver relies on: files
 * in directories of the store, points and takeovers that stand on layers which are there.
 */
#include <assert.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "mutate_json.h"
#include "receiver/manifest.h"
#include "receiver/manifest_json.h"

static void check_file(const char *file)
{
	assert(strlen(file) <= MANIFEST_FILE_MAX && strstr(file, "/.") == NULL);
	assert(strncmp(file, "gen-", 4) == 0 || strncmp(file, "vm-", 3) == 0);
	assert(strchr(file, '/') != NULL && strchr(file, '/') == strrchr(file, '/'));
}

static void check_image(const struct manifest_image *image)
{
	assert(image->disk_count <= DISKS_MAX);
	for (size_t i = 0; i < image->disk_count; i++) {
		const struct manifest_disk *disk = &image->disks[i];

		assert(disk->layer_count > 0 && disk->layer_count <= MANIFEST_LAYERS_MAX);
		assert(strlen(disk->name) > 0 && strpbrk(disk->name, "/.") == NULL);
		for (size_t k = 0; k < disk->layer_count; k++) {
			check_file(disk->layers[k].file);
		}
	}
}

static void check_takeover(const struct manifest *manifest,
			   const struct manifest_takeover *takeover)
{
	size_t index;

	for (size_t i = 0; i < takeover->disk_count; i++) {
		assert(manifest_chain_find(manifest, takeover->disks[i].base, &index) != NULL);
		if (takeover->disks[i].built.file[0] != '\0') {
			check_file(takeover->disks[i].built.file);
		}
	}
}

static void check_lists(const struct manifest *manifest)
{
	for (size_t i = 0; i < manifest->log_count; i++) {
		check_file(manifest->logs[i].file);
		assert(i == 0 || manifest->logs[i - 1].seq < manifest->logs[i].seq);
	}
	for (size_t i = 0; i < manifest->point_count; i++) {
		const struct manifest_point *point = &manifest->points[i];

		assert(i == 0 || manifest->points[i - 1].cut.seq < point->cut.seq);
		for (size_t k = 0; k < point->disk_count; k++) {
			check_file(point->disks[k].file);
			assert(manifest_refers_to(manifest, point->disks[k].file));
		}
	}
	for (size_t i = 0; i < manifest->state_count; i++) {
		check_file(manifest->states[i].file);
		assert(manifest_state_find(manifest, manifest->states[i].seq) ==
		       &manifest->states[i]);
	}
	for (size_t i = 0; i < manifest->pin_count; i++) {
		check_file(manifest->pins[i].file);
	}
}

static void check_again(const struct manifest *manifest)
{
	char error[MANIFEST_ERROR_LEN] = "";
	struct manifest again, copy;
	size_t len, again_len, copy_len;
	char *text = manifest_encode(manifest, &len), *again_text, *copy_text;
	int r;

	assert(text != NULL);
	r = manifest_decode(text, len, &again, error);
	assert(r == 0);
	r = manifest_copy(&again, &copy);
	assert(r == 0);
	again_text = manifest_encode(&again, &again_len);
	copy_text = manifest_encode(&copy, &copy_len);
	assert(again_len == len && memcmp(text, again_text, len) == 0);
	assert(copy_len == len && memcmp(text, copy_text, len) == 0);
	manifest_destroy(&again);
	manifest_destroy(&copy);
	free(copy_text);
	free(again_text);
	free(text);
}

/* The changes that a receiver makes without looking closer. */
static void change(struct manifest *manifest)
{
	manifest_states_trim(manifest);
	assert(manifest->state_count <= MANIFEST_STATES_MAX);
	(void)manifest_spool_bytes(manifest);
	(void)manifest_log_next(manifest);
	if (manifest->current.disk_count > 0) {
		const struct manifest_disk *disk = &manifest->current.disks[0];

		(void)manifest_pin_find(manifest, disk, 0);
		manifest_point_drop_over(manifest, disk->layers[0].file);
	}
	manifest_point_drop(manifest, manifest->point_count);
	assert(manifest->point_count == 0);
	manifest_log_drop(manifest, manifest->log_count / 2);
	if (manifest->merge.from[0] != '\0') {
		manifest_merge_finish(manifest);
	}
}

static void decode(const char *text, size_t len)
{
	char error[MANIFEST_ERROR_LEN] = "";
	struct manifest manifest;
	int r = manifest_decode(text, len, &manifest, error);

	if (r < 0) {
		assert((r == -EBADMSG || r == -EPROTONOSUPPORT) && error[0] != '\0');
		return;
	}
	check_image(&manifest.current);
	check_image(&manifest.pending);
	check_image(&manifest.retired);
	check_lists(&manifest);
	check_takeover(&manifest, &manifest.test);
	check_takeover(&manifest, &manifest.failover);
	check_again(&manifest);
	change(&manifest);
	manifest_destroy(&manifest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_json json_t *root =
		json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
	char *text;
	size_t len;

	decode((const char *)data, size);
	if (!json_is_object(root)) {
		return 0;
	}
	json_object_del(root, "sum");
	text = json_object_size(root) > 0 ? json_dumps(root, JSON_INDENT(1)) : NULL;
	if (text != NULL) {
		len = strlen(text);
		text = manifest_sum_append(text, &len);
		assert(text != NULL);
		decode(text, len);
	}
	free(text);
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	struct mutate mutate;

	mutate_init(&mutate, seed);
	return mutate_json(&mutate, data, size, max_size);
}
