/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The log file of one cycle (<seq>.vrl), format version 1. All integers little endian.
 *   header  (fixed, checksummed): magic, version, relationship, epoch, seq, cut id, cut time,
 * consistency, hash of the previous log, disk table (names, sizes) records: u32 magic, kind, codec,
 * disk, offset, length, payload length, checksum of the data (XXH3-64), checksum of the record
 * header; payload as it came off the wire trailer: counts and SHA-256 over all that stands before
 * it A log without a trailer is a partial one (an interrupted cycle): only records before a durable
 * mark count. Reading checks every length against limits.h and the disk table; a damaged file is
 * -EBADMSG with offset and reason; one of a newer version is -EPROTONOSUPPORT, and left alone.
 */
#ifndef VMR_PROTO_LOGFILE_H
#define VMR_PROTO_LOGFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/codec.h"
#include "proto/limits.h"

#define LOGFILE_VERSION 1u

struct logfile_disk {
	char name[DISK_NAME_MAX + 1];
	uint64_t size_bytes;
};

struct logfile_header {
	char relationship[RELATIONSHIP_LEN + 1];
	uint64_t epoch_number;
	char epoch_lineage[RELATIONSHIP_LEN + 1];
	uint64_t seq;
	char cut_id[CUT_ID_LEN + 1];
	int64_t cut_time_ms;
	bool application_consistent;
	uint8_t previous_hash[LOG_HASH_LEN]; /* zeros for the first */
	uint32_t disk_count;
	struct logfile_disk disks[DISKS_MAX];
};

struct logfile_record {
	uint32_t disk;		 /* index into the header's disks */
	uint64_t offset, length; /* of the uncompressed data */
	bool zero;
	enum codec codec;
	uint64_t checksum;    /* of the uncompressed data, codec_checksum */
	uint32_t payload_len; /* bytes in the file */
};

struct logfile_trailer {
	uint64_t records, data_bytes;
	uint8_t hash[LOG_HASH_LEN]; /* the log's hash: what the next log names as previous */
};

#define LOGFILE_ERROR_LEN 256

/* ---- writing: append only, to a file that the caller opened and later renames ---- */
struct logfile_writer;
/* Start a log in fd (borrowed, positioned at 0, empty). 0 or negative errno. */
int logfile_writer_new(int fd, const struct logfile_header *header,
		       struct logfile_writer **ret_writer);
/* Go on with a partial log whose records up to end_offset are durable and verified: truncates
 * there, rehashes what stands, and replaces the header (a resumed cycle has a new seq and cut). */
int logfile_writer_resume(int fd, uint64_t end_offset, const struct logfile_header *header,
			  struct logfile_writer **ret_writer);
int logfile_writer_append(struct logfile_writer *writer, const struct logfile_record *record,
			  const void *payload);
/* Bytes written so far: the end_offset of a mark, once fsynced. */
uint64_t logfile_writer_offset(const struct logfile_writer *writer);
/* Write the trailer. The caller fsyncs, renames, fsyncs the directory. */
int logfile_writer_finish(struct logfile_writer *writer, struct logfile_trailer *ret_trailer);
void logfile_writer_free(struct logfile_writer *writer);

/* ---- reading ---- */
struct logfile_reader;
/* Open path. partial: no trailer is expected. 0, -ENOENT, -EBADMSG (damage; error says what and
 * where), -EPROTONOSUPPORT (a newer vmreplica wrote it), ... */
int logfile_reader_open(const char *path, bool partial, struct logfile_reader **ret_reader,
			char error[LOGFILE_ERROR_LEN]);
const struct logfile_header *logfile_reader_header(const struct logfile_reader *reader);
/* Next record, its payload into buf (size >= FRAME_PAYLOAD_MAX). 1 = a record, 0 = end (trailer
 * verified, or the partial's end), negative errno. */
int logfile_reader_next(struct logfile_reader *reader, struct logfile_record *ret_record, void *buf,
			size_t size);
/* As logfile_reader_next, but its payload is passed over. From then on the log's hash is not
 * checked at the end (a caller that skips has verified it before); all the rest is. */
int logfile_reader_skip(struct logfile_reader *reader, struct logfile_record *ret_record);
const struct logfile_trailer *
logfile_reader_trailer(const struct logfile_reader *reader); /* after 0 of a whole log */
uint64_t logfile_reader_offset(const struct logfile_reader *reader);
const char *logfile_reader_error(const struct logfile_reader *reader);
void logfile_reader_close(struct logfile_reader *reader);

/* Verify a whole log: structure, every checksum, the trailer's hash. 0 or -EBADMSG with error.
 * Blocking. */
int logfile_verify(const char *path, struct logfile_trailer *ret_trailer,
		   char error[LOGFILE_ERROR_LEN]);

#endif
