/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Preloaded into the receiver and its children (shim.h): lets calls fail, turns the wall clock, and
 * records what is done to the store's files. Built by itself, linked with nothing.
 */
#include "tests/faults/shim.h"

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

static struct shim *shim;
static int whom_we_are;

#define REAL(name) ((__typeof__(&name))real(#name))

/* The next one of this name: looked up each time, which needs no state and is fast enough. */
static void *real(const char *name)
{
	return dlsym(RTLD_NEXT, name);
}

__attribute__((constructor)) static void shim_init(void)
{
	const char *path = getenv(SHIM_ENVIRONMENT);
	int fd = path == NULL ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
	void *map = fd < 0 ? MAP_FAILED
			   : mmap(NULL, SHIM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (fd >= 0) {
		syscall(SYS_close, fd);
	}
	if (map != MAP_FAILED) {
		whom_we_are = strstr(program_invocation_short_name, "vmreplica") != NULL
				      ? SHIM_RECEIVER
				      : SHIM_QEMU;
		shim = map;
	}
}

/* ---- failures ---- */

/* Is this call to fail? errno is set then. */
static bool shall_fail(enum shim_kind kind)
{
	long call, at;

	if (shim == NULL || atomic_load(&shim->armed) != (int)kind + 1 ||
	    (atomic_load(&shim->whom) & whom_we_are) == 0) {
		return false;
	}
	call = atomic_fetch_add(&shim->calls, 1) + 1;
	at = atomic_load(&shim->at);
	if (at == 0 || call < at || (call > at && atomic_load(&shim->onward) == 0)) {
		return false;
	}
	atomic_fetch_add(&shim->failed, 1);
	errno = atomic_load(&shim->error);
	return true;
}

/* Not the log, not a socket or an eventfd. */
static bool is_storage(int fd)
{
	struct stat st;

	return fd > 2 && shim != NULL && fstat(fd, &st) == 0 &&
	       (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode));
}

static bool storage_shall_fail(enum shim_kind kind, int fd)
{
	return shim != NULL && atomic_load(&shim->armed) == (int)kind + 1 && is_storage(fd) &&
	       shall_fail(kind);
}

/* ---- the record ---- */

static bool recording(void)
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
static void data_record(int fd, uint64_t offset, uint64_t size, const struct iovec *parts,
			int count)
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

