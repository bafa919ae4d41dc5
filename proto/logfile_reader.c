/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/sha256.h"
#include "proto/logfile.h"
#include "proto/logfile_format.h"

#define READER_BUFFER (128u * 1024u)

struct logfile_reader {
	FILE *file;
	char *buffer; /* owned: the file's; glibc takes a size only together with memory */
	bool partial;
	bool ended;
	int failed; /* kept: a damaged log stays damaged */
	struct logfile_header header;
	struct logfile_trailer counts, trailer;
	struct sha256 *hash; /* NULL for a partial log */
	uint64_t offset;
	char *path;
	char error[LOGFILE_ERROR_LEN];
};

static int reader_fail(struct logfile_reader *reader, int code, const char *why)
{
	snprintf(reader->error, sizeof(reader->error), "%.160s: at byte %" PRIu64 ": %s",
		 reader->path, reader->offset, why);
	reader->failed = code;
	return code;
}

/* Bytes read: len, less at the end of the file, or -EIO with the reader failed. */
static ssize_t reader_take(struct logfile_reader *reader, void *buf, size_t len)
{
	size_t n = fread(buf, 1, len, reader->file);

	if (n < len && ferror(reader->file)) {
		return reader_fail(reader, -EIO, "the file cannot be read");
	}
	return (ssize_t)n;
}

static int reader_open_header(struct logfile_reader *reader)
{
	uint8_t raw[LOGFILE_HEADER_LEN];
	ssize_t n = reader_take(reader, raw, sizeof(raw));
	const char *why = "the header is cut off";
	int r = -EBADMSG;

	if (n < 0) {
		return (int)n;
	}
	if ((size_t)n == sizeof(raw)) {
		r = logfile_header_decode(raw, &reader->header, &why);
	}
	if (r < 0) {
		return reader_fail(reader, r, why);
	}
	if (reader->hash != NULL) {
		sha256_update(reader->hash, raw, sizeof(raw));
	}
	reader->offset = sizeof(raw);
	return 0;
}

static int reader_prepare(struct logfile_reader *reader, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0) {
		return -errno;
	}
	reader->file = fdopen(fd, "r");
	if (reader->file == NULL) {
		int saved = errno;

		close(fd);
		return -saved;
	}
	reader->path = strdup(path);
	if (!reader->partial) {
		reader->hash = sha256_new();
	}
	reader->buffer = malloc(READER_BUFFER);
	if (reader->path == NULL || (!reader->partial && reader->hash == NULL) ||
	    reader->buffer == NULL ||
	    setvbuf(reader->file, reader->buffer, _IOFBF, READER_BUFFER) != 0) {
		return -ENOMEM;
	}
	return 0;
}

int logfile_reader_open(const char *path, bool partial, struct logfile_reader **ret_reader,
			char error[LOGFILE_ERROR_LEN])
{
	struct logfile_reader *reader = calloc(1, sizeof(*reader));
	int r;

	if (reader == NULL) {
		snprintf(error, LOGFILE_ERROR_LEN, "%.160s: out of memory", path);
		return -ENOMEM;
	}
	reader->partial = partial;
	r = reader_prepare(reader, path);
	if (r < 0) {
		snprintf(error, LOGFILE_ERROR_LEN, "%.160s: %s", path, strerror(-r));
	} else {
		r = reader_open_header(reader);
		if (r < 0) {
			snprintf(error, LOGFILE_ERROR_LEN, "%s", reader->error);
		}
	}
	if (r < 0) {
		logfile_reader_close(reader);
		return r;
	}
	*ret_reader = reader;
	return 0;
}

const struct logfile_header *logfile_reader_header(const struct logfile_reader *reader)
{
	return &reader->header;
}

/* The file ends inside a record, or without a trailer. */
static int reader_cut_off(struct logfile_reader *reader)
{
	if (reader->partial) {
		reader->ended = true;
		return 0;
	}
	return reader_fail(reader, -EBADMSG, "the log is cut off");
}

static int reader_check_trailer(struct logfile_reader *reader,
				const uint8_t raw[LOGFILE_TRAILER_LEN])
{
	struct logfile_trailer trailer;
	const char *why;
	uint8_t past;
	ssize_t n;

	if (logfile_trailer_decode(raw, &trailer, &why) < 0) {
		return reader_fail(reader, -EBADMSG, why);
	}
	if (trailer.records != reader->counts.records ||
	    trailer.data_bytes != reader->counts.data_bytes) {
		return reader_fail(reader, -EBADMSG,
				   "the trailer counts other records than the log holds");
	}
	if (reader->hash != NULL) {
		sha256_update(reader->hash, raw, LOGFILE_TRAILER_HASHED);
		sha256_final(reader->hash, reader->counts.hash);
		if (memcmp(reader->counts.hash, trailer.hash, LOG_HASH_LEN) != 0) {
			return reader_fail(reader, -EBADMSG,
					   "the log's hash does not match its content");
		}
	}
	reader->offset += LOGFILE_TRAILER_LEN;
	n = reader_take(reader, &past, 1);
	if (n != 0) {
		return n < 0 ? (int)n
			     : reader_fail(reader, -EBADMSG, "something follows the trailer");
	}
	reader->trailer = trailer;
	reader->ended = true;
	return 0;
}

