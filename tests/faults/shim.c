/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Preloaded into the receiver and its children (shim.h): lets calls fail, turns the wall clock, and
 * records what is done to the store's files. Built by itself, linked with nothing.
 */
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

struct shim *shim;
static int whom_we_are;

void *shim_real(const char *name)
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
bool shim_shall_fail(enum shim_kind kind)
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

bool shim_storage_shall_fail(enum shim_kind kind, int fd)
{
	return shim != NULL && atomic_load(&shim->armed) == (int)kind + 1 && is_storage(fd) &&
	       shim_shall_fail(kind);
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
	return shim_shall_fail(SHIM_MALLOC) ? NULL : NEXT_MALLOC(size);
}

void *calloc(size_t count, size_t size)
{
	return shim_shall_fail(SHIM_MALLOC) ? NULL : NEXT_CALLOC(count, size);
}

void *realloc(void *memory, size_t size)
{
	return shim_shall_fail(SHIM_MALLOC) ? NULL : NEXT_REALLOC(memory, size);
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
