/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proto/logfile_format.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "common/checked.h"
#include "proto/validate.h"

#define HEADER_MAGIC "VMRLOG\r\n" /* the line end shows a transfer in text mode */

/* Offsets in the header. */
#define H_VERSION	 8
#define H_FLAGS		 12
#define H_RELATIONSHIP	 16
#define H_LINEAGE	 56
#define H_CUT_ID	 96
#define H_EPOCH		 112
#define H_SEQ		 120
#define H_CUT_TIME	 128
#define H_PREVIOUS	 136
#define H_DISK_COUNT	 168
#define H_DISKS		 176
#define H_DISK_LEN	 40 /* name, zero-padded to 32, and size */
#define H_CHECKSUM	 (LOGFILE_HEADER_LEN - 8)
#define FLAG_APPLICATION 1u
#define CHECKSUM_SEED	 0

_Static_assert(H_DISKS + DISKS_MAX * H_DISK_LEN <= H_CHECKSUM, "the disk table fits the header");
_Static_assert(DISK_NAME_MAX == 32, "a disk's name fits its field");

static void put_u16(uint8_t *at, uint16_t value)
{
	value = htole16(value);
	memcpy(at, &value, sizeof(value));
}

static void put_u32(uint8_t *at, uint32_t value)
{
	value = htole32(value);
	memcpy(at, &value, sizeof(value));
}

static void put_u64(uint8_t *at, uint64_t value)
{
	value = htole64(value);
	memcpy(at, &value, sizeof(value));
}

static uint16_t get_u16(const uint8_t *at)
{
	uint16_t value;

	memcpy(&value, at, sizeof(value));
	return le16toh(value);
}

static uint32_t get_u32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return le32toh(value);
}

static uint64_t get_u64(const uint8_t *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return le64toh(value);
}

static bool header_values_are_valid(const struct logfile_header *header)
{
	if (!validate_uuid(header->relationship) || !validate_lineage(header->epoch_lineage) ||
	    !validate_cut_id(header->cut_id) || header->disk_count == 0 ||
	    header->disk_count > DISKS_MAX) {
		return false;
	}
	for (uint32_t i = 0; i < header->disk_count; i++) {
		if (!validate_disk_name(header->disks[i].name) ||
		    header->disks[i].size_bytes > DISK_SIZE_MAX) {
			return false;
		}
	}
	return true;
}

int logfile_header_encode(const struct logfile_header *header, uint8_t raw[LOGFILE_HEADER_LEN])
{
	if (!header_values_are_valid(header)) {
		return -EINVAL;
	}
	memset(raw, 0, LOGFILE_HEADER_LEN);
	memcpy(raw, HEADER_MAGIC, 8);
	put_u32(raw + H_VERSION, LOGFILE_VERSION);
	put_u32(raw + H_FLAGS, header->application_consistent ? FLAG_APPLICATION : 0);
	memcpy(raw + H_RELATIONSHIP, header->relationship, RELATIONSHIP_LEN);
	memcpy(raw + H_LINEAGE, header->epoch_lineage, RELATIONSHIP_LEN);
	memcpy(raw + H_CUT_ID, header->cut_id, CUT_ID_LEN);
	put_u64(raw + H_EPOCH, header->epoch_number);
	put_u64(raw + H_SEQ, header->seq);
	put_u64(raw + H_CUT_TIME, (uint64_t)header->cut_time_ms);
	memcpy(raw + H_PREVIOUS, header->previous_hash, LOG_HASH_LEN);
	put_u32(raw + H_DISK_COUNT, header->disk_count);
	for (uint32_t i = 0; i < header->disk_count; i++) {
		uint8_t *at = raw + H_DISKS + i * H_DISK_LEN;

		memcpy(at, header->disks[i].name, strlen(header->disks[i].name));
		put_u64(at + DISK_NAME_MAX, header->disks[i].size_bytes);
	}
	put_u64(raw + H_CHECKSUM, codec_checksum(raw, H_CHECKSUM, CHECKSUM_SEED));
	return 0;
}

/* The texts are copied into zeroed arrays with room for the terminator. */
static void header_values_get(const uint8_t *raw, struct logfile_header *header)
{
	memset(header, 0, sizeof(*header));
	memcpy(header->relationship, raw + H_RELATIONSHIP, RELATIONSHIP_LEN);
	memcpy(header->epoch_lineage, raw + H_LINEAGE, RELATIONSHIP_LEN);
	memcpy(header->cut_id, raw + H_CUT_ID, CUT_ID_LEN);
	header->epoch_number = get_u64(raw + H_EPOCH);
	header->seq = get_u64(raw + H_SEQ);
	header->cut_time_ms = (int64_t)get_u64(raw + H_CUT_TIME);
	header->application_consistent = (get_u32(raw + H_FLAGS) & FLAG_APPLICATION) != 0;
	memcpy(header->previous_hash, raw + H_PREVIOUS, LOG_HASH_LEN);
	header->disk_count = get_u32(raw + H_DISK_COUNT);
	for (uint32_t i = 0; i < header->disk_count && i < DISKS_MAX; i++) {
		const uint8_t *at = raw + H_DISKS + i * H_DISK_LEN;

		memcpy(header->disks[i].name, at, DISK_NAME_MAX);
		header->disks[i].size_bytes = get_u64(at + DISK_NAME_MAX);
	}
}

