// SPDX-License-Identifier: GPL-2.0-or-later
/* Load: batches of self-describing blocks at a rate, and the erasing of some. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "writer.h"

static void make_load(struct load *block, uint64_t number, int disk, int64_t offset)
{
	size_t random_bytes = sizeof(block->filler) * (size_t)(100 - g.compressible) / 100;

	memset(block, 0, BLOCK);
	block->magic = LOAD_MAGIC;
	memcpy(block->run, g.run, sizeof(block->run));
	block->number = number;
	block->disk = (uint32_t)disk;
	block->offset = (uint64_t)offset;
	random_fill(block->filler, random_bytes);
	block->crc = block_crc(block);
}

/* Batch b = blocks b*256...: disk b % 2, place b / 2 % batches. */
static void write_batch(struct load *batch)
{
	uint64_t first = g.load_next, number = first / BATCH_BLOCKS;
	int disk = (int)(number % DISKS);
	int64_t offset = LOAD_OFFSET + (int64_t)(number / DISKS % g.batches) * BATCH_BYTES;

	for (int i = 0; i < BATCH_BLOCKS; i++) {
		make_load(&batch[i], first + (uint64_t)i, disk, offset + (int64_t)i * BLOCK);
	}
	for (int i = 0; i < BATCH_BLOCKS; i += 64) {
		write_all(disk, &batch[i], 64 * BLOCK, offset + (int64_t)i * BLOCK);
	}
	flush(disk);
	pthread_mutex_lock(&g.lock);
	g.load_next = first + BATCH_BLOCKS;
	g.load_done = g.load_next;
	pthread_mutex_unlock(&g.lock);
}

static pthread_mutex_t load_lock = PTHREAD_MUTEX_INITIALIZER;

void *load_main(void *unused)
{
	struct load *batch = aligned(sizeof(struct load) * BATCH_BLOCKS);
	int64_t due = 0, now, rate;

	(void)unused;
	while (!g.ending) {
		now = clock_ns(CLOCK_MONOTONIC);
		rate = g.load_rate; /* read once: "load 0" may come while a batch is written */
		if (g.stopped || (g.load_left <= 0 && (rate <= 0 || now < due))) {
			usleep(10000);
			continue;
		}
		pthread_mutex_lock(&load_lock);
		write_batch(batch);
		pthread_mutex_unlock(&load_lock);
		if (g.load_left > 0) {
			g.load_left -= BATCH_BYTES;
		} else {
			due = (due < now - 1000000000LL ? now : due) +
			      BATCH_BYTES * 1000 / (rate / 1000 + 1) * 1000;
		}
	}
	return NULL;
}

/* Nothing written so far is expected to be found any more: have that on disk before it is so. */
static void raise_floor(void)
{
	uint64_t seq;

	pthread_mutex_lock(&g.lock);
	g.load_floor = g.load_next;
	pthread_mutex_unlock(&g.lock);
	seq = g.seq;
	while (g.seq < seq + 2 && !g.ending) {
		usleep(5000);
	}
}

/* BLKDISCARD or BLKZEROOUT over part of the load area. */
int load_erase(unsigned long request, int disk, int64_t offset, int64_t length)
{
	uint64_t range[2] = {(uint64_t)offset, (uint64_t)length};
	int result;

	if (disk < 0 || disk >= DISKS || offset < LOAD_OFFSET || length <= 0 || offset % BLOCK ||
	    length % BLOCK || g.stopped) {
		errno = EINVAL;
		return -1;
	}
	pthread_mutex_lock(&load_lock);
	raise_floor();
	result = ioctl(g.fd[disk], request, range);
	flush(disk);
	pthread_mutex_unlock(&load_lock);
	return result;
}
