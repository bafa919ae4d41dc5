/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/sha256.h"
#include "proto/logfile.h"
#include "proto/logfile_format.h"

#define SCAN_BYTES (256u * 1024u)

struct logfile_writer {
	int fd; /* borrowed */
	struct logfile_header header;
	struct sha256 *hash;
	struct logfile_trailer counts;
	uint64_t offset; /* all before it is written */
	int failed;	 /* the file may hold half a record: nothing more is written */
	bool finished;
};

static int fd_write_at(int fd, struct iovec *parts, int count, uint64_t offset)
{
	while (count > 0) {
		ssize_t n = pwritev(fd, parts, count, (off_t)offset);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			return n < 0 ? -errno : -EIO;
		}
		offset += (uint64_t)n;
		while (count > 0 && (size_t)n >= parts->iov_len) {
			n -= (ssize_t)parts->iov_len;
			parts++;
			count--;
		}
		if (count > 0) {
			parts->iov_base = (uint8_t *)parts->iov_base + n;
			parts->iov_len -= (size_t)n;
		}
	}
	return 0;
}

/* The whole length, else -EBADMSG: the file is shorter than it should be. */
static int fd_read_at(int fd, void *buf, size_t len, uint64_t offset)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(fd, (uint8_t *)buf + done, len - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			return n < 0 ? -errno : -EBADMSG;
		}
		done += (size_t)n;
	}
	return 0;
}

static struct logfile_writer *writer_alloc(int fd, const struct logfile_header *header)
{
	struct logfile_writer *writer = calloc(1, sizeof(*writer));

	if (writer == NULL) {
		return NULL;
	}
	writer->fd = fd;
	writer->header = *header;
	writer->hash = sha256_new();
	if (writer->hash == NULL) {
		free(writer);
		return NULL;
	}
	return writer;
}

static int writer_put_header(struct logfile_writer *writer, uint8_t raw[LOGFILE_HEADER_LEN])
{
	struct iovec part = {.iov_base = raw, .iov_len = LOGFILE_HEADER_LEN};

	return fd_write_at(writer->fd, &part, 1, 0);
}

int logfile_writer_new(int fd, const struct logfile_header *header,
		       struct logfile_writer **ret_writer)
{
	uint8_t raw[LOGFILE_HEADER_LEN];
	struct logfile_writer *writer;
	int r = logfile_header_encode(header, raw);

	if (r < 0) {
		return r;
	}
	writer = writer_alloc(fd, header);
	if (writer == NULL) {
		return -ENOMEM;
	}
	r = writer_put_header(writer, raw);
	if (r < 0) {
		logfile_writer_free(writer);
		return r;
	}
	sha256_update(writer->hash, raw, sizeof(raw));
	writer->offset = LOGFILE_HEADER_LEN;
	*ret_writer = writer;
	return 0;
}

/* A record's disk is an index into the table: the resumed cycle must have the same disks at the
 * same places. */
static bool disks_are_same(const struct logfile_header *a, const struct logfile_header *b)
{
	if (a->disk_count != b->disk_count) {
		return false;
	}
	for (uint32_t i = 0; i < a->disk_count; i++) {
		if (strcmp(a->disks[i].name, b->disks[i].name) != 0) {
			return false;
		}
	}
	return true;
}

static int writer_check_old_header(int fd, const struct logfile_header *header)
{
	uint8_t raw[LOGFILE_HEADER_LEN];
	struct logfile_header old;
	const char *why;
	int r = fd_read_at(fd, raw, sizeof(raw), 0);

	if (r == 0) {
		r = logfile_header_decode(raw, &old, &why);
	}
	if (r < 0) {
		return r;
	}
	return disks_are_same(&old, header) && strcmp(old.relationship, header->relationship) == 0
		       ? 0
		       : -EINVAL;
}

static int writer_hash_range(struct logfile_writer *writer, uint8_t *buf, uint64_t offset,
			     uint64_t len)
{
	while (len > 0) {
		size_t part = len < SCAN_BYTES ? (size_t)len : SCAN_BYTES;
		int r = fd_read_at(writer->fd, buf, part, offset);

		if (r < 0) {
			return r;
		}
		sha256_update(writer->hash, buf, part);
		offset += part;
		len -= part;
	}
	return 0;
}

/* Walk the records that stand up to end, counting and hashing them; end must lie between two
 * records. */
