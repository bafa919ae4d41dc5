/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/vm_status.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "proto/message_copy.h"

#define STATUS_FILE_MAX (64u * 1024u)
#define STATUS_PATH_LEN 512

Vmreplica__VmStatus *vm_status_copy(const Vmreplica__VmStatus *status)
{
	return (Vmreplica__VmStatus *)message_copy(&status->base);
}

void vm_status_free(Vmreplica__VmStatus *status)
{
	if (status != NULL) {
		vmreplica__vm_status__free_unpacked(status, NULL);
	}
}

void vm_status_frame_init(struct vm_status_frame *frame)
{
	vmreplica__vm_status__init(&frame->status);
	vmreplica__epoch__init(&frame->epoch);
	vmreplica__progress__init(&frame->progress);
	vmreplica__cycles__init(&frame->cycles);
	frame->status.epoch = &frame->epoch;
	frame->status.progress = &frame->progress;
	frame->status.cycles = &frame->cycles;
	frame->status.disks = frame->disk_pointers;
	frame->status.excluded_disks = frame->excluded;
	frame->status.behind_s = -1;
	for (size_t i = 0; i < DISKS_MAX; i++) {
		vmreplica__disk_status__init(&frame->disks[i]);
		frame->disk_pointers[i] = &frame->disks[i];
	}
}

int vm_status_is_newer(const Vmreplica__VmStatus *a, const Vmreplica__VmStatus *b)
{
	if (a->generation != b->generation) {
		return a->generation > b->generation;
	}
	return a->paused_since_ms == 0 && b->paused_since_ms != 0;
}

static int status_path(const char *directory, const char *relationship, const char *suffix,
		       char path[STATUS_PATH_LEN])
{
	int len =
		snprintf(path, STATUS_PATH_LEN, "%s/%s.status%s", directory, relationship, suffix);

	return len < STATUS_PATH_LEN ? 0 : -ENAMETOOLONG;
}

static int write_all(int fd, const uint8_t *data, size_t len)
{
	while (len > 0) {
		ssize_t written = write(fd, data, len);

		if (written < 0 && errno != EINTR) {
			return -errno;
		}
		data += written > 0 ? written : 0;
		len -= written > 0 ? (size_t)written : 0;
	}
	return 0;
}

/* Not fsynced: it holds statistics, and the truth about replication is elsewhere. */
int vm_status_save(const char *directory, const Vmreplica__VmStatus *status)
{
	size_t len = vmreplica__vm_status__get_packed_size(status);
	cleanup_free uint8_t *packed = malloc(len > 0 ? len : 1);
	char path[STATUS_PATH_LEN], temporary[STATUS_PATH_LEN];
	cleanup_close int fd = -1;
	int result;

	if (packed == NULL) {
		return -ENOMEM;
	}
	if (status_path(directory, status->relationship, "", path) < 0 ||
	    status_path(directory, status->relationship, ".new", temporary) < 0) {
		return -ENAMETOOLONG;
	}
	vmreplica__vm_status__pack(status, packed);
	unlink(temporary); /* of an engine that died meanwhile */
	fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		return -errno;
	}
	result = write_all(fd, packed, len);
	if (result == 0 && rename(temporary, path) < 0) {
		result = -errno;
	}
	return result;
}

Vmreplica__VmStatus *vm_status_load(const char *directory, const char *relationship)
{
	char path[STATUS_PATH_LEN];
	cleanup_free uint8_t *data = NULL;
	cleanup_close int fd = -1;
	struct stat st;
	ssize_t got;

	if (status_path(directory, relationship, "", path) < 0) {
		return NULL;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > STATUS_FILE_MAX) {
		return NULL;
	}
	data = malloc((size_t)st.st_size + 1);
	if (data == NULL) {
		return NULL;
	}
	got = read(fd, data, (size_t)st.st_size);
	return got == st.st_size ? vmreplica__vm_status__unpack(NULL, (size_t)got, data) : NULL;
}

void vm_status_forget(const char *directory, const char *relationship)
{
	char path[STATUS_PATH_LEN];

	if (status_path(directory, relationship, "", path) == 0) {
		unlink(path);
	}
}
