/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A log file of any bytes: read whole and partial, verified, and resumed where its records end.
 * What the reader hands out must lie inside its disks; what was resumed and finished must verify
 * when its data does.
 *
 * Checksums would keep a fuzzer outside for ever, so it corrects them first: the header's always,
 * each record's where one seems to stand.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/checked.h"
#include "proto/logfile.h"
#include "proto/logfile_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t payload[FRAME_PAYLOAD_MAX];
static char path[] = "/tmp/vmreplica-fuzz-XXXXXX";

static void put_u64(uint8_t *at, uint64_t value)
{
	for (unsigned int i = 0; i < 8; i++) {
		at[i] = (uint8_t)(value >> 8 * i);
	}
}

static uint32_t get_u32(const uint8_t *at)
{
	return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static void checksums_correct(uint8_t *log, size_t size)
{
	size_t at = LOGFILE_HEADER_LEN;

	if (size < LOGFILE_HEADER_LEN) {
		return;
	}
	put_u64(log + LOGFILE_HEADER_LEN - 8, codec_checksum(log, LOGFILE_HEADER_LEN - 8, 0));
	while (at + LOGFILE_RECORD_LEN <= size && get_u32(log + at) == LOGFILE_RECORD_MAGIC) {
		put_u64(log + at + 40, codec_checksum(log + at, 40, at));
		at += LOGFILE_RECORD_LEN + get_u32(log + at + 24);
	}
	if (at + LOGFILE_TRAILER_LEN <= size && get_u32(log + at) == LOGFILE_TRAILER_MAGIC) {
		put_u64(log + at + 56, codec_checksum(log + at, 56, 0));
	}
}

/* Where the records end that can be read; 0 when not even the header can. */
static uint64_t read_all(bool partial, struct logfile_header *ret_header)
{
	char error[LOGFILE_ERROR_LEN] = "";
	struct logfile_record record;
	struct logfile_reader *reader;
	const struct logfile_header *header;
	uint64_t end;
	int r;

	if (logfile_reader_open(path, partial, &reader, error) < 0) {
		assert(strlen(error) > 0);
		return 0;
	}
	header = logfile_reader_header(reader);
	end = logfile_reader_offset(reader);
	while ((r = logfile_reader_next(reader, &record, payload, sizeof(payload))) == 1) {
		assert(record.disk < header->disk_count);
		assert(range_is_inside(record.offset, record.length,
				       header->disks[record.disk].size_bytes));
		assert(record.zero ? record.payload_len == 0 : record.length <= CHUNK_MAX);
		end = logfile_reader_offset(reader);
	}
	assert(r <= 0 && (r == 0 || strlen(logfile_reader_error(reader)) > 0));
	*ret_header = *header;
	logfile_reader_close(reader);
	return end;
}

static void resume(int fd, uint64_t end, const struct logfile_header *header)
{
	char error[LOGFILE_ERROR_LEN];
	struct logfile_header again;
	struct logfile_trailer trailer;
	struct logfile_writer *writer;
	int r = logfile_writer_resume(fd, end, header, &writer);

	assert(r == 0);
	r = logfile_writer_finish(writer, &trailer);
	assert(r == 0);
	logfile_writer_free(writer);
	/* The structure is whole now; only a record's data may still be wrong. */
	assert(read_all(false, &again) == end);
	r = logfile_verify(path, &trailer, error);
	assert(r == 0 || strstr(error, "checksum") != NULL);
}

static void path_remove(void)
{
	unlink(path);
}

/* One file for all runs: a name is what the reader takes. */
static int log_open_file(void)
{
	static int fd = -1;

	if (fd < 0) {
		fd = mkstemp(path);
		atexit(path_remove);
	}
	assert(fd >= 0);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = log_open_file();
	char error[LOGFILE_ERROR_LEN];
	struct logfile_trailer trailer;
	struct logfile_header header;
	uint8_t *log = malloc(size > 0 ? size : 1);
	uint64_t end;
	int r;

	assert(log != NULL);
	memcpy(log, data, size);
	checksums_correct(log, size);
	r = ftruncate(fd, 0);
	assert(r == 0);
	if (pwrite(fd, log, size, 0) != (ssize_t)size) {
		abort();
	}
	free(log);
	(void)logfile_verify(path, &trailer, error);
	(void)read_all(false, &header);
	end = read_all(true, &header);
	if (end > 0) {
		resume(fd, end, &header);
	}
	return 0;
}
