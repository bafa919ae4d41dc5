// SPDX-License-Identifier: GPL-2.0-or-later
/* What the parts of the lab guest's writer share. */
#ifndef LAB_WRITER_H
#define LAB_WRITER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "layout.h"

struct writer {
	pthread_mutex_t lock;
	int fd[DISKS];
	int rtc;
	int64_t size;
	uint64_t batches; /* per disk */
	uint8_t run[16];
	uint64_t seq; /* newest flushed record */
	uint32_t boots;
	double rate; /* records a second */
	bool stopped, ending;
	uint64_t load_next, load_done, load_floor;
	int64_t load_rate; /* bytes a second, continuous */
	int64_t load_left; /* bytes still to write at full speed */
	int compressible;  /* per cent of a load block that is zero bytes */
	uint32_t max_gap_ms;
	int64_t last_ns, last_rtc;
	int64_t max_flush_us;
	int error;
	const char *file; /* of a mounted file system; NULL = none */
	uint64_t file_lines;
	uint32_t file_gap_ms;
};

extern struct writer g;

/* block.c: whole blocks to and from the disks; errors are retried for ever. */
void crc_init(void);
uint32_t block_crc(const void *block);
int64_t clock_ns(int id);
void random_fill(uint8_t *out, size_t length);
void report(const char *what);
void write_all(int disk, const void *data, size_t length, int64_t offset);
void flush(int disk);
void *aligned(size_t length);
bool read_block(int disk, int64_t offset, void *block);

/* The threads, and what commands ask of them. */
void *ring_main(void *unused);
void *load_main(void *unused);
void *console_main(void *path);
void *power_main(void *unused);
void *file_main(void *unused);
int load_erase(unsigned long request, int disk, int64_t offset, int64_t length);

#endif