int logfile_header_decode(const uint8_t raw[LOGFILE_HEADER_LEN], struct logfile_header *ret_header,
			  const char **ret_why)
{
	struct logfile_header header;
	uint8_t again[LOGFILE_HEADER_LEN];

	if (memcmp(raw, HEADER_MAGIC, 8) != 0) {
		*ret_why = "this is not a vmreplica log";
		return -EBADMSG;
	}
	if (get_u64(raw + H_CHECKSUM) != codec_checksum(raw, H_CHECKSUM, CHECKSUM_SEED)) {
		*ret_why = "the header is damaged";
		return -EBADMSG;
	}
	if (get_u32(raw + H_VERSION) != LOGFILE_VERSION) {
		*ret_why = "the log has a newer format; update vmreplica here";
		return -EPROTONOSUPPORT;
	}
	header_values_get(raw, &header);
	/* What is not encoded in exactly our way holds something that we do not know. */
	if (logfile_header_encode(&header, again) < 0 || memcmp(raw, again, sizeof(again)) != 0) {
		*ret_why = "the header's values are out of range";
		return -EBADMSG;
	}
	*ret_header = header;
	return 0;
}

/* Record: magic, kind, codec, disk, offset, length, payload length, 0, checksum, header checksum.
 */
void logfile_record_encode(const struct logfile_record *record, uint64_t at,
			   uint8_t raw[LOGFILE_RECORD_LEN])
{
	memset(raw, 0, LOGFILE_RECORD_LEN);
	put_u32(raw, LOGFILE_RECORD_MAGIC);
	raw[4] = record->zero;
	raw[5] = (uint8_t)record->codec;
	put_u16(raw + 6, (uint16_t)record->disk);
	put_u64(raw + 8, record->offset);
	put_u64(raw + 16, record->length);
	put_u32(raw + 24, record->payload_len);
	put_u64(raw + 32, record->checksum);
	put_u64(raw + 40, codec_checksum(raw, 40, at));
}

int logfile_record_decode(const uint8_t raw[LOGFILE_RECORD_LEN], uint64_t at,
			  struct logfile_record *ret_record, const char **ret_why)
{
	if (get_u32(raw) != LOGFILE_RECORD_MAGIC ||
	    get_u64(raw + 40) != codec_checksum(raw, 40, at)) {
		*ret_why = "a record's header is damaged";
		return -EBADMSG;
	}
	if (raw[4] > 1 || raw[5] > CODEC_KIND_ZSTD || get_u32(raw + 28) != 0) {
		*ret_why = "a record is of a kind that this version does not know";
		return -EBADMSG;
	}
	*ret_record = (struct logfile_record){.disk = get_u16(raw + 6),
					      .offset = get_u64(raw + 8),
					      .length = get_u64(raw + 16),
					      .zero = raw[4] == 1,
					      .codec = (enum codec)raw[5],
					      .payload_len = get_u32(raw + 24),
					      .checksum = get_u64(raw + 32)};
	return 0;
}

const char *logfile_record_objection(const struct logfile_record *record,
				     const struct logfile_header *header)
{
	if (record->disk >= header->disk_count) {
		return "a record is for a disk that the log does not have";
	}
	if (!range_is_inside(record->offset, record->length,
			     header->disks[record->disk].size_bytes)) {
		return "a record lies outside its disk";
	}
	if (record->zero) {
		return record->codec != CODEC_KIND_PLAIN || record->payload_len != 0 ||
				       record->checksum != 0
			       ? "a record of zeros carries data"
			       : NULL;
	}
	if (record->length > CHUNK_MAX || record->payload_len == 0 ||
	    record->payload_len > record->length) {
		return "a record's length is out of range";
	}
	if (record->codec == CODEC_KIND_PLAIN && record->payload_len != record->length) {
		return "a plain record's lengths differ";
	}
	return NULL;
}

/* Trailer: magic, 0, records, data bytes, hash, checksum of all that. */
void logfile_trailer_encode(const struct logfile_trailer *trailer, uint8_t raw[LOGFILE_TRAILER_LEN])
{
	memset(raw, 0, LOGFILE_TRAILER_LEN);
	put_u32(raw, LOGFILE_TRAILER_MAGIC);
	put_u64(raw + 8, trailer->records);
	put_u64(raw + 16, trailer->data_bytes);
}

void logfile_trailer_seal(const struct logfile_trailer *trailer, uint8_t raw[LOGFILE_TRAILER_LEN])
{
	memcpy(raw + LOGFILE_TRAILER_HASHED, trailer->hash, LOG_HASH_LEN);
	put_u64(raw + 56, codec_checksum(raw, 56, CHECKSUM_SEED));
}

int logfile_trailer_decode(const uint8_t raw[LOGFILE_TRAILER_LEN],
			   struct logfile_trailer *ret_trailer, const char **ret_why)
{
	if (get_u32(raw) != LOGFILE_TRAILER_MAGIC || get_u32(raw + 4) != 0 ||
	    get_u64(raw + 56) != codec_checksum(raw, 56, CHECKSUM_SEED)) {
		*ret_why = "the trailer is damaged";
		return -EBADMSG;
	}
	ret_trailer->records = get_u64(raw + 8);
	ret_trailer->data_bytes = get_u64(raw + 16);
	memcpy(ret_trailer->hash, raw + LOGFILE_TRAILER_HASHED, LOG_HASH_LEN);
	return 0;
}
