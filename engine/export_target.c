/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/export_target.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/nbd.h"
#include "engine/source_image.h"
#include "engine/source_tool.h"

#define BLOCK	      (64u * 1024u)
#define CREATE_MS     60000
#define START_WAIT_MS 10000
#define START_POLL_MS 20

static int target_create(const char *path, uint64_t size_bytes, char error[SOURCE_ERROR_LEN])
{
	char size[32];
	const char *const argv[] = {
		"qemu-img", "create", "-q", "-f", "qcow2", "-o", "compat=1.1,cluster_size=65536",
		"--",	    path,     size, NULL};

	snprintf(size, sizeof(size), "%" PRIu64, size_bytes);
	return source_tool_run(argv, CREATE_MS, NULL, error);
}

/* qemu-nbd listens a moment after it was started. */
static int target_connect(struct export_target *target, const char *name,
			  char error[SOURCE_ERROR_LEN])
{
	int64_t until_ms = clock_monotonic_ms() + START_WAIT_MS;
	char why[NBD_ERROR_LEN] = "";

	while (nbd_disk_open(target->socket, name, NULL, &target->disk, why) < 0) {
		bool over = !source_tool_runs(target->pid);

		if (over) {
			ssize_t n = read(target->output, error, SOURCE_ERROR_LEN - 1);

			error[n > 0 ? n : 0] = '\0';
			target->pid = 0;
			return -EIO;
		}
		if (clock_monotonic_ms() > until_ms) {
			snprintf(error, SOURCE_ERROR_LEN, "qemu-nbd does not start: %s", why);
			return -ETIMEDOUT;
		}
		clock_sleep_ms(START_POLL_MS);
	}
	return 0;
}

int export_target_open(struct export_target *target, const char *path, uint64_t size_bytes,
		       bool fresh, const char *socket_directory, const char *name,
		       char error[SOURCE_ERROR_LEN])
{
	const char *const argv[] = {
		"qemu-nbd", "--persistent", "--format",	     "qcow2", "--cache", "writeback",
		"--socket", target->socket, "--export-name", name,    "--",	 path,
		NULL};
	int result = fresh ? target_create(path, size_bytes, error) : 0;

	*target = (struct export_target){.output = -1};
	snprintf(target->socket, sizeof(target->socket), "%s/export-%u-%.32s", socket_directory,
		 (unsigned int)getpid(), name);
	unlink(target->socket);
	result =
		result < 0 ? result : source_tool_start(argv, &target->pid, &target->output, error);
	result = result < 0 ? result : target_connect(target, name, error);
	if (result == 0 && nbd_disk_size(target->disk) != size_bytes) {
		snprintf(error, SOURCE_ERROR_LEN, "%s has another size than the disk", path);
		result = -EUCLEAN;
	}
	if (result < 0) {
		export_target_close(target);
	}
	return result;
}

bool export_target_fits(int dir_fd, const char *file, uint64_t size_bytes)
{
	cleanup_close int fd = openat(dir_fd, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct source_image image = {0};

	return fd >= 0 && source_image_examine_fd(fd, &image) == 0 && image.version != 0 &&
	       image.size_bytes == size_bytes && !image.has_backing && !image.has_data_file;
}

static bool block_is_zero(const uint8_t *data, uint64_t length)
{
	return data[0] == 0 && memcmp(data, data + 1, (size_t)length - 1) == 0;
}

int export_target_write(struct export_target *target, const uint8_t *data, uint64_t offset,
			uint64_t length, bool over)
{
	int result = 0;

	for (uint64_t start = 0; start < length && result == 0;) {
		uint64_t end = start;
		bool zero = block_is_zero(data + start,
					  length - start < BLOCK ? length - start : BLOCK);

		while (end < length &&
		       block_is_zero(data + end, length - end < BLOCK ? length - end : BLOCK) ==
			       zero) {
			end += length - end < BLOCK ? length - end : BLOCK;
		}
		if (!zero) {
			result = nbd_disk_write(target->disk, data + start, offset + start,
						(size_t)(end - start));
		} else if (over) {
			result = nbd_disk_zero(target->disk, offset + start, end - start);
		}
		start = end;
	}
	return result;
}

int export_target_flush(struct export_target *target)
{
	return target->disk == NULL ? 0 : nbd_disk_flush(target->disk);
}

void export_target_close(struct export_target *target)
{
	nbd_disk_close(target->disk);
	target->disk = NULL;
	if (target->pid > 0) {
		source_tool_stop(target->pid);
		target->pid = 0;
	}
	if (target->output >= 0) {
		close(target->output);
		target->output = -1;
	}
	if (target->socket[0] != '\0') {
		unlink(target->socket);
	}
}
