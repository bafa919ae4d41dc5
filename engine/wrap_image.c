/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/wrap_image.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "engine/source_error.h"
#include "engine/source_image.h"
#include "engine/source_tool.h"

#define TOOL_TIMEOUT_MS	  120000
#define CLUSTER_MIN_BYTES 65536u
#define CLUSTER_MAX_BYTES (2u << 20)
#define TABLE_BYTES	  (8u << 20) /* an entry of 8 bytes for each cluster */
#define ENTRY_BYTES	  8u
#define SECTOR_BYTES	  512u

uint32_t wrap_image_cluster_bytes(uint64_t size_bytes)
{
	uint32_t cluster = CLUSTER_MIN_BYTES;

	while (cluster < CLUSTER_MAX_BYTES && size_bytes / cluster > TABLE_BYTES / ENTRY_BYTES) {
		cluster *= 2;
	}
	return cluster;
}

bool wrap_image_belongs(const char *header, const char *raw)
{
	struct source_image image;

	return source_image_examine(header, &image) == 0 && image.has_data_file &&
	       image.data_file_raw && !image.has_backing && strcmp(image.data_file, raw) == 0;
}

/* A comma separates options of qemu-img; two of them are one. */
static void append_escaped(char *to, const char *text)
{
	to += strlen(to);
	for (; *text != '\0'; text++) {
		*to++ = *text;
		if (*text == ',') {
			*to++ = ',';
		}
	}
	*to = '\0';
}

/* preallocation=metadata: every cluster of the header stands for its bytes of the raw disk; without
 * it, what was not written through the header would read as zeros. It sizes the data file that it
 * is given, hence a temporary one. */
static int create(const char *image, const char *data, uint64_t size_bytes,
		  char error[SOURCE_ERROR_LEN])
{
	char options[2 * PATH_MAX + 256], size[24];
	const char *argv[] = {"qemu-img", "create", "-q",  "-f", "qcow2", "-o",
			      options,	  "--",	    image, size, NULL};

	snprintf(size, sizeof(size), "%" PRIu64, size_bytes);
	snprintf(options, sizeof(options),
		 "compat=1.1,data_file_raw=on,preallocation=metadata,cluster_size=%" PRIu32
		 ",data_file=",
		 wrap_image_cluster_bytes(size_bytes));
	append_escaped(options, data);
	return source_tool_run(argv, TOOL_TIMEOUT_MS, NULL, error);
}

static int point(const char *image, const char *raw, char error[SOURCE_ERROR_LEN])
{
	char options[2 * PATH_MAX + 16] = "data_file=";
	const char *argv[] = {"qemu-img", "amend", "-q", "-f",	"qcow2",
			      "-o",	  options, "--", image, NULL};

	append_escaped(options, raw);
	return source_tool_run(argv, TOOL_TIMEOUT_MS, NULL, error);
}

static int sync_path(const char *path, int flags)
{
	cleanup_close int fd = open(path, flags | O_CLOEXEC);

	return fd >= 0 && fsync(fd) == 0 ? 0 : -errno;
}

static int put_in_place(const char *image, const char *header)
{
	cleanup_free char *copy = strdup(header);
	int result = copy != NULL ? sync_path(image, O_RDONLY) : -ENOMEM;

	if (result == 0 && rename(image, header) < 0) {
		result = -errno;
	}
	return result == 0 ? sync_path(dirname(copy), O_RDONLY | O_DIRECTORY) : result;
}

static int check_request(const char *raw, uint64_t size_bytes, const char *header,
			 char error[SOURCE_ERROR_LEN])
{
	if (size_bytes == 0 || size_bytes % SECTOR_BYTES != 0) {
		return source_fail(-EINVAL, error,
				   "%s has %" PRIu64 " bytes, and QEMU's disks are whole sectors "
				   "of %u; make it longer: truncate -s %%%u %s",
				   raw, size_bytes, SECTOR_BYTES, SECTOR_BYTES, raw);
	}
	if (access(header, F_OK) == 0 && !wrap_image_belongs(header, raw)) {
		return source_fail(-EEXIST, error, "%s exists and is no header of %s; move it away",
				   header, raw);
	}
	return 0;
}

int wrap_image_make(const char *raw, uint64_t size_bytes, const char *header,
		    char error[SOURCE_ERROR_LEN])
{
	char image[PATH_MAX], data[PATH_MAX];
	int result = check_request(raw, size_bytes, header, error);

	if (result < 0) {
		return result;
	}
	if ((size_t)snprintf(image, sizeof(image), "%s.new", header) >= sizeof(image) ||
	    (size_t)snprintf(data, sizeof(data), "%s.data", header) >= sizeof(data)) {
		return source_fail(-ENAMETOOLONG, error, "the path %s is too long", header);
	}
	unlink(image); /* what an interrupted wrap left */
	unlink(data);
	result = create(image, data, size_bytes, error);
	if (result == 0) {
		result = point(image, raw, error);
	}
	if (result == 0 && !wrap_image_belongs(image, raw)) {
		result =
			source_fail(-EIO, error, "qemu-img made another header than was asked for");
	}
	if (result == 0) {
		result = put_in_place(image, header);
		if (result < 0) {
			source_fail(result, error, "%s: %s", header, strerror(-result));
		}
	}
	unlink(image);
	unlink(data);
	return result;
}
