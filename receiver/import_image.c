/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "receiver/import_image.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "receiver/image.h"
#include "receiver/process.h"

#define INFO_MS	   60000
#define CONVERT_MS (24 * 3600 * 1000)

struct look {
	struct store *store; /* borrowed */
	char *text;	     /* STORE_ERROR_LEN bytes */
};

__attribute__((format(printf, 3, 4))) static int refuse(struct look *look, int rc,
							const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(look->text, STORE_ERROR_LEN, format, args);
	va_end(args);
	return rc;
}

static json_t *image_info(struct look *look, const char *path, const char *format)
{
	const char *argv[] = {"qemu-img", "info", "--output=json", "-f", format, path, NULL};
	cleanup_close int out = memfd_create("info", MFD_CLOEXEC);
	const struct cell cell = {.directory = look->store->directory};
	const struct process_setup setup = {
		.standard = {-1, out, out}, .kept = {-1, -1}, .cell = &cell};
	char text[65536];
	int status = -1;
	pid_t pid;
	ssize_t n;

	if (out < 0) {
		return NULL;
	}
	if (process_spawn(argv, &setup, &pid) < 0) {
		return NULL;
	}
	if (process_wait(pid, INFO_MS, &status) < 0) {
		process_end(pid, 1000);
	}
	n = pread(out, text, sizeof(text) - 1, 0);
	if (status != 0 || n <= 0) {
		process_last_words(out, look->text, STORE_ERROR_LEN);
		return NULL;
	}
	return json_loadb(text, (size_t)n, 0, NULL);
}

/* May it be a base: alone, whole, in the clear? *ret_ours: as we would have made it. */
static int image_judge(struct look *look, const struct import_disk *disk, const json_t *info,
		       uint64_t *ret_size, bool *ret_ours)
{
	const json_t *specific = json_object_get(json_object_get(info, "format-specific"), "data");
	const char *compat = json_string_value(json_object_get(specific, "compat"));
	json_int_t size = json_integer_value(json_object_get(info, "virtual-size"));

	if (json_object_get(info, "backing-filename") != NULL ||
	    json_object_get(info, "full-backing-filename") != NULL ||
	    json_object_get(specific, "data-file") != NULL ||
	    json_is_true(json_object_get(info, "encrypted"))) {
		return refuse(
			look, -EBADMSG,
			"%s needs another file, or a key: flatten it first (qemu-img convert)",
			disk->file);
	}
	if (size <= 0 || (uint64_t)size > DISK_SIZE_MAX || size % 512 != 0) {
		return refuse(look, -EBADMSG, "%s is no disk of a usable size", disk->file);
	}
	if (disk->size_bytes != 0 && disk->size_bytes != (uint64_t)size) {
		return refuse(look, -EBADMSG,
			      "%s is a disk of %lld bytes, and %" PRIu64 " were exported",
			      disk->file, (long long)size, disk->size_bytes);
	}
	*ret_size = (uint64_t)size;
	*ret_ours = !disk->raw && compat != NULL && strcmp(compat, "1.1") == 0 &&
		    json_integer_value(json_object_get(info, "cluster-size")) == 65536 &&
		    !json_is_true(json_object_get(specific, "corrupt")) &&
		    json_object_get(specific, "bitmaps") == NULL &&
		    json_object_get(info, "snapshots") == NULL;
	return 0;
}

static int file_convert(struct look *look, struct import_disk *disk, const char *from)
{
	const struct cell cell = {.directory = look->store->directory};
	char to[IMAGE_PATH_LEN];
	const char *argv[] = {
		"qemu-img", "convert", "-f", disk->raw ? "raw" : "qcow2",
		"-O",	    "qcow2",   "-o", "compat=1.1,lazy_refcounts=off,cluster_size=65536",
		from,	    to,	       NULL};

	snprintf(disk->ready, sizeof(disk->ready), IMPORT_NAME "/%s.base", disk->name);
	image_path(look->store, disk->ready, to);
	unlink(to);
	disk->converted = true;
	return process_run(argv, &cell, CONVERT_MS, look->text, STORE_ERROR_LEN);
}

static int file_check(struct look *look, const char *path)
{
	const struct cell cell = {.directory = look->store->directory};
	const char *argv[] = {"qemu-img", "check", "-q", "-f", "qcow2", path, NULL};

	return process_run(argv, &cell, CONVERT_MS, look->text, STORE_ERROR_LEN);
}

static int disk_prepare(struct look *look, struct import_disk *disk)
{
	char path[IMAGE_PATH_LEN], file[MANIFEST_FILE_MAX + 1];
	json_t *info;
	bool ours = false;
	int rc;

	snprintf(file, sizeof(file), IMPORT_NAME "/%s", disk->file);
	image_path(look->store, file, path);
	info = image_info(look, path, disk->raw ? "raw" : "qcow2");
	if (info == NULL) {
		char why[256];

		snprintf(why, sizeof(why), "%.250s", look->text);
		return refuse(look, -EBADMSG, "%s is no %s image: %s", disk->file,
			      disk->raw ? "raw" : "qcow2", why);
	}
	rc = image_judge(look, disk, info, &disk->size_bytes, &ours);
	json_decref(info);
	if (rc < 0) {
		return rc;
	}
	if (ours) {
		memcpy(disk->ready, file, sizeof(disk->ready));
		return file_check(look, path);
	}
	return file_convert(look, disk, path);
}

int import_image_prepare(struct store *store, struct import_disk *disk, char text[STORE_ERROR_LEN])
{
	struct look look = {.store = store, .text = text};

	return disk_prepare(&look, disk);
}
