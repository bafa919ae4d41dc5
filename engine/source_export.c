/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The part of source_offline.h that serves an image. */
#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/unix_socket.h"
#include "engine/source_error.h"
#include "engine/source_json.h"
#include "engine/source_offline.h"
#include "engine/source_tool.h"

#define START_WAIT_MS	10000
#define START_POLL_MS	10
#define CONNECT_WAIT_MS 1000

struct source_export {
	char *path, *socket_path; /* owned */
	struct stat before;	  /* the image's, when the server was started */
	pid_t pid;
	int output; /* the server's words, for when it does not start */
	bool ended;
};

/* QEMU writes to an image at once when it opens it with bitmaps (it marks them as in use), and then
 * whenever the guest does. */
static bool is_unchanged(const struct source_export *export)
{
	struct stat now;

	return stat(export->path, &now) == 0 && now.st_ino == export->before.st_ino &&
	       now.st_size == export->before.st_size &&
	       now.st_mtim.tv_sec == export->before.st_mtim.tv_sec &&
	       now.st_mtim.tv_nsec == export->before.st_mtim.tv_nsec;
}

bool source_export_holds(struct source_export *export)
{
	if (!export->ended && !source_tool_runs(export->pid)) {
		export->ended = true;
	}
	return !export->ended && is_unchanged(export);
}

void source_export_stop(struct source_export *export)
{
	if (export == NULL) {
		return;
	}
	if (!export->ended) {
		source_tool_stop(export->pid);
	}
	if (export->socket_path != NULL) {
		unlink(export->socket_path);
	}
	close(export->output);
	free(export->path);
	free(export->socket_path);
	free(export);
}

/* The image as a file name that any path fits into. To free. */
static char *describe_image(const struct source_disk *disk, const struct stat *status)
{
	cleanup_json json_t *image = json_pack(
		"{s:s, s:b, s:{s:s, s:s}}", "driver", "qcow2", "force-share", 1, "file", "driver",
		S_ISBLK(status->st_mode) ? "host_device" : "file", "filename", disk->path);
	cleanup_free char *text = image != NULL ? json_dumps(image, JSON_COMPACT) : NULL;
	char *name;

	return text != NULL && asprintf(&name, "json:%s", text) >= 0 ? name : NULL;
}

static int start_server(struct source_export *export, const struct source_tool_user *user,
			const struct source_disk *disk, const char *bitmap,
			char error[SOURCE_ERROR_LEN])
{
	cleanup_free char *image = describe_image(disk, &export->before);
	const char *argv[16] = {"qemu-nbd", "--read-only", "--persistent", "--shared=0"};
	size_t count = 4;

	if (image == NULL) {
		return source_fail(-ENOMEM, error, "out of memory");
	}
	argv[count++] = "--socket";
	argv[count++] = export->socket_path;
	argv[count++] = "--export-name";
	argv[count++] = disk->name;
	if (bitmap != NULL) {
		argv[count++] = "--bitmap";
		argv[count++] = bitmap;
	}
	argv[count] = image;
	return source_tool_start_as(user, argv, &export->pid, &export->output, error);
}

/* True when a connection is greeted. Being able to connect says little: qemu-nbd listens before it
 * looks at the image. */
static bool is_serving(const struct source_export *export)
{
	cleanup_close int fd = unix_connect(export->socket_path, CONNECT_WAIT_MS);
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	char greeting[8]; /* "NBDMAGIC" */

	return fd >= 0 && poll(&wait, 1, CONNECT_WAIT_MS) == 1 &&
	       read(fd, greeting, sizeof(greeting)) > 0;
}

static int wait_started(struct source_export *export, char error[SOURCE_ERROR_LEN])
{
	int64_t until_ms = clock_monotonic_ms() + START_WAIT_MS;
	char words[256] = "";
	ssize_t got;

	while (!is_serving(export)) {
		export->ended = !source_tool_runs(export->pid);
		if (export->ended) {
			break;
		}
		if (clock_monotonic_ms() > until_ms) {
			return source_fail(-ETIMEDOUT, error, "qemu-nbd does not start for %s",
					   export->path);
		}
		clock_sleep_ms(START_POLL_MS);
	}
	if (!export->ended) {
		return 0;
	}
	got = read(export->output, words, sizeof(words) - 1);
	words[got > 0 ? (size_t)got : 0] = '\0';
	words[strcspn(words, "\n")] = '\0';
	return source_fail(-EIO, error, "qemu-nbd does not start for %s: %s", export->path, words);
}

int source_export_start_as(const struct source_tool_user *user, const struct source_disk *disk,
			   const char *bitmap, const char *socket_path,
			   struct source_export **ret_export, char error[SOURCE_ERROR_LEN])
{
	struct source_export *export = calloc(1, sizeof(*export));
	int result;

	if (export == NULL) {
		return source_fail(-ENOMEM, error, "out of memory");
	}
	export->ended = true;
	export->output = -1;
	export->path = strdup(disk->path);
	export->socket_path = strdup(socket_path);
	if (export->path == NULL || export->socket_path == NULL) {
		result = source_fail(-ENOMEM, error, "out of memory");
	} else if (stat(disk->path, &export->before) != 0) {
		result = source_fail(-errno, error, "%s: %s", disk->path, strerror(errno));
	} else {
		unlink(socket_path);
		result = start_server(export, user, disk, bitmap, error);
		export->ended = result != 0;
	}
	if (result == 0) {
		result = wait_started(export, error);
	}
	if (result != 0) {
		source_export_stop(export);
		return result;
	}
	*ret_export = export;
	return 0;
}

int source_export_start(const struct source_disk *disk, const char *bitmap, const char *socket_path,
			struct source_export **ret_export, char error[SOURCE_ERROR_LEN])
{
	return source_export_start_as(NULL, disk, bitmap, socket_path, ret_export, error);
}
