/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is done to the store's files is written down. */
#include "tests/faults/shim_parts.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

bool shim_recording(void)
{
	return shim != NULL && atomic_load(&shim->recording) != 0;
}

static bool inode_is_known(uint64_t ino)
{
	for (size_t i = 0; i < SHIM_INODES; i++) {
		uint64_t known = atomic_load(&shim->known[i]);

		if (known == ino || known == 0) {
			return known == ino;
		}
	}
	return false;
}

static void inode_add(uint64_t ino)
{
	for (size_t i = 0; i < SHIM_INODES && !inode_is_known(ino); i++) {
		uint64_t none = 0;

		if (atomic_compare_exchange_strong(&shim->known[i], &none, ino)) {
			return;
		}
	}
}

/* Full: the test sees that by the count. */
static struct shim_record *record_begin(enum shim_what what)
{
	uint64_t index = atomic_fetch_add(&shim->records, 1);
	struct shim_record *record = index < SHIM_RECORDS ? &shim->record[index] : NULL;

	if (record != NULL) {
		record->what = what;
	}
	return record;
}

static void record_end(struct shim_record *record)
{
	if (record != NULL) {
		atomic_store(&record->ready, 1);
	}
}

static bool fd_known(int fd, struct stat *st)
{
	return fd > 2 && fstat(fd, st) == 0 && inode_is_known(st->st_ino);
}

static int64_t mtime_ns(const struct stat *st)
{
	return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

/* size bytes of the file at offset, as they are now: what was just written, when nobody else writes
 * there. */
void shim_record_data(int fd, uint64_t offset, uint64_t size, const struct iovec *parts, int count)
{
	struct shim_record *record;
	struct stat st;
	uint64_t at;

	if (!fd_known(fd, &st) || size == 0) {
		return;
	}
	at = atomic_fetch_add(&shim->data_bytes, size);
	if (at + size > SHIM_DATA_BYTES) {
		atomic_store(&shim->records, SHIM_RECORDS + 1);
		return;
	}
	for (uint64_t done = 0; count > 0 && done < size; parts++, count--) {
		size_t len = parts->iov_len < size - done ? parts->iov_len : size - done;

		memcpy(shim->data + at + done, parts->iov_base, len);
		done += len;
	}
	record = record_begin(SHIM_DID_WRITE);
	if (record != NULL) {
		record->ino = st.st_ino;
		record->offset = offset;
		record->size = size;
		record->data = at;
		record->mtime_ns = mtime_ns(&st);
	}
	record_end(record);
}

void shim_record_range(enum shim_what what, int fd, uint64_t offset, uint64_t size)
{
	struct shim_record *record;
	struct stat st;

	if (!shim_recording() || !fd_known(fd, &st)) {
		return;
	}
	record = record_begin(what);
	if (record != NULL) {
		record->ino = st.st_ino;
		record->offset = offset;
		record->size = size;
		record->mtime_ns = mtime_ns(&st);
	}
	record_end(record);
}

void shim_record_sync(int fd, uint64_t begun, bool data_only)
{
	struct shim_record *record;
	struct stat st;

	if (!shim_recording() || !fd_known(fd, &st)) {
		return;
	}
	record = record_begin(SHIM_DID_SYNC);
	if (record != NULL) {
		record->ino = st.st_ino;
		record->begun = begun;
		record->mtime_ns = data_only ? 0 : mtime_ns(&st);
	}
	record_end(record);
}

/* The directory that path names something in, and the name there. false: none of the store's. */
static bool parent_find(int dir_fd, const char *path, uint64_t *ret_parent, char name[SHIM_NAME])
{
	const char *slash = strrchr(path, '/');
	char directory[1024] = ".";
	struct stat st;

	if (slash != NULL && (size_t)(slash - path) < sizeof(directory)) {
		memcpy(directory, path, (size_t)(slash - path));
		directory[slash - path] = '\0';
		if (slash == path) {
			strcpy(directory, "/");
		}
	}
	if (fstatat(dir_fd, directory, &st, 0) < 0 || !inode_is_known(st.st_ino)) {
		return false;
	}
	*ret_parent = st.st_ino;
	strncpy(name, slash == NULL ? path : slash + 1, SHIM_NAME - 1);
	name[SHIM_NAME - 1] = '\0';
	return true;
}

void shim_record_entry(enum shim_what what, int dir_fd, const char *path)
{
	struct shim_record *record;
	char name[SHIM_NAME];
	struct stat st;
	uint64_t parent;
	int saved = errno;
	bool made = what == SHIM_DID_CREATE || what == SHIM_DID_MKDIR || what == SHIM_DID_LINK;

	if (shim_recording() && parent_find(dir_fd, path, &parent, name) &&
	    (!made || fstatat(dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0)) {
		if (made) {
			inode_add(st.st_ino);
		}
		record = record_begin(what);
		if (record != NULL) {
			record->ino = made ? st.st_ino : 0;
			record->mtime_ns = made ? mtime_ns(&st) : 0;
			record->parent = parent;
			memcpy(record->name, name, sizeof(name));
		}
		record_end(record);
	}
	errno = saved;
}

void shim_record_rename(int from_fd, const char *from, int to_fd, const char *to)
{
	char name[SHIM_NAME], other[SHIM_NAME];
	struct shim_record *record;
	uint64_t parent, other_parent;
	int saved = errno;

	if (shim_recording() && parent_find(from_fd, from, &parent, name) &&
	    parent_find(to_fd, to, &other_parent, other)) {
		record = record_begin(SHIM_DID_RENAME);
		if (record != NULL) {
			record->parent = parent;
			record->other_parent = other_parent;
			memcpy(record->name, name, sizeof(name));
			memcpy(record->other_name, other, sizeof(other));
		}
		record_end(record);
	}
	errno = saved;
}
