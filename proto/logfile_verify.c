/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/logfile.h"

struct verify {
	struct logfile_reader *reader;
	struct codec_state *codec;
	uint8_t *payload, *data;
};

static int verify_record(struct verify *verify, const struct logfile_record *record)
{
	int r;

	if (record->zero) {
		return 0;
	}
	r = codec_decompress(verify->codec, record->codec, verify->payload, record->payload_len,
			     verify->data, (size_t)record->length);
	if (r < 0) {
		return r;
	}
	return codec_checksum(verify->data, (size_t)record->length, record->offset) ==
			       record->checksum
		       ? 0
		       : -EBADMSG;
}

static int verify_all(struct verify *verify, const char *path, char error[LOGFILE_ERROR_LEN])
{
	struct logfile_record record;
	uint64_t at = logfile_reader_offset(verify->reader);
	int r;

	while ((r = logfile_reader_next(verify->reader, &record, verify->payload,
					FRAME_PAYLOAD_MAX)) == 1) {
		r = verify_record(verify, &record);
		if (r < 0) {
			snprintf(error, LOGFILE_ERROR_LEN, "%.160s: at byte %" PRIu64 ": %s", path,
				 at,
				 r == -EBADMSG ? "a record's data does not match its checksum"
					       : "out of memory");
			return r;
		}
		at = logfile_reader_offset(verify->reader);
	}
	if (r < 0) {
		snprintf(error, LOGFILE_ERROR_LEN, "%s", logfile_reader_error(verify->reader));
	}
	return r;
}

int logfile_verify(const char *path, struct logfile_trailer *ret_trailer,
		   char error[LOGFILE_ERROR_LEN])
{
	struct verify verify = {0};
	int r = logfile_reader_open(path, false, &verify.reader, error);

	if (r < 0) {
		return r;
	}
	verify.codec = codec_state_new();
	verify.payload = malloc(FRAME_PAYLOAD_MAX);
	verify.data = malloc(CHUNK_MAX);
	if (verify.codec == NULL || verify.payload == NULL || verify.data == NULL) {
		snprintf(error, LOGFILE_ERROR_LEN, "%.160s: out of memory", path);
		r = -ENOMEM;
	} else {
		r = verify_all(&verify, path, error);
	}
	if (r == 0) {
		*ret_trailer = *logfile_reader_trailer(verify.reader);
	}
	codec_state_free(verify.codec);
	free(verify.payload);
	free(verify.data);
	logfile_reader_close(verify.reader);
	return r;
}
