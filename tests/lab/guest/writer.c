// SPDX-License-Identifier: GPL-2.0-or-later
/* The lab guest's only program: writes records that can be judged (layout.h). */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/reboot.h>
#include <unistd.h>

#include "writer.h"

struct writer g = {.lock = PTHREAD_MUTEX_INITIALIZER, .rate = 20};

static void find_newest(void)
{
	struct record *rec = aligned(BLOCK);

	for (int disk = 0; disk < DISKS; disk++) {
		for (int64_t slot = 0; slot < RING_SLOTS; slot++) {
			if (read_block(disk, RING_OFFSET + slot * BLOCK, rec) &&
			    rec->magic == RECORD_MAGIC && memcmp(rec->run, g.run, 16) == 0 &&
			    rec->seq > g.seq) {
				g.seq = rec->seq;
				g.boots = rec->boots + 1;
				g.load_done = rec->load_done;
			}
		}
	}
	/* Blocks written but not yet recorded may lie above load_done: nothing is expected of the
	 * round that was interrupted, the next block goes to the same place a round later. */
	g.load_next = (g.load_done / BATCH_BLOCKS + g.batches * DISKS) * BATCH_BLOCKS;
	g.load_floor = g.load_done = g.load_next;
	free(rec);
}

static void format(void)
{
	struct header *h = aligned(BLOCK);

	(void)!getrandom(g.run, sizeof(g.run), 0);
	for (int disk = 0; disk < DISKS; disk++) {
		h->magic = HEADER_MAGIC;
		memcpy(h->run, g.run, sizeof(h->run));
		h->disk = (uint32_t)disk, h->disks = DISKS;
		h->ring_offset = RING_OFFSET, h->ring_slots = RING_SLOTS;
		h->load_offset = LOAD_OFFSET, h->load_batches = g.batches;
		h->crc = block_crc(h);
		write_all(disk, h, BLOCK, 0);
		flush(disk);
	}
	free(h);
}

static void open_disks(void)
{
	static const char *const paths[DISKS] = {"/dev/vda", "/dev/vdb"};
	struct header *h = aligned(BLOCK);

	for (int disk = 0; disk < DISKS; disk++) {
		uint64_t size = 0;
		g.fd[disk] = open(paths[disk], O_RDWR | O_DIRECT | O_CLOEXEC);
		if (g.fd[disk] < 0 || ioctl(g.fd[disk], BLKGETSIZE64, &size) < 0) {
			report(paths[disk]);
			sleep(5);
			reboot(RB_POWER_OFF);
		}
		if (g.size == 0 || (int64_t)size < g.size) {
			g.size = (int64_t)size;
		}
	}
	g.batches = g.size > LOAD_OFFSET ? (uint64_t)((g.size - LOAD_OFFSET) / BATCH_BYTES) : 1;
	if (read_block(0, 0, h) && h->magic == HEADER_MAGIC) {
		memcpy(g.run, h->run, sizeof(g.run));
		g.batches = h->load_batches; /* as formatted, though the disk may have grown */
		find_newest();
	} else {
		format();
	}
	free(h);
}

int main(int argc, char **argv)
{
	pthread_t ring, load, command, power, file;

	if (argc > 1 && atof(argv[1]) > 0) {
		g.rate = atof(argv[1]);
	}
	crc_init();
	g.rtc = open("/dev/rtc0", O_RDONLY | O_CLOEXEC);
	open_disks();
	fprintf(stderr, "writer: starts after record %llu\n", (unsigned long long)g.seq);
	pthread_create(&ring, NULL, ring_main, NULL);
	pthread_create(&load, NULL, load_main, NULL);
	pthread_create(&command, NULL, console_main, argc > 2 ? argv[2] : "/dev/ttyS1");
	pthread_create(&power, NULL, power_main, NULL);
	if (argc > 3) {
		g.file = argv[3];
		pthread_create(&file, NULL, file_main, NULL);
	}
	pthread_join(ring, NULL);
	pause();
	return 0;
}
