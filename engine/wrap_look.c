/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looking at a raw disk (wrap_record.h). */
#include <fcntl.h>
#include <linux/fs.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "engine/wrap_record.h"

/* Partition tables and boot blocks lie at the ends. Most of what a mounted file system writes lies
 * elsewhere: these samples find another image in the disk's place, not each change of it. */
#define EDGE_BYTES   65536u
#define SAMPLES	     64u
#define SAMPLE_BYTES 4096u
#define NS_PER_S     1000000000
#define MS_PER_S     1000
#define NS_PER_MS    1000000

/* Hash len bytes at offset; what lies beyond the end counts as nothing. */
static bool hash_piece(struct sha256 *hash, int fd, uint64_t offset, uint8_t *buffer, size_t len)
{
	ssize_t got = pread(fd, buffer, len, (off_t)offset);

	if (got < 0) {
		return false;
	}
	sha256_update(hash, buffer, (size_t)got);
	return true;
}

static bool hash_samples(struct sha256 *hash, int fd, uint64_t size, uint8_t *buffer)
{
	uint64_t step = size / SAMPLES / SAMPLE_BYTES * SAMPLE_BYTES;
	uint64_t tail = size > EDGE_BYTES ? (size - EDGE_BYTES) / SAMPLE_BYTES * SAMPLE_BYTES : 0;

	if (!hash_piece(hash, fd, 0, buffer, EDGE_BYTES) ||
	    !hash_piece(hash, fd, tail, buffer, EDGE_BYTES)) {
		return false;
	}
	for (uint64_t i = 1; i < SAMPLES && step > 0; i++) {
		if (!hash_piece(hash, fd, i * step, buffer, SAMPLE_BYTES)) {
			return false;
		}
	}
	return true;
}

static bool digest_of(int fd, uint64_t size, uint8_t digest[SHA256_LEN])
{
	struct sha256 *hash = sha256_new();
	void *buffer = NULL;
	bool good;

	good = hash != NULL && posix_memalign(&buffer, 4096, EDGE_BYTES) == 0 &&
	       hash_samples(hash, fd, size, buffer);
	if (good) {
		sha256_final(hash, digest);
	}
	sha256_free(hash);
	free(buffer);
	return good;
}

/* The first line of a file of the kernel's. */
static bool read_line(const char *path, char *line, size_t size)
{
	cleanup_fclose FILE *file = fopen(path, "re");

	if (file == NULL || fgets(line, (int)size, file) == NULL) {
		return false;
	}
	line[strcspn(line, "\n")] = '\0';
	return true;
}

static bool read_attribute(dev_t number, const char *name, char *line, size_t size)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%s", major(number), minor(number), name);
	return read_line(path, line, size);
}

/* Those of a partition are its whole disk's. */
static bool read_of_disk(dev_t number, const char *name, char *line, size_t size)
{
	char above[64];

	snprintf(above, sizeof(above), "../%s", name);
	return read_attribute(number, name, line, size) ||
	       read_attribute(number, above, line, size);
}

static int64_t since_boot_ms(void)
{
	struct timespec now = {0};

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * MS_PER_S + now.tv_nsec / NS_PER_MS;
}

/* Documentation/admin-guide/iostats.rst; nothing is counted unless queue/iostats is set. */
static void count_writes(dev_t number, struct wrap_counters *counters)
{
	uint64_t *written = counters->written;
	char line[512], counting[8], disk_seq[32];

	counters->number = (uint64_t)number;
	counters->at_ms = since_boot_ms();
	if (read_of_disk(number, "diskseq", disk_seq, sizeof(disk_seq))) {
		counters->disk_seq = strtoull(disk_seq, NULL, 10);
	}
	counters->known =
		read_line("/proc/sys/kernel/random/boot_id", counters->boot,
			  sizeof(counters->boot)) &&
		read_of_disk(number, "queue/iostats", counting, sizeof(counting)) &&
		strcmp(counting, "1") == 0 && read_attribute(number, "stat", line, sizeof(line)) &&
		sscanf(line, "%*u %*u %*u %*u %*u %*u %" SCNu64 " %*u %*u %*u %*u %*u %*u %" SCNu64,
		       &written[WRAP_WRITTEN], &written[WRAP_DISCARDED]) == WRAP_COUNTERS;
}

static void look_with(const char *path, int flags, struct wrap_look *ret_look)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | flags);
	struct wrap_look look = {0};
	struct stat status;

	*ret_look = look;
	if (fd < 0 || fstat(fd, &status) < 0) {
		return;
	}
	look.device = S_ISBLK(status.st_mode);
	if (look.device) {
		if (ioctl(fd, BLKGETSIZE64, &look.size_bytes) < 0) {
			return;
		}
		/* what waits in the page cache is counted when it is written */
		if (fsync(fd) == 0) {
			count_writes(status.st_rdev, &look.counters);
		}
	} else {
		look.size_bytes = (uint64_t)status.st_size;
		look.modified_ns =
			(int64_t)status.st_mtim.tv_sec * NS_PER_S + status.st_mtim.tv_nsec;
	}
	look.known = digest_of(fd, look.size_bytes, look.digest);
	*ret_look = look;
}

void wrap_look(const char *path, struct wrap_look *ret_look)
{
	/* What another node wrote to a shared device may not be in this node's page cache. */
	look_with(path, O_DIRECT, ret_look);
	if (!ret_look->known) { /* not every file system can do that */
		look_with(path, 0, ret_look);
	}
}