static int writer_scan(struct logfile_writer *writer, uint64_t end)
{
	cleanup_free uint8_t *buf = malloc(SCAN_BYTES);

	if (buf == NULL) {
		return -ENOMEM;
	}
	while (writer->offset < end) {
		uint8_t raw[LOGFILE_RECORD_LEN];
		struct logfile_record record = {0};
		const char *why;
		uint64_t next;
		int r = fd_read_at(writer->fd, raw, sizeof(raw), writer->offset);

		if (r == 0) {
			r = logfile_record_decode(raw, writer->offset, &record, &why);
		}
		if (r == 0 && logfile_record_objection(&record, &writer->header) != NULL) {
			r = -EBADMSG;
		}
		next = writer->offset + sizeof(raw) + (r == 0 ? record.payload_len : 0);
		if (r == 0 && next > end) {
			r = -EBADMSG;
		}
		if (r == 0) {
			r = writer_hash_range(writer, buf, writer->offset, next - writer->offset);
		}
		if (r < 0) {
			return r;
		}
		writer->counts.records++;
		writer->counts.data_bytes += record.zero ? 0 : record.length;
		writer->offset = next;
	}
	return writer->offset == end ? 0 : -EBADMSG;
}

int logfile_writer_resume(int fd, uint64_t end_offset, const struct logfile_header *header,
			  struct logfile_writer **ret_writer)
{
	uint8_t raw[LOGFILE_HEADER_LEN];
	struct logfile_writer *writer;
	int r = logfile_header_encode(header, raw);

	if (r == 0) {
		r = writer_check_old_header(fd, header);
	}
	if (r < 0) {
		return r;
	}
	writer = writer_alloc(fd, header);
	if (writer == NULL) {
		return -ENOMEM;
	}
	sha256_update(writer->hash, raw, sizeof(raw));
	writer->offset = LOGFILE_HEADER_LEN;
	r = writer_scan(writer, end_offset);
	if (r == 0 && ftruncate(fd, (off_t)end_offset) < 0) {
		r = -errno;
	}
	if (r == 0) {
		r = writer_put_header(writer, raw);
	}
	if (r < 0) {
		logfile_writer_free(writer);
		return r;
	}
	*ret_writer = writer;
	return 0;
}

int logfile_writer_append(struct logfile_writer *writer, const struct logfile_record *record,
			  const void *payload)
{
	uint8_t raw[LOGFILE_RECORD_LEN];
	struct iovec parts[2];
	int r = writer->failed;

	if (r == 0 &&
	    (writer->finished || logfile_record_objection(record, &writer->header) != NULL)) {
		return -EINVAL;
	}
	if (r < 0) {
		return r;
	}
	logfile_record_encode(record, writer->offset, raw);
	parts[0] = (struct iovec){.iov_base = raw, .iov_len = sizeof(raw)};
	parts[1] = (struct iovec){.iov_base = (void *)(uintptr_t)payload,
				  .iov_len = record->payload_len};
	r = fd_write_at(writer->fd, parts, record->payload_len > 0 ? 2 : 1, writer->offset);
	if (r < 0) {
		/* A full disk leaves half a record: cut it off, so that the log can go on when
		 * there is room. */
		if (ftruncate(writer->fd, (off_t)writer->offset) < 0) {
			writer->failed = r;
		}
		return r;
	}
	sha256_update(writer->hash, raw, sizeof(raw));
	sha256_update(writer->hash, payload, record->payload_len);
	writer->offset += sizeof(raw) + record->payload_len;
	writer->counts.records++;
	writer->counts.data_bytes += record->zero ? 0 : record->length;
	return 0;
}

uint64_t logfile_writer_offset(const struct logfile_writer *writer)
{
	return writer->offset;
}

int logfile_writer_finish(struct logfile_writer *writer, struct logfile_trailer *ret_trailer)
{
	uint8_t raw[LOGFILE_TRAILER_LEN];
	struct iovec part = {.iov_base = raw, .iov_len = sizeof(raw)};
	int r = writer->failed;

	if (r < 0 || writer->finished) {
		return r < 0 ? r : -EINVAL;
	}
	/* From here on the hash is used up: there is no second try with this writer. */
	writer->finished = true;
	logfile_trailer_encode(&writer->counts, raw);
	sha256_update(writer->hash, raw, LOGFILE_TRAILER_HASHED);
	sha256_final(writer->hash, writer->counts.hash);
	logfile_trailer_seal(&writer->counts, raw);
	r = fd_write_at(writer->fd, &part, 1, writer->offset);
	if (r < 0) {
		return r;
	}
	writer->offset += sizeof(raw);
	*ret_trailer = writer->counts;
	return 0;
}

void logfile_writer_free(struct logfile_writer *writer)
{
	if (writer != NULL) {
		sha256_free(writer->hash);
		free(writer);
	}
}
