/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The bytes of a log file (internal to logfile_*.c); PROTOCOL.md has the tables. Pure. */
#ifndef VMR_PROTO_LOGFILE_FORMAT_H
#define VMR_PROTO_LOGFILE_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#include "proto/logfile.h"

#define LOGFILE_HEADER_LEN  4096u /* one block, so that a resumed cycle can replace it in place */
#define LOGFILE_RECORD_LEN  48u
#define LOGFILE_TRAILER_LEN 64u
#define LOGFILE_TRAILER_HASHED                                                                     \
	24u /* bytes of the trailer that its hash covers, besides all before it */
#define LOGFILE_RECORD_MAGIC  0x52524d56u /* "VMRR" */
#define LOGFILE_TRAILER_MAGIC 0x54524d56u /* "VMRT" */

/* 0, or -EINVAL for a header that the format cannot hold (names too long, too many disks). */
int logfile_header_encode(const struct logfile_header *header, uint8_t raw[LOGFILE_HEADER_LEN]);
/* 0, or -EBADMSG with *ret_why (static): damage, another version, or values out of range. */
int logfile_header_decode(const uint8_t raw[LOGFILE_HEADER_LEN], struct logfile_header *ret_header,
			  const char **ret_why);

/* at: the record's offset in the file; its header's checksum is seeded with it, so that a record at
 * a wrong place does not verify. */
void logfile_record_encode(const struct logfile_record *record, uint64_t at,
			   uint8_t raw[LOGFILE_RECORD_LEN]);
int logfile_record_decode(const uint8_t raw[LOGFILE_RECORD_LEN], uint64_t at,
			  struct logfile_record *ret_record, const char **ret_why);
/* Does record fit the format and the disks of header? NULL, or what is wrong (static). */
const char *logfile_record_objection(const struct logfile_record *record,
				     const struct logfile_header *header);

/* The part that the hash covers; then logfile_trailer_seal adds hash and checksum. */
void logfile_trailer_encode(const struct logfile_trailer *trailer,
			    uint8_t raw[LOGFILE_TRAILER_LEN]);
void logfile_trailer_seal(const struct logfile_trailer *trailer, uint8_t raw[LOGFILE_TRAILER_LEN]);
int logfile_trailer_decode(const uint8_t raw[LOGFILE_TRAILER_LEN],
			   struct logfile_trailer *ret_trailer, const char **ret_why);

#endif
