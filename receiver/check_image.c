/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "receiver/check_image.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "receiver/check.h"
#include "receiver/json.h"
#include "receiver/process.h"

#define OPEN_MS	     30000
#define LOCATE_MS    60000
#define LOCATE_BYTES "65536"

/* The chain from its base to layer top. NULL when out of memory. */
static char *chain_describe(const struct manifest_disk *disk, size_t top)
{
	json_t *node = json_null();
	char *text, *named = NULL;

	for (size_t i = 0; i <= top && node != NULL; i++) {
		node = json_pack("{s:s, s:b, s:{s:s, s:s, s:s}, s:o}", "driver", "qcow2",
				 "read-only", 1, "file", "driver", "file", "filename",
				 disk->layers[i].file, "locking", "off", "backing", node);
	}
	text = json_dumps(node, JSON_COMPACT);
	json_decref(node);
	if (text != NULL && asprintf(&named, "json:%s", text) < 0) {
		named = NULL;
	}
	free(text);
	return named;
}

/* qemu-nbd repeats the whole chain before it says what is wrong. */
static void last_words(int fd, char error[NBD_ERROR_LEN])
{
	char words[1024];
	const char *reason;

	process_last_words(fd, words, sizeof(words));
	reason = strrchr(words, '}');
	snprintf(error, NBD_ERROR_LEN, "%.200s",
		 reason == NULL ? words : reason + strcspn(reason, " "));
}

static int connect_to(struct check_image *image, const char *socket, int err,
		      char error[NBD_ERROR_LEN])
{
	int64_t deadline_ms = clock_monotonic_ms() + OPEN_MS;
	int status = 0;

	while (nbd_disk_open_depth(socket, "", &image->nbd, error) < 0) {
		if (process_wait(image->pid, 0, &status) == 0) {
			image->pid = 0;
			last_words(err, error);
			return -EIO;
		}
		if (clock_monotonic_ms() > deadline_ms) {
			return -ETIMEDOUT;
		}
		clock_sleep_ms(20);
	}
	return 0;
}

int check_image_open(struct check_image *image, const struct manifest_disk *disk, size_t top,
		     char error[NBD_ERROR_LEN])
{
	cleanup_fclose FILE *err = tmpfile();
	const char *argv[] = {"qemu-nbd", "-r", "-A", "-t", "-k", NULL, NULL, NULL};
	const char *parent = getenv("TMPDIR");
	struct process_setup setup = {.standard = {-1, -1, -1}, .kept = {-1, -1}};
	char socket[96];
	int rc;

	*image = (struct check_image){.disk = disk, .top = top};
	image->chain = chain_describe(disk, top);
	snprintf(image->directory, sizeof(image->directory), "%s/vmreplica-check-XXXXXX",
		 parent == NULL || strlen(parent) > 30 ? "/tmp" : parent);
	if (err == NULL || image->chain == NULL || mkdtemp(image->directory) == NULL) {
		snprintf(error, NBD_ERROR_LEN, "no room in /tmp or in memory");
		image->directory[0] = '\0';
		return -ENOMEM;
	}
	snprintf(socket, sizeof(socket), "%s/nbd", image->directory);
	argv[5] = socket;
	argv[6] = image->chain;
	setup.standard[2] = fileno(err);
	rc = process_spawn(argv, &setup, &image->pid);
	if (rc < 0) {
		snprintf(error, NBD_ERROR_LEN, "cannot start qemu-nbd: %s", strerror(-rc));
		return rc;
	}
	return connect_to(image, socket, fileno(err), error);
}

void check_image_close(struct check_image *image)
{
	char socket[96];

	nbd_disk_close(image->nbd);
	if (image->pid > 0) {
		process_end(image->pid, 5000);
	}
	if (image->directory[0] != '\0') {
		snprintf(socket, sizeof(socket), "%s/nbd", image->directory);
		unlink(socket);
		rmdir(image->directory);
	}
	free(image->chain);
	memset(image, 0, sizeof(*image));
}

const char *check_image_locate(const struct check_image *image, uint64_t offset,
			       uint64_t *ret_file_offset)
{
	const char *top = image->disk->layers[image->top].file;
	char start[48];
	const char *argv[] = {
		"qemu-img",   "map", "--output=json", start, "--max-length=" LOCATE_BYTES,
		image->chain, NULL};
	cleanup_free char *out = NULL, *err = NULL;
	cleanup_json json_t *root = NULL;
	json_int_t begin, at = -1, depth = 0;

	*ret_file_offset = CHECK_NO_OFFSET;
	snprintf(start, sizeof(start), "--start-offset=%" PRIu64, offset);
	if (check_run_program(argv, LOCATE_MS, &out, &err) != 0) {
		return top;
	}
	root = json_loads(out, 0, NULL);
	if (json_unpack(root, "[{s:I, s:I, s?I}]", "start", &begin, "depth", &depth, "offset",
			&at) < 0 ||
	    depth < 0 || (size_t)depth > image->top) {
		return top;
	}
	if (at >= 0 && (uint64_t)begin <= offset) {
		*ret_file_offset = (uint64_t)at + offset - (uint64_t)begin;
	}
	return image->disk->layers[image->top - (size_t)depth].file;
}
