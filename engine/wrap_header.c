/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/wrap_header.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "engine/source_error.h"
#include "engine/source_image.h"
#include "engine/wrap_image.h"
#include "engine/wrap_record.h"

bool wrap_header_is_name(const char *path)
{
	size_t len = strlen(path), suffix = strlen(WRAP_HEADER_SUFFIX);

	return len > suffix && strcmp(path + len - suffix, WRAP_HEADER_SUFFIX) == 0;
}

int wrap_header_make(struct wrap_disk *disk, char error[SOURCE_ERROR_LEN])
{
	struct wrap_record record = {.state = WRAP_CLOSED};
	const struct wrap_notes notes = {0};
	struct source_image image;
	bool was_free = access(disk->header, F_OK) < 0 && errno == ENOENT;
	int result;

	if (wrap_image_belongs(disk->header, disk->raw) &&
	    source_image_examine(disk->header, &image) == 0 &&
	    image.size_bytes == disk->size_bytes) {
		return 0;
	}
	result = wrap_image_make(disk->raw, disk->size_bytes, disk->header, error);
	if (result < 0) {
		return result;
	}
	disk->made = was_free;
	wrap_look(disk->raw, &record.look);
	result = wrap_record_write(disk->header, &record, &notes);
	return result == 0
		       ? 0
		       : source_fail(result, error, "the record beside %s cannot be written: %s",
				     disk->header, strerror(-result));
}

size_t wrap_header_keep_made(struct wrap_disk *disks, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		if (disks[i].made && kept != i) {
			disks[kept] = disks[i];
		}
		kept += disks[i].made ? 1 : 0;
	}
	return kept;
}

int wrap_header_remove(const struct wrap_disk *disk)
{
	char record[PATH_MAX];

	if (!wrap_image_belongs(disk->header, disk->raw)) {
		return 0;
	}
	if (unlink(disk->header) < 0) {
		return -errno;
	}
	if (wrap_record_path(disk->header, record, sizeof(record)) == 0) {
		unlink(record);
	}
	return 1;
}
