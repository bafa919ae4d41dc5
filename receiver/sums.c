/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "receiver/sums.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/codec.h"
#include "receiver/durable.h"

#define MAGIC	   "VMRSUMS\n"
#define VERSION	   1u
#define NO_PAGE	   UINT64_MAX
#define COPY_PAGES 256 /* between two words of how far a copy is */

/* As in the file; the rest of the page is zeros, then its sum. */
struct head_page {
	char magic[8];
	uint64_t version, block_bytes;
	uint64_t generation, disk_bytes, layer_bytes, inode, mtime_ns;
	uint64_t filled_bytes, merged_bytes;
	char merging[MANIFEST_FILE_MAX + 1];
};

union page {
	uint64_t words[SUMS_PAGE_BYTES / 8]; /* the last one is the page's sum */
	struct head_page head;
};

struct sums {
	int fd;
	struct sums_head head;
	uint64_t at; /* number of the page below; NO_PAGE = none */
	bool dirty, damaged;
	union page page;
};

/* ---- pages ---- */

static uint64_t page_sum(const union page *page, uint64_t number)
{
	return htole64(codec_checksum(page, SUMS_PAGE_BYTES - 8, number * SUMS_PAGE_BYTES));
}

static int page_write(int fd, union page *page, uint64_t number)
{
	ssize_t n;

	page->words[SUMS_PAGE_SUMS] = page_sum(page, number);
	n = pwrite(fd, page, sizeof(*page), (off_t)(number * SUMS_PAGE_BYTES));
	return n == (ssize_t)sizeof(*page) ? 0 : n < 0 ? -errno : -EIO;
}

/* What lies behind the end of the file, or was never written, is a page of nothing. */
static int page_read(int fd, union page *page, uint64_t number)
{
	ssize_t n = pread(fd, page, sizeof(*page), (off_t)(number * SUMS_PAGE_BYTES));

	if (n < 0) {
		return -errno;
	}
	memset((char *)page + n, 0, sizeof(*page) - (size_t)n);
	return codec_is_zero(page, sizeof(*page)) ||
			       page->words[SUMS_PAGE_SUMS] == page_sum(page, number)
		       ? 0
		       : -EBADMSG;
}

static int page_flush(struct sums *sums)
{
	int rc = sums->dirty ? page_write(sums->fd, &sums->page, sums->at) : 0;

	sums->dirty = sums->dirty && rc < 0;
	return rc;
}

static int page_load(struct sums *sums, uint64_t block)
{
	uint64_t number = 1 + block / SUMS_PAGE_SUMS;
	int rc;

	if (sums->at == number) {
		return 0;
	}
	rc = page_flush(sums);
	if (rc < 0) {
		return rc;
	}
	sums->at = NO_PAGE;
	rc = page_read(sums->fd, &sums->page, number);
	if (rc < 0 && rc != -EBADMSG) {
		return rc;
	}
	sums->damaged = rc == -EBADMSG;
	if (sums->damaged) {
		memset(&sums->page, 0, sizeof(sums->page));
	}
	sums->at = number;
	return 0;
}

/* ---- the head ---- */

static int head_read(struct sums *sums)
{
	struct sums_head *head = &sums->head;
	union page page;
	int rc = page_read(sums->fd, &page, 0);

	if (rc < 0) {
		return rc == -EBADMSG ? -EUCLEAN : rc;
	}
	if (memcmp(page.head.magic, MAGIC, sizeof(page.head.magic)) != 0 ||
	    le64toh(page.head.version) != VERSION ||
	    le64toh(page.head.block_bytes) != SUMS_BLOCK_BYTES ||
	    page.head.merging[MANIFEST_FILE_MAX] != '\0') {
		return -EUCLEAN;
	}
	head->generation = le64toh(page.head.generation);
	head->disk_bytes = le64toh(page.head.disk_bytes);
	head->layer_bytes = le64toh(page.head.layer_bytes);
	head->inode = le64toh(page.head.inode);
	head->mtime_ns = (int64_t)le64toh(page.head.mtime_ns);
	head->filled_bytes = le64toh(page.head.filled_bytes);
	head->merged_bytes = le64toh(page.head.merged_bytes);
	memcpy(head->merging, page.head.merging, sizeof(head->merging));
	return 0;
}

