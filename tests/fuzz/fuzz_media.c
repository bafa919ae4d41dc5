/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an export says of itself: a JSON file on media that somebody carried. What is taken names
 * images beside it alone, each disk once, and is saved as what loads as the same.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "engine/media.h"
#include "fuzz.h"
#include "mutate_json.h"
#include "proto/validate.h"
#include "scratch_file.h"

static void check_media(const struct media *media)
{
	assert(media->exported && media->disk_count > 0 && media->disk_count <= DISKS_MAX);
	assert(validate_uuid(media->relationship) && validate_vm_name(media->vm));
	assert(validate_cut_id(media->cut_id) && media->seq > 0 && media->epoch > 0);
	for (size_t i = 0; i < media->disk_count; i++) {
		const struct media_disk *disk = &media->disks[i];

		assert(validate_disk_name(disk->name) && strchr(disk->file, '/') == NULL);
		assert(disk->size_bytes > 0 && disk->size_bytes <= DISK_SIZE_MAX);
		for (size_t k = 0; k < i; k++) {
			assert(strcmp(disk->name, media->disks[k].name) != 0);
		}
	}
}

static void check_again(int dir_fd, const struct media *media)
{
	char error[MEDIA_ERROR_LEN] = "";
	struct media again;
	int r = media_save(dir_fd, media, error);

	assert(r == 0);
	r = media_load(dir_fd, &again, error);
	assert(r == 0 && again.disk_count == media->disk_count);
	assert(strcmp(again.vm, media->vm) == 0 && strcmp(again.site, media->site) == 0);
	assert(again.seq == media->seq && again.epoch == media->epoch &&
	       again.cut_time_ms == media->cut_time_ms);
	for (size_t i = 0; i < media->disk_count; i++) {
		const struct media_disk *a = &again.disks[i], *b = &media->disks[i];

		assert(strcmp(a->name, b->name) == 0 && a->size_bytes == b->size_bytes &&
		       a->file_bytes == b->file_bytes &&
		       memcmp(a->sha256, b->sha256, sizeof(a->sha256)) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct media media;
	static int dir_fd = -1;
	char error[MEDIA_ERROR_LEN] = "";
	int r;

	if (dir_fd < 0) {
		dir_fd = open(scratch_directory(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert(dir_fd >= 0);
		scratch_file_put("vda.qcow2", "four", 4);
		scratch_file_put("vdb.qcow2", "four", 4);
	}
	scratch_file_put(MEDIA_NAME, data, size);
	r = media_load(dir_fd, &media, error);
	if (r < 0) {
		assert(r == -EBADMSG && error[0] != '\0');
		return 0;
	}
	check_media(&media);
	check_again(dir_fd, &media);
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	struct mutate mutate;

	mutate_init(&mutate, seed);
	return mutate_json(&mutate, data, size, max_size);
}
