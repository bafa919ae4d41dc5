/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A log file of any bytes: read whole and partial, and resumed where its records end. What the
 * reader hands out must lie inside its disks; what was resumed and finished must verify, unless
 * a record's data is wrong.
 *
 * The input's first byte says what follows it: odd, a whole file; even, what stands behind a good
 * header (which would take nine mutations of ten). Checksums would keep a fuzzer outside for ever,
 * so they are corrected: the header's, each record's and the trailer's where one seems to stand.
 * The mutator doubles, swaps and drops records, and takes fields of them to extremes.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/checked.h"
#include "fuzz.h"
#include "mutate_pieces.h"
#include "proto/logfile.h"
#include "proto/logfile_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t payload[FRAME_PAYLOAD_MAX];
static char path[] = "/dev/shm/vmreplica-fuzz-XXXXXX";

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

/* The header of an input without one. */
static void header_make(uint8_t raw[LOGFILE_HEADER_LEN])
{
	struct logfile_header header = {.epoch_number = 1, .seq = 7, .disk_count = 2};
	int r;

	strcpy(header.relationship, "0b6f4b1c-93a5-4f7e-8b1a-5d2f6c7e8a90");
	strcpy(header.epoch_lineage, "a1");
	strcpy(header.cut_id, "0123456789abcdef");
	strcpy(header.disks[0].name, "vda");
	strcpy(header.disks[1].name, "vdb");
	header.disks[0].size_bytes = DISK_SIZE_MAX;
	header.disks[1].size_bytes = 1 << 20;
	r = logfile_header_encode(&header, raw);
	assert(r == 0);
}

/* Write the input's log into fd. */
static void log_put(int fd, const uint8_t *data, size_t size)
{
	size_t header_len = (data[0] & 1) != 0 ? 0 : LOGFILE_HEADER_LEN,
	       len = header_len + size - 1;
	uint8_t *log = malloc(len > 0 ? len : 1);
	int r;

	assert(log != NULL);
	if (header_len > 0) {
		header_make(log);
	}
	memcpy(log + header_len, data + 1, size - 1);
	checksums_correct(log, len);
	r = ftruncate(fd, 0);
	assert(r == 0);
	if (pwrite(fd, log, len, 0) != (ssize_t)len) {
		abort();
	}
	free(log);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = log_open_file();
	struct logfile_header header;
	uint64_t end;

	if (size == 0) {
		return 0;
	}
	log_put(fd, data, size);
	(void)read_all(false, &header);
	end = read_all(true, &header);
	if (end > 0) {
		resume(fd, end, &header);
	}
	return 0;
}

/* ---- the mutator ---- */

/* The flag with the header, the records, and the rest. */
static void log_split(struct mutate_pieces *pieces, const uint8_t *data, size_t size)
{
	size_t at = 1 + ((data[0] & 1) != 0 ? LOGFILE_HEADER_LEN : 0);

	if (at > size) {
		at = size;
	}
	mutate_pieces_add(pieces, data, at);
	while (at + LOGFILE_RECORD_LEN <= size && get_u32(data + at) == LOGFILE_RECORD_MAGIC) {
		uint64_t len = (uint64_t)LOGFILE_RECORD_LEN + get_u32(data + at + 24);

		if (len > size - at || pieces->count + 1 == PIECES_MAX) {
			break;
		}
		mutate_pieces_add(pieces, data + at, (size_t)len);
		at += (size_t)len;
	}
	mutate_pieces_add(pieces, data + at, size - at);
}

/* One aligned number of a record's, the trailer's or the header's first bytes. */
static void field_change(struct mutate *mutate, uint8_t *part, size_t len)
{
	size_t at = 4 + 4 * mutate_below(mutate, (len - 12) / 4);

	if (mutate_once_in(mutate, 2)) {
		put_u64(part + at, mutate_number(mutate, get_u32(part + at)));
	} else {
		uint32_t number = (uint32_t)mutate_number(mutate, get_u32(part + at));

		for (unsigned int i = 0; i < 4; i++) {
			part[at + i] = (uint8_t)(number >> 8 * i);
		}
	}
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	struct mutate_pieces pieces = {.count = 0};
	const struct mutate_piece *piece;
	struct mutate mutate;
	size_t kind;

	mutate_init(&mutate, seed);
	kind = mutate_below(&mutate, 4);
	if (size == 0 || kind == 0) {
		return LLVMFuzzerMutate(data, size, max_size);
	}
	log_split(&pieces, data, size);
	if (kind == 1) {
		mutate_pieces_change(&mutate, &pieces, 1);
		return mutate_pieces_join(&pieces, data, max_size);
	}
	piece = &pieces.items[mutate_below(&mutate, pieces.count)];
	if (piece->len >= LOGFILE_RECORD_LEN) {
		field_change(&mutate, data + (piece->data - data),
			     piece->len < 160 ? piece->len : 160);
	}
	return size;
}
