// SPDX-License-Identifier: GPL-2.0-or-later
/* The ring of records, each written only after the one before was flushed. */
#define _GNU_SOURCE
#include <linux/rtc.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "writer.h"

static int64_t rtc_seconds(void)
{
	struct rtc_time rtc;
	struct tm tm = {0};

	if (g.rtc < 0 || ioctl(g.rtc, RTC_RD_TIME, &rtc) < 0) {
		return -1;
	}
	tm.tm_sec = rtc.tm_sec, tm.tm_min = rtc.tm_min, tm.tm_hour = rtc.tm_hour;
	tm.tm_mday = rtc.tm_mday, tm.tm_mon = rtc.tm_mon, tm.tm_year = rtc.tm_year;
	return timegm(&tm);
}

static int64_t slot_offset(uint64_t seq)
{
	return RING_OFFSET + (int64_t)(seq / DISKS % RING_SLOTS) * BLOCK;
}

/* The gap since the record before, by the clock that shows it: a paused VM's monotonic clock
 * stands still, its RTC does not.  The RTC counts whole seconds, so one is taken off. */
static void note_gap(int64_t now_ns, int64_t rtc)
{
	int64_t gap = 0, by_rtc = 0;

	if (g.last_ns != 0) {
		gap = (now_ns - g.last_ns) / 1000000;
		by_rtc = rtc >= 0 && g.last_rtc >= 0 ? (rtc - g.last_rtc - 1) * 1000 : 0;
	}
	gap = by_rtc > gap ? by_rtc : gap;
	if (gap > g.max_gap_ms) {
		g.max_gap_ms = (uint32_t)gap;
	}
	g.last_ns = now_ns, g.last_rtc = rtc;
}

static void write_anchor(int disk, uint64_t seq)
{
	static struct anchor *block;

	if (block == NULL) {
		block = aligned(BLOCK);
	}
	block->magic = ANCHOR_MAGIC;
	memcpy(block->run, g.run, sizeof(block->run));
	block->seq = seq;
	random_fill(block->filler, 64);
	block->crc = block_crc(block);
	write_all(disk, block, BLOCK, ANCHOR_OFFSET);
	flush(disk);
}

static void write_record(struct record *rec)
{
	uint64_t seq = g.seq + 1;
	int disk = (int)(seq % DISKS);

	if (seq % ANCHOR_EVERY == (uint64_t)disk) {
		write_anchor(disk, seq);
	}
	rec->magic = RECORD_MAGIC;
	rec->seq = seq;
	rec->disk = (uint32_t)disk;
	rec->slot = (uint32_t)(seq / DISKS % RING_SLOTS);
	rec->rtc_s = rtc_seconds();
	rec->monotonic_ns = (uint64_t)clock_ns(CLOCK_MONOTONIC);
	rec->realtime_ns = (uint64_t)clock_ns(CLOCK_REALTIME);
	memcpy(rec->run, g.run, sizeof(rec->run));
	pthread_mutex_lock(&g.lock);
	note_gap((int64_t)rec->monotonic_ns, rec->rtc_s);
	rec->boots = g.boots;
	rec->max_gap_ms = g.max_gap_ms;
	rec->load_done = g.load_done;
	rec->load_floor = g.load_floor;
	pthread_mutex_unlock(&g.lock);
	random_fill(rec->filler, 64);
	rec->crc = block_crc(rec);
	write_all(disk, rec, BLOCK, slot_offset(seq));
	flush(disk);
	g.seq = seq;
}

static void sleep_until(int64_t when_ns)
{
	struct timespec t = {when_ns / 1000000000LL, when_ns % 1000000000LL};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

void *ring_main(void *unused)
{
	struct record *rec = aligned(BLOCK);
	int64_t due = clock_ns(CLOCK_MONOTONIC), now;

	(void)unused;
	while (!g.ending) {
		if (g.stopped) {
			g.last_ns = 0; /* a gap on request is none */
			usleep(20000);
			due = clock_ns(CLOCK_MONOTONIC);
			continue;
		}
		write_record(rec);
		due += (int64_t)(1e9 / g.rate);
		now = clock_ns(CLOCK_MONOTONIC);
		if (due < now) {
			due = now; /* no catching up */
		}
		sleep_until(due);
	}
	return NULL;
}
