// SPDX-License-Identifier: GPL-2.0-or-later
/* Blocks: checksums, random content, and writing that does not give up. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "writer.h"

static uint32_t crc_table[256];

void crc_init(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;
		for (int k = 0; k < 8; k++) {
			c = c & 1 ? 0xedb88320u ^ (c >> 1) : c >> 1;
		}
		crc_table[i] = c;
	}
}

static uint32_t crc32_of(const void *data, size_t length)
{
	const uint8_t *p = data;
	uint32_t c = 0xffffffffu;

	while (length--) {
		c = crc_table[(c ^ *p++) & 0xff] ^ (c >> 8);
	}
	return c ^ 0xffffffffu;
}

uint32_t block_crc(const void *block)
{
	return crc32_of(block, BLOCK - 4);
}

int64_t clock_ns(int id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* Fast and incompressible enough (xorshift64*). */
void random_fill(uint8_t *out, size_t length)
{
	static __thread uint64_t state;

	if (state == 0) {
		(void)!getrandom(&state, sizeof(state), 0);
		state |= 1;
	}
	for (size_t i = 0; i + 8 <= length; i += 8) {
		state ^= state >> 12, state ^= state << 25, state ^= state >> 27;
		uint64_t value = state * 0x2545f4914f6cdd1dULL;
		memcpy(out + i, &value, 8);
	}
}

void report(const char *what)
{
	g.error = errno;
	fprintf(stderr, "writer: %s: %s\n", what, strerror(errno));
}

/* Write LENGTH bytes, block aligned, retrying for ever: the guest of an ill disk waits, as a
 * file system that does not give up would. */
void write_all(int disk, const void *data, size_t length, int64_t offset)
{
	const uint8_t *p = data;

	while (length > 0) {
		ssize_t done = pwrite(g.fd[disk], p, length, offset);
		if (done <= 0) {
			report("write");
			sleep(1);
			continue;
		}
		p += done, length -= (size_t)done, offset += done;
	}
}

void flush(int disk)
{
	int64_t start = clock_ns(CLOCK_MONOTONIC), took;

	while (fdatasync(g.fd[disk]) < 0) {
		report("flush");
		sleep(1);
	}
	took = (clock_ns(CLOCK_MONOTONIC) - start) / 1000;
	if (took > g.max_flush_us) {
		g.max_flush_us = took;
	}
}

void *aligned(size_t length)
{
	void *p = NULL;

	if (posix_memalign(&p, BLOCK, length) != 0) {
		abort();
	}
	memset(p, 0, length);
	return p;
}

bool read_block(int disk, int64_t offset, void *block)
{
	uint32_t crc;

	if (pread(g.fd[disk], block, BLOCK, offset) != BLOCK) {
		return false;
	}
	memcpy(&crc, (uint8_t *)block + BLOCK - 4, 4);
	return crc == block_crc(block);
}