static bool is_trailer(const uint8_t *raw)
{
	uint8_t trailer[LOGFILE_TRAILER_LEN];

	logfile_trailer_encode(&(struct logfile_trailer){0}, trailer);
	return memcmp(raw, trailer, 4) == 0;
}

static int reader_record(struct logfile_reader *reader, const uint8_t raw[LOGFILE_RECORD_LEN],
			 struct logfile_record *record)
{
	const char *why = NULL;

	if (logfile_record_decode(raw, reader->offset, record, &why) == 0) {
		why = logfile_record_objection(record, &reader->header);
	}
	return why == NULL ? 0 : reader_fail(reader, -EBADMSG, why);
}

/* 1, 0 at a partial log's end, or failed. */
static int reader_payload(struct logfile_reader *reader, const struct logfile_record *record,
			  void *buf, size_t size)
{
	ssize_t n;

	if (record->payload_len > size) {
		return reader_fail(reader, -EMSGSIZE, "a record is larger than the buffer given");
	}
	n = reader_take(reader, buf, record->payload_len);
	if (n < 0) {
		return (int)n;
	}
	return (size_t)n < record->payload_len ? reader_cut_off(reader) : 1;
}

/* The next record's own bytes into raw, decoded: 1; 0 at the end; negative errno. */
static int reader_head(struct logfile_reader *reader, uint8_t raw[LOGFILE_TRAILER_LEN],
		       struct logfile_record *record)
{
	ssize_t n;
	int r;

	if (reader->failed < 0 || reader->ended) {
		return reader->failed;
	}
	n = reader_take(reader, raw, LOGFILE_RECORD_LEN);
	if (n == LOGFILE_RECORD_LEN && is_trailer(raw)) {
		n = reader_take(reader, raw + LOGFILE_RECORD_LEN,
				LOGFILE_TRAILER_LEN - LOGFILE_RECORD_LEN);
		if (n == LOGFILE_TRAILER_LEN - LOGFILE_RECORD_LEN) {
			return reader_check_trailer(reader, raw);
		}
		return n < 0 ? (int)n : reader_cut_off(reader);
	}
	if (n < LOGFILE_RECORD_LEN) {
		return n < 0 ? (int)n : reader_cut_off(reader);
	}
	r = reader_record(reader, raw, record);
	return r < 0 ? r : 1;
}

static void reader_count(struct logfile_reader *reader, const struct logfile_record *record)
{
	reader->offset += LOGFILE_RECORD_LEN + record->payload_len;
	reader->counts.records++;
	reader->counts.data_bytes += record->zero ? 0 : record->length;
}

int logfile_reader_next(struct logfile_reader *reader, struct logfile_record *ret_record, void *buf,
			size_t size)
{
	uint8_t raw[LOGFILE_TRAILER_LEN];
	struct logfile_record record = {0};
	int r = reader_head(reader, raw, &record);

	r = r <= 0 ? r : reader_payload(reader, &record, buf, size);
	if (r <= 0) {
		return r;
	}
	if (reader->hash != NULL) {
		sha256_update(reader->hash, raw, LOGFILE_RECORD_LEN);
		sha256_update(reader->hash, buf, record.payload_len);
	}
	reader_count(reader, &record);
	*ret_record = record;
	return 1;
}

int logfile_reader_skip(struct logfile_reader *reader, struct logfile_record *ret_record)
{
	uint8_t raw[LOGFILE_TRAILER_LEN];
	struct logfile_record record = {0};
	int r;

	sha256_free(reader->hash);
	reader->hash = NULL;
	r = reader_head(reader, raw, &record);
	if (r <= 0) {
		return r;
	}
	if (record.payload_len > 0 &&
	    fseeko(reader->file, (off_t)record.payload_len, SEEK_CUR) < 0) {
		return reader_fail(reader, -EIO, "the file cannot be read");
	}
	reader_count(reader, &record);
	*ret_record = record;
	return 1;
}

const struct logfile_trailer *logfile_reader_trailer(const struct logfile_reader *reader)
{
	return &reader->trailer;
}

uint64_t logfile_reader_offset(const struct logfile_reader *reader)
{
	return reader->offset;
}

const char *logfile_reader_error(const struct logfile_reader *reader)
{
	return reader->error;
}

void logfile_reader_close(struct logfile_reader *reader)
{
	if (reader == NULL) {
		return;
	}
	if (reader->file != NULL) {
		fclose(reader->file);
	}
	sha256_free(reader->hash);
	free(reader->buffer);
	free(reader->path);
	free(reader);
}
