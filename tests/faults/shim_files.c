/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The calls that change files. */
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

/* ---- writing ---- */

ssize_t write(int fd, const void *data, size_t len)
{
	ssize_t n;

	if (shim_storage_shall_fail(SHIM_WRITE, fd)) {
		return -1;
	}
	n = REAL(write)(fd, data, len);
	if (n > 0 && fd > 2 && shim_recording()) {
		const struct iovec part = {(void *)(uintptr_t)data, (size_t)n};
		int saved = errno;
		off_t end = lseek(fd, 0, SEEK_CUR);

		if (end >= n) {
			shim_record_data(fd, (uint64_t)(end - n), (uint64_t)n, &part, 1);
		}
		errno = saved;
	}
	return n;
}

ssize_t pwrite64(int fd, const void *data, size_t len, off64_t offset)
{
	ssize_t n;

	if (shim_storage_shall_fail(SHIM_WRITE, fd)) {
		return -1;
	}
	n = REAL(pwrite64)(fd, data, len, offset);
	if (n > 0 && shim_recording()) {
		const struct iovec part = {(void *)(uintptr_t)data, (size_t)n};

		shim_record_data(fd, (uint64_t)offset, (uint64_t)n, &part, 1);
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

	if (shim_storage_shall_fail(SHIM_WRITE, fd)) {
		return -1;
	}
	n = REAL(pwritev64)(fd, parts, count, offset);
	if (n > 0 && shim_recording()) {
		shim_record_data(fd, (uint64_t)offset, (uint64_t)n, parts, count);
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

	if (shim_storage_shall_fail(SHIM_WRITE, to)) {
		return -1;
	}
	n = REAL(copy_file_range)(from, from_at, to, to_at, len, flags);
	if (n > 0 && shim_recording()) {
		off64_t end = to_at == NULL ? lseek(to, 0, SEEK_CUR) : *to_at;
		off64_t from_end = from_at == NULL ? lseek(from, 0, SEEK_CUR) : *from_at;
		struct iovec part = {mmap(NULL, (size_t)n, PROT_READ | PROT_WRITE,
					  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
				     (size_t)n};

		if (part.iov_base != MAP_FAILED &&
		    pread(from, part.iov_base, (size_t)n, from_end - n) == n) {
			shim_record_data(to, (uint64_t)(end - n), (uint64_t)n, &part, 1);
		}
		munmap(part.iov_base, (size_t)n);
	}
	return n;
}

int fallocate64(int fd, int mode, off64_t offset, off64_t len)
{
	int rc;

	if ((mode & FALLOC_FL_PUNCH_HOLE) == 0 && shim_storage_shall_fail(SHIM_WRITE, fd)) {
		return -1;
	}
	rc = REAL(fallocate64)(fd, mode, offset, len);
	if (rc == 0 && (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) != 0) {
		shim_record_range(SHIM_DID_ZERO, fd, (uint64_t)offset, (uint64_t)len);
	}
	if (rc == 0 && (mode & FALLOC_FL_KEEP_SIZE) == 0 && shim_recording()) {
		struct stat st;

		if (fstat(fd, &st) == 0) {
			shim_record_range(SHIM_DID_TRUNCATE, fd, (uint64_t)st.st_size, 0);
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
		shim_record_range(SHIM_DID_TRUNCATE, fd, (uint64_t)size, 0);
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

/* When the file was made: inode numbers are given again. 0: a layer, or no file. */
static int64_t birth_ns(int fd, uint64_t *ret_inode)
{
	struct statx stx;
	char magic[4] = "";

	if (statx(fd, "", AT_EMPTY_PATH, STATX_BTIME | STATX_INO | STATX_TYPE, &stx) < 0 ||
	    !S_ISREG(stx.stx_mode) ||
	    (pread(fd, magic, 4, 0) == 4 && memcmp(magic, "QFI\xfb", 4) == 0)) {
		return 0;
	}
	*ret_inode = stx.stx_ino;
	return stx.stx_btime.tv_sec * 1000000000 + stx.stx_btime.tv_nsec;
}

static bool sync_shall_fail(enum shim_kind kind, int fd)
{
	uint64_t inode = 0;
	int64_t birth;

	if (!shim_storage_shall_fail(kind, fd)) {
		return false;
	}
	birth = birth_ns(fd, &inode);
	atomic_store(&shim->bad_birth_ns, birth);
	atomic_store(&shim->bad_inode, inode);
	errno = atomic_load(&shim->error);
	return true;
}

/* It has succeeded. */
static void sync_judge(int fd)
{
	uint64_t inode = 0;
	int64_t bad = shim == NULL ? 0 : atomic_load(&shim->bad_birth_ns);

	if (bad != 0 && birth_ns(fd, &inode) == bad && inode == atomic_load(&shim->bad_inode)) {
		atomic_fetch_add(&shim->retried, 1);
	}
}

int fsync(int fd)
{
	uint64_t begun = shim == NULL ? 0 : atomic_load(&shim->records);
	int rc;

	if (sync_shall_fail(SHIM_FSYNC, fd)) {
		return -1;
	}
	rc = REAL(fsync)(fd);
	if (rc == 0) {
		sync_judge(fd);
		shim_record_sync(fd, begun, false);
	}
	return rc;
}

int fdatasync(int fd)
{
	uint64_t begun = shim == NULL ? 0 : atomic_load(&shim->records);
	int rc;

	if (sync_shall_fail(SHIM_FDATASYNC, fd)) {
		return -1;
	}
	rc = REAL(fdatasync)(fd);
	if (rc == 0) {
		sync_judge(fd);
		shim_record_sync(fd, begun, true);
	}
	return rc;
}

/* ---- names ---- */

static int file_open(int dir_fd, const char *path, int flags, mode_t mode)
{
	struct stat st;
	bool made = false;
	int fd;

	if (shim_shall_fail(SHIM_OPEN)) {
		return -1;
	}
	if (shim_recording() && (flags & O_CREAT) != 0) {
		made = fstatat(dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0;
	}
	fd = REAL(openat64)(dir_fd, path, flags, mode);
	if (fd >= 0 && made) {
		shim_record_entry(SHIM_DID_CREATE, dir_fd, path);
	} else if (fd >= 0 && (flags & O_TRUNC) != 0) {
		shim_record_range(SHIM_DID_TRUNCATE, fd, 0, 0);
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

	if (shim_shall_fail(SHIM_RENAME)) {
		return -1;
	}
	rc = REAL(renameat)(from_fd, from, to_fd, to);
	if (rc == 0) {
		shim_record_rename(from_fd, from, to_fd, to);
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
		shim_record_entry((flags & AT_REMOVEDIR) != 0 ? SHIM_DID_RMDIR : SHIM_DID_UNLINK,
				  dir_fd, path);
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
		shim_record_entry(SHIM_DID_MKDIR, dir_fd, path);
	}
	return rc;
}

int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
	int rc = REAL(linkat)(from_fd, from, to_fd, to, flags);

	if (rc == 0) {
		shim_record_entry(SHIM_DID_LINK, to_fd, to);
	}
	return rc;
}
