/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the tests and the preloaded library (shim.c) share: a file that is mapped into the test, the
 * receiver and the receiver's children. The test orders failures, another wall clock and a record
 * in it; the library counts and writes the record. No call of the system is needed for that, so
 * that no confinement of the receiver stands against it.
 */
#ifndef VMR_TESTS_FAULTS_SHIM_H
#define VMR_TESTS_FAULTS_SHIM_H

#include <stdatomic.h>
#include <stdint.h>

#define SHIM_ENVIRONMENT "VMREPLICA_TEST_FAULTS"

enum shim_kind {
	SHIM_WRITE, /* write, pwrite, pwritev, copy_file_range, fallocate of a file */
	SHIM_FSYNC,
	SHIM_FDATASYNC,
	SHIM_RENAME,
	SHIM_OPEN,
	SHIM_MALLOC, /* malloc, calloc, realloc, reallocarray */
	SHIM_KINDS,
};

enum shim_whom {
	SHIM_RECEIVER = 1, /* the program itself */
	SHIM_QEMU = 2,	   /* its children */
};

/* One thing that was done to the store's files, in the order in which they were over. */
enum shim_what {
	SHIM_DID_WRITE,	   /* ino, offset, size; the data follows */
	SHIM_DID_TRUNCATE, /* ino, offset: the new size */
	SHIM_DID_ZERO,	   /* ino, offset, size (a hole is punched, or zeros written) */
	SHIM_DID_SYNC,	   /* ino; begun: all before that position is durable */
	SHIM_DID_CREATE,   /* ino in directory parent, as name */
	SHIM_DID_MKDIR,	   /* the same */
	SHIM_DID_UNLINK,   /* name in directory parent */
	SHIM_DID_RMDIR,	   /* the same */
	SHIM_DID_RENAME,   /* name in parent becomes other_name in other_parent */
	SHIM_DID_LINK,	   /* ino is also name in parent */
	SHIM_DID_MARK,	   /* of the test: a cycle was acknowledged (offset: its number) */
};

#define SHIM_NAME 64

struct shim_record {
	_Atomic uint32_t ready; /* written last */
	uint32_t what;
	uint64_t ino, offset, size, begun;
	int64_t mtime_ns; /* of the file, after a write or sync */
	uint64_t parent, other_parent;
	char name[SHIM_NAME], other_name[SHIM_NAME];
	uint64_t data; /* where in the data it begins */
};

#define SHIM_RECORDS	60000u
#define SHIM_DATA_BYTES (400ull << 20)
#define SHIM_INODES	4096u

struct shim {
	/* failures */
	_Atomic int armed;  /* enum shim_kind + 1; 0: none */
	_Atomic int whom;   /* set of enum shim_whom */
	_Atomic long at;    /* this call fails (from 1; 0: only count), */
	_Atomic int onward; /* and all after it */
	_Atomic int error;
	_Atomic long calls, failed;
	/* the file whose fsync has failed last, and how often fsync of such a one (but for layers,
	 * which programs of their own make durable) has succeeded after that */
	_Atomic uint64_t bad_inode;
	_Atomic int64_t bad_birth_ns;
	_Atomic long retried;
	/* the wall clock */
	_Atomic int64_t clock_offset_s;
	/* the record */
	_Atomic int recording;
	_Atomic uint64_t records, data_bytes;
	_Atomic uint64_t known[SHIM_INODES]; /* inodes of the store; 0 = free */
	struct shim_record record[SHIM_RECORDS];
	uint8_t data[];
};

#define SHIM_SIZE (sizeof(struct shim) + SHIM_DATA_BYTES)

#endif