static int head_write(struct sums *sums, const struct sums_head *head)
{
	union page page;

	memset(&page, 0, sizeof(page));
	memcpy(page.head.magic, MAGIC, sizeof(page.head.magic));
	page.head.version = htole64(VERSION);
	page.head.block_bytes = htole64(SUMS_BLOCK_BYTES);
	page.head.generation = htole64(head->generation);
	page.head.disk_bytes = htole64(head->disk_bytes);
	page.head.layer_bytes = htole64(head->layer_bytes);
	page.head.inode = htole64(head->inode);
	page.head.mtime_ns = htole64((uint64_t)head->mtime_ns);
	page.head.filled_bytes = htole64(head->filled_bytes);
	page.head.merged_bytes = htole64(head->merged_bytes);
	snprintf(page.head.merging, sizeof(page.head.merging), "%s", head->merging);
	return page_write(sums->fd, &page, 0);
}

/* ---- files ---- */

char *sums_file_name(const char *layer, char name[SUMS_FILE_NAME_LEN])
{
	snprintf(name, SUMS_FILE_NAME_LEN, "%s" SUMS_SUFFIX, layer);
	return name;
}

static int sums_begin(int dir_fd, const char *name, int flags, struct sums **ret_sums)
{
	struct sums *sums = calloc(1, sizeof(*sums));
	int rc;

	if (sums == NULL) {
		return -ENOMEM;
	}
	sums->at = NO_PAGE;
	sums->fd = openat(dir_fd, name, flags | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (sums->fd < 0) {
		rc = -errno;
		free(sums);
		return rc;
	}
	*ret_sums = sums;
	return 0;
}

static int sums_open_as(int dir_fd, const char *layer, int flags, struct sums **ret_sums)
{
	char name[SUMS_FILE_NAME_LEN];
	struct sums *sums = NULL;
	int rc = sums_begin(dir_fd, sums_file_name(layer, name), flags, &sums);

	if (rc < 0) {
		return rc;
	}
	rc = head_read(sums);
	if (rc < 0) {
		sums_close(sums);
		return rc;
	}
	*ret_sums = sums;
	return 0;
}

int sums_open(int dir_fd, const char *layer, struct sums **ret_sums)
{
	return sums_open_as(dir_fd, layer, O_RDONLY, ret_sums);
}

int sums_take(int dir_fd, const char *layer, uint64_t generation, struct sums **ret_sums)
{
	struct sums *sums = NULL;
	int rc = sums_open_as(dir_fd, layer, O_RDWR, &sums);

	if (rc == 0 && sums->head.generation != generation) {
		rc = sums->head.generation > generation ? -EEXIST : -ESTALE;
		sums_close(sums);
		return rc;
	}
	*ret_sums = rc < 0 ? *ret_sums : sums;
	return rc;
}

/* Pages that are there, and a head with that generation. */
static int sums_copy(const struct sums *from, struct sums *to, uint64_t generation,
		     int (*pace)(void *arg, uint64_t bytes), void *arg)
{
	struct sums_head head = from->head;
	off_t end = lseek(from->fd, 0, SEEK_END);
	union page page;
	int rc = 0;

	for (off_t at = SUMS_PAGE_BYTES; at < end && rc == 0; at += SUMS_PAGE_BYTES) {
		ssize_t n = pread(from->fd, &page, sizeof(page), at);

		if (n < 0) {
			return -errno;
		}
		if (!codec_is_zero(&page, (size_t)n) && pwrite(to->fd, &page, (size_t)n, at) != n) {
			return -EIO;
		}
		if (at / SUMS_PAGE_BYTES % COPY_PAGES == 0) {
			rc = pace(arg, (uint64_t)at);
		}
	}
	head.generation = generation;
	return rc < 0 || end < 0 ? (rc < 0 ? rc : -EIO) : sums_commit(to, &head);
}

int sums_renew(int dir_fd, const char *layer, uint64_t generation,
	       int (*pace)(void *arg, uint64_t bytes), void *arg)
{
	char name[SUMS_FILE_NAME_LEN], aside[SUMS_FILE_NAME_LEN + 4], directory[SUMS_FILE_NAME_LEN];
	struct sums *old = NULL, *own = NULL;
	int rc = sums_open(dir_fd, layer, &old);

	if (rc < 0 || old->head.generation == generation) {
		sums_close(old);
		return 0;
	}
	snprintf(aside, sizeof(aside), "%s.new", sums_file_name(layer, name));
	snprintf(directory, sizeof(directory), "%.*s", (int)strcspn(layer, "/"),
		 strchr(layer, '/') == NULL ? "." : layer);
	unlinkat(dir_fd, aside, 0);
	rc = sums_begin(dir_fd, aside, O_RDWR | O_CREAT | O_EXCL, &own);
	rc = rc < 0 ? rc : sums_copy(old, own, generation, pace, arg);
	rc = rc == 0 && renameat(dir_fd, aside, dir_fd, name) < 0 ? -errno : rc;
	rc = rc < 0 ? rc : durable_directory_sync(dir_fd, directory);
	sums_close(old);
	sums_close(own);
	return rc;
}

int sums_create(int dir_fd, const char *layer, const struct sums_head *head, struct sums **ret_sums)
{
	char name[SUMS_FILE_NAME_LEN];
	struct sums *sums = NULL;
	int rc;

	sums_remove(dir_fd, layer);
	rc = sums_begin(dir_fd, sums_file_name(layer, name), O_RDWR | O_CREAT | O_EXCL, &sums);
	if (rc < 0) {
		return rc;
	}
	rc = sums_commit(sums, head);
	if (rc < 0) {
		sums_close(sums);
		return rc;
	}
	*ret_sums = sums;
	return 0;
}

void sums_close(struct sums *sums)
{
	if (sums != NULL) {
		close(sums->fd);
		free(sums);
	}
}

void sums_remove(int dir_fd, const char *layer)
{
	char name[SUMS_FILE_NAME_LEN];

	unlinkat(dir_fd, sums_file_name(layer, name), 0);
}

const struct sums_head *sums_head(const struct sums *sums)
{
	return &sums->head;
}

void sums_head_name(struct sums_head *head, const struct manifest_layer *layer)
{
	head->layer_bytes = layer->size_bytes;
	head->inode = layer->inode;
	head->mtime_ns = layer->mtime_ns;
}

bool sums_hold(const struct sums *sums, const struct manifest_layer *layer, uint64_t disk_bytes)
{
	const struct sums_head *head = &sums->head;

	return layer->frozen && !layer->adopted && head->merging[0] == '\0' &&
	       head->disk_bytes == disk_bytes && head->layer_bytes == layer->size_bytes &&
	       head->inode == layer->inode && head->mtime_ns == layer->mtime_ns;
}

/* ---- sums ---- */

int sums_get(struct sums *sums, uint64_t block, uint64_t *ret_sum)
{
	int rc = page_load(sums, block);

	if (rc < 0) {
		return rc;
	}
	*ret_sum = le64toh(sums->page.words[block % SUMS_PAGE_SUMS]);
	return sums->damaged ? -EBADMSG : 0;
}

int sums_set(struct sums *sums, uint64_t block, uint64_t sum)
{
	uint64_t first = block - block % SUMS_PAGE_SUMS;
	int rc = page_load(sums, block);

	if (rc < 0) {
		return rc;
	}
	if (sums->damaged) {
		sums->damaged = false;
		sums->dirty = true;
		if (sums->head.filled_bytes > first * SUMS_BLOCK_BYTES) {
			sums->head.filled_bytes = first * SUMS_BLOCK_BYTES;
		}
	}
	if (sums->page.words[block % SUMS_PAGE_SUMS] != htole64(sum)) {
		sums->page.words[block % SUMS_PAGE_SUMS] = htole64(sum);
		sums->dirty = true;
	}
	return 0;
}

int sums_forget(struct sums *sums, uint64_t block)
{
	if (sums->head.filled_bytes > block * SUMS_BLOCK_BYTES) {
		sums->head.filled_bytes = block * SUMS_BLOCK_BYTES;
	}
	return sums_set(sums, block, 0);
}

int sums_commit(struct sums *sums, const struct sums_head *head)
{
	struct sums_head next = *head; /* may be our own */
	int rc = page_flush(sums);

	/* What a head speaks of is on the disk before it. */
	rc = rc == 0 && fdatasync(sums->fd) < 0 ? -errno : rc;
	rc = rc < 0 ? rc : head_write(sums, &next);
	rc = rc == 0 && fdatasync(sums->fd) < 0 ? -errno : rc;
	if (rc == 0) {
		sums->head = next;
	}
	return rc;
}

uint64_t sums_of(const void *data, size_t len, uint64_t block)
{
	uint64_t sum = codec_checksum(data, len, block * SUMS_BLOCK_BYTES);

	return sum == 0 ? 1 : sum;
}

uint64_t sums_of_zeros(size_t len, uint64_t block)
{
	static const uint8_t zeros[SUMS_BLOCK_BYTES];

	return sums_of(zeros, len, block);
}

size_t sums_block_length(uint64_t disk_bytes, uint64_t block)
{
	uint64_t left = disk_bytes - block * SUMS_BLOCK_BYTES;

	return left < SUMS_BLOCK_BYTES ? (size_t)left : SUMS_BLOCK_BYTES;
}