static void range_record(enum shim_what what, int fd, uint64_t offset, uint64_t size)
{
	struct shim_record *record;
	struct stat st;

	if (!recording() || !fd_known(fd, &st)) {
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

static void sync_record(int fd, uint64_t begun, bool data_only)
{
	struct shim_record *record;
	struct stat st;

	if (!recording() || !fd_known(fd, &st)) {
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

static void entry_record(enum shim_what what, int dir_fd, const char *path)
{
	struct shim_record *record;
	char name[SHIM_NAME];
	struct stat st;
	uint64_t parent;
	int saved = errno;
	bool made = what == SHIM_DID_CREATE || what == SHIM_DID_MKDIR || what == SHIM_DID_LINK;

	if (recording() && parent_find(dir_fd, path, &parent, name) &&
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

static void rename_record(int from_fd, const char *from, int to_fd, const char *to)
{
	char name[SHIM_NAME], other[SHIM_NAME];
	struct shim_record *record;
	uint64_t parent, other_parent;
	int saved = errno;

	if (recording() && parent_find(from_fd, from, &parent, name) &&
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

/* ---- writing ---- */

ssize_t write(int fd, const void *data, size_t len)
{
	ssize_t n;

	if (storage_shall_fail(SHIM_WRITE, fd)) {
		return -1;
	}
	n = REAL(write)(fd, data, len);
	if (n > 0 && fd > 2 && recording()) {
		const struct iovec part = {(void *)(uintptr_t)data, (size_t)n};
		int saved = errno;
		off_t end = lseek(fd, 0, SEEK_CUR);

		if (end >= n) {
			data_record(fd, (uint64_t)(end - n), (uint64_t)n, &part, 1);
		}
		errno = saved;
	}
	return n;
}

ssize_t pwrite64(int fd, const void *data, size_t len, off64_t offset)
{
	ssize_t n;

	if (storage_shall_fail(SHIM_WRITE, fd)) {
		return -1;
	}
	n = REAL(pwrite64)(fd, data, len, offset);
	if (n > 0 && recording()) {
		const struct iovec part = {(void *)(uintptr_t)data, (size_t)n};

		data_record(fd, (uint64_t)offset, (uint64_t)n, &part, 1);
	}
	return n;
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t offset)
{
	return pwrite64(fd, data, len, offset);
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t offset)
{
	ssize_t n;

	if (storage_shall_fail(SHIM_WRITE, fd)) {
		return -1;
	}
	n = REAL(pwritev64)(fd, parts, count, offset);
	if (n > 0 && recording()) {
		data_record(fd, (uint64_t)offset, (uint64_t)n, parts, count);
	}
	return n;
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
	return pwritev64(fd, parts, count, offset);
}

ssize_t copy_file_range(int from, off64_t *from_at, int to, off64_t *to_at, size_t len,
			unsigned int flags)
{
	ssize_t n;

	if (storage_shall_fail(SHIM_WRITE, to)) {
		return -1;
	}
	n = REAL(copy_file_range)(from, from_at, to, to_at, len, flags);
	if (n > 0 && recording()) {
		off64_t end = to_at == NULL ? lseek(to, 0, SEEK_CUR) : *to_at;
		off64_t from_end = from_at == NULL ? lseek(from, 0, SEEK_CUR) : *from_at;
		struct iovec part = {mmap(NULL, (size_t)n, PROT_READ | PROT_WRITE,
					  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
				     (size_t)n};

		if (part.iov_base != MAP_FAILED &&
		    pread(from, part.iov_base, (size_t)n, from_end - n) == n) {
			data_record(to, (uint64_t)(end - n), (uint64_t)n, &part, 1);
		}
		munmap(part.iov_base, (size_t)n);
	}
	return n;
}

int fallocate64(int fd, int mode, off64_t offset, off64_t len)
{
	int rc;

	if ((mode & FALLOC_FL_PUNCH_HOLE) == 0 && storage_shall_fail(SHIM_WRITE, fd)) {
		return -1;
	}
	rc = REAL(fallocate64)(fd, mode, offset, len);
	if (rc == 0 && (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) != 0) {
		range_record(SHIM_DID_ZERO, fd, (uint64_t)offset, (uint64_t)len);
	}
	if (rc == 0 && (mode & FALLOC_FL_KEEP_SIZE) == 0 && recording()) {
		struct stat st;

		if (fstat(fd, &st) == 0) {
			range_record(SHIM_DID_TRUNCATE, fd, (uint64_t)st.st_size, 0);
		}
	}
	return rc;
}

int fallocate(int fd, int mode, off_t offset, off_t len)
{
	return fallocate64(fd, mode, offset, len);
}

int ftruncate64(int fd, off64_t size)
{
	int rc = REAL(ftruncate64)(fd, size);

	if (rc == 0) {
		range_record(SHIM_DID_TRUNCATE, fd, (uint64_t)size, 0);
	}
	return rc;
}

int ftruncate(int fd, off_t size)
{
	return ftruncate64(fd, size);
}

/* A full file system says that it is full. */
static void room_tell(struct statvfs *fs)
{
	if (shim != NULL && atomic_load(&shim->armed) == SHIM_WRITE + 1 &&
	    atomic_load(&shim->error) == ENOSPC && atomic_load(&shim->onward) != 0 &&
	    atomic_load(&shim->failed) > 0) {
		fs->f_bavail = fs->f_bfree = 0;
	}
}

int fstatvfs(int fd, struct statvfs *fs)
{
	int rc = REAL(fstatvfs)(fd, fs);

	if (rc == 0) {
		room_tell(fs);
	}
	return rc;
}

/* ---- making durable ---- */

int fsync(int fd)
{
	uint64_t begun = shim == NULL ? 0 : atomic_load(&shim->records);
	int rc;

	if (storage_shall_fail(SHIM_FSYNC, fd)) {
		return -1;
	}
	rc = REAL(fsync)(fd);
	if (rc == 0) {
		sync_record(fd, begun, false);
	}
	return rc;
}

int fdatasync(int fd)
{
	uint64_t begun = shim == NULL ? 0 : atomic_load(&shim->records);
	int rc;

	if (storage_shall_fail(SHIM_FDATASYNC, fd)) {
		return -1;
	}
	rc = REAL(fdatasync)(fd);
	if (rc == 0) {
		sync_record(fd, begun, true);
	}
	return rc;
}

/* ---- names ---- */

static int file_open(int dir_fd, const char *path, int flags, mode_t mode)
{
	struct stat st;
	bool made = false;
	int fd;

	if (shall_fail(SHIM_OPEN)) {
		return -1;
	}
	if (recording() && (flags & O_CREAT) != 0) {
		made = fstatat(dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0;
	}
	fd = REAL(openat64)(dir_fd, path, flags, mode);
	if (fd >= 0 && made) {
		entry_record(SHIM_DID_CREATE, dir_fd, path);
	} else if (fd >= 0 && (flags & O_TRUNC) != 0) {
		range_record(SHIM_DID_TRUNCATE, fd, 0, 0);
	}
	return fd;
}

#define MODE_TAKE(flags, mode)                                                                     \
	if (((flags)&O_CREAT) != 0 || ((flags)&O_TMPFILE) == O_TMPFILE) {                          \
		va_list arguments;                                                                 \
		va_start(arguments, flags);                                                        \
		(mode) = va_arg(arguments, mode_t);                                                \
		va_end(arguments);                                                                 \
	}

int open64(const char *path, int flags, ...)
{
	mode_t mode = 0;

	MODE_TAKE(flags, mode)
	return file_open(AT_FDCWD, path, flags, mode);
}

int open(const char *path, int flags, ...)
{
	mode_t mode = 0;

	MODE_TAKE(flags, mode)
	return file_open(AT_FDCWD, path, flags, mode);
}

int openat64(int dir_fd, const char *path, int flags, ...)
{
	mode_t mode = 0;

	MODE_TAKE(flags, mode)
	return file_open(dir_fd, path, flags, mode);
}

int openat(int dir_fd, const char *path, int flags, ...)
{
	mode_t mode = 0;

	MODE_TAKE(flags, mode)
	return file_open(dir_fd, path, flags, mode);
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	int rc;

	if (shall_fail(SHIM_RENAME)) {
		return -1;
	}
	rc = REAL(renameat)(from_fd, from, to_fd, to);
	if (rc == 0) {
		rename_record(from_fd, from, to_fd, to);
	}
	return rc;
}

int rename(const char *from, const char *to)
{
	return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int unlinkat(int dir_fd, const char *path, int flags)
{
	int rc = REAL(unlinkat)(dir_fd, path, flags);

	if (rc == 0) {
		entry_record((flags & AT_REMOVEDIR) != 0 ? SHIM_DID_RMDIR : SHIM_DID_UNLINK, dir_fd,
			     path);
	}
	return rc;
}

int unlink(const char *path)
{
	return unlinkat(AT_FDCWD, path, 0);
}

int mkdirat(int dir_fd, const char *path, mode_t mode)
{
	int rc = REAL(mkdirat)(dir_fd, path, mode);

	if (rc == 0) {
		entry_record(SHIM_DID_MKDIR, dir_fd, path);
	}
	return rc;
}

int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
	int rc = REAL(linkat)(from_fd, from, to_fd, to, flags);

	if (rc == 0) {
		entry_record(SHIM_DID_LINK, to_fd, to);
	}
	return rc;
}

/* ---- memory ---- */

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);

/* A sanitizer has an allocator of its own: then the next one is called, which is looked up without
 * allocating. Else the C library's, which answers before any lookup could. */
extern void __asan_init(void) __attribute__((weak));
extern void __tsan_init(void) __attribute__((weak));

static bool sanitized(void)
{
	return __asan_init != NULL || __tsan_init != NULL;
}

#define NEXT_MALLOC(size) (sanitized() ? REAL(malloc)(size) : __libc_malloc(size))
#define NEXT_CALLOC(count, size)                                                                   \
	(sanitized() ? REAL(calloc)(count, size) : __libc_calloc(count, size))
#define NEXT_REALLOC(memory, size)                                                                 \
	(sanitized() ? REAL(realloc)(memory, size) : __libc_realloc(memory, size))

void *malloc(size_t size)
{
	return shall_fail(SHIM_MALLOC) ? NULL : NEXT_MALLOC(size);
}

void *calloc(size_t count, size_t size)
{
	return shall_fail(SHIM_MALLOC) ? NULL : NEXT_CALLOC(count, size);
}

void *realloc(void *memory, size_t size)
{
	return shall_fail(SHIM_MALLOC) ? NULL : NEXT_REALLOC(memory, size);
}

void *reallocarray(void *memory, size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(memory, bytes);
}

/* ---- the wall clock ---- */

static int64_t clock_offset(void)
{
	return shim == NULL ? 0 : atomic_load(&shim->clock_offset_s);
}

int clock_gettime(clockid_t id, struct timespec *ret_time)
{
	int rc = REAL(clock_gettime)(id, ret_time);

	if (rc == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) {
		ret_time->tv_sec += clock_offset();
	}
	return rc;
}

time_t time(time_t *ret_time)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (ret_time != NULL) {
		*ret_time = now.tv_sec;
	}
	return now.tv_sec;
}

int gettimeofday(struct timeval *restrict ret_time, void *restrict zone)
{
	struct timespec now;

	(void)zone;
	clock_gettime(CLOCK_REALTIME, &now);
	ret_time->tv_sec = now.tv_sec;
	ret_time->tv_usec = now.tv_nsec / 1000;
	return 0;
}
