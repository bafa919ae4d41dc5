/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "proto/logfile.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/unit.h"

#define RECORDS	   5
#define DATA_BYTES 6000
#define HEADER	   4096u /* bytes of a log's header, as PROTOCOL.md has it */
#define RECORD	   48u	 /* of a record's header */
#define TRAILER	   64u

struct sample {
	struct logfile_record record;
	uint8_t payload[DATA_BYTES];
};

static struct sample samples[RECORDS];
static struct logfile_header header;
static struct codec_state *state;
static char error[LOGFILE_ERROR_LEN];
static uint8_t buffer[FRAME_PAYLOAD_MAX];

static void sample_make(struct sample *sample, uint32_t disk, uint64_t offset, uint64_t link,
			bool noise)
{
	uint8_t data[DATA_BYTES];
	uint32_t x = 2463534242u;
	size_t len = 0;

	for (size_t i = 0; i < sizeof(data); i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		data[i] = noise ? (uint8_t)x : (uint8_t)(i / 97 + offset);
	}
	sample->record.disk = disk;
	sample->record.offset = offset;
	sample->record.length = sizeof(data);
	sample->record.checksum = codec_checksum(data, sizeof(data), offset);
	sample->record.codec = codec_compress(state, data, sizeof(data), sample->payload,
					      sizeof(sample->payload), link, &len);
	if (sample->record.codec == CODEC_KIND_PLAIN) {
		memcpy(sample->payload, data, sizeof(data));
		len = sizeof(data);
	}
	sample->record.payload_len = (uint32_t)len;
}

static void samples_make(void)
{
	strcpy(header.relationship, "0b6f4b1c-93a5-4f7e-8b1a-5d2f6c7e8a90");
	strcpy(header.epoch_lineage, "6a1d2c3b-4e5f-4a7b-8c9d-0e1f2a3b4c5d");
	strcpy(header.cut_id, "0123456789abcdef");
	strcpy(header.disks[0].name, "vda");
	strcpy(header.disks[1].name, "sdb");
	header.disks[0].size_bytes = 1 << 20;
	header.disks[1].size_bytes = DISK_SIZE_MAX;
	header.disk_count = 2;
	header.epoch_number = 3;
	header.seq = 41;
	header.cut_time_ms = 1795343460123;
	header.application_consistent = true;
	memset(header.previous_hash, 0x5a, sizeof(header.previous_hash));
	sample_make(&samples[0], 0, 0, 0, false);
	sample_make(&samples[1], 1, DISK_SIZE_MAX - DATA_BYTES, 1000, false);
	sample_make(&samples[2], 0, 65536, 0, true);
	samples[3].record = (struct logfile_record){
		.disk = 1, .offset = 1 << 20, .length = DISK_SIZE_MAX / 2, .zero = true};
	sample_make(&samples[4], 0, (1 << 20) - DATA_BYTES, 0, false);
}

static int append(struct logfile_writer *writer, size_t i)
{
	return logfile_writer_append(writer, &samples[i].record, samples[i].payload);
}

/* Write records [0, count) into name; finish if asked. Returns the path; ends[i] = offset after i
 * records. */
static char *write_log(char path[TEMP_PATH_LEN], const char *name, size_t count, bool finish,
		       uint64_t *ends)
{
	int fd = open(temp_path(path, name), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct logfile_trailer trailer;
	struct logfile_writer *writer;

	CU_ASSERT_EQUAL_FATAL(logfile_writer_new(fd, &header, &writer), 0);
	for (size_t i = 0; i <= count; i++) {
		if (ends != NULL) {
			ends[i] = logfile_writer_offset(writer);
		}
		if (i < count) {
			CU_ASSERT_EQUAL_FATAL(append(writer, i), 0);
		}
	}
	if (finish) {
		CU_ASSERT_EQUAL(logfile_writer_finish(writer, &trailer), 0);
	}
	logfile_writer_free(writer);
	close(fd);
	return path;
}

static size_t load(const char *path, uint8_t *buf, size_t size)
{
	FILE *file = fopen(path, "re");
	size_t n = fread(buf, 1, size, file);

	fclose(file);
	return n;
}

static void store(const char *path, const uint8_t *buf, size_t len)
{
	FILE *file = fopen(path, "we");

	CU_ASSERT_EQUAL(fwrite(buf, 1, len, file), len);
	fclose(file);
}

/* Read all records that come; returns their number, *ret_end tells how it ended. */
static size_t count_records(const char *path, bool partial, int *ret_end)
{
	struct logfile_record record;
	struct logfile_reader *reader;
	size_t count = 0;
	int r = logfile_reader_open(path, partial, &reader, error);

	if (r == 0) {
		while ((r = logfile_reader_next(reader, &record, buffer, sizeof(buffer))) == 1) {
			count++;
		}
		/* The end is the end, and damage stays damage. */
		CU_ASSERT_EQUAL(logfile_reader_next(reader, &record, buffer, sizeof(buffer)), r);
		CU_ASSERT_EQUAL(r == 0, strlen(logfile_reader_error(reader)) == 0);
		logfile_reader_close(reader);
	}
	*ret_end = r;
	return count;
}

static void test_round_trip(void)
{
	char path[TEMP_PATH_LEN];
	struct logfile_record record;
	struct logfile_reader *reader;
	const struct logfile_header *h;
	uint64_t ends[RECORDS + 1];

	write_log(path, "whole.vrl", RECORDS, true, ends);
	CU_ASSERT_EQUAL_FATAL(logfile_reader_open(path, false, &reader, error), 0);
	h = logfile_reader_header(reader);
	CU_ASSERT_STRING_EQUAL(h->relationship, header.relationship);
	CU_ASSERT_STRING_EQUAL(h->epoch_lineage, header.epoch_lineage);
	CU_ASSERT_STRING_EQUAL(h->cut_id, header.cut_id);
	CU_ASSERT_STRING_EQUAL(h->disks[1].name, "sdb");
	CU_ASSERT_EQUAL(h->disks[1].size_bytes, DISK_SIZE_MAX);
	CU_ASSERT_EQUAL(h->disk_count, 2);
	CU_ASSERT_EQUAL(h->epoch_number, 3);
	CU_ASSERT_EQUAL(h->seq, 41);
	CU_ASSERT_EQUAL(h->cut_time_ms, header.cut_time_ms);
	CU_ASSERT_TRUE(h->application_consistent);
	CU_ASSERT_EQUAL(memcmp(h->previous_hash, header.previous_hash, LOG_HASH_LEN), 0);
	for (size_t i = 0; i < RECORDS; i++) {
		CU_ASSERT_EQUAL(logfile_reader_offset(reader), ends[i]);
		CU_ASSERT_EQUAL_FATAL(logfile_reader_next(reader, &record, buffer, sizeof(buffer)),
				      1);
		CU_ASSERT_EQUAL(record.disk, samples[i].record.disk);
		CU_ASSERT_EQUAL(record.offset, samples[i].record.offset);
		CU_ASSERT_EQUAL(record.length, samples[i].record.length);
		CU_ASSERT_EQUAL(record.zero, samples[i].record.zero);
		CU_ASSERT_EQUAL(record.codec, samples[i].record.codec);
		CU_ASSERT_EQUAL(record.checksum, samples[i].record.checksum);
		CU_ASSERT_EQUAL_FATAL(record.payload_len, samples[i].record.payload_len);
		CU_ASSERT_EQUAL(memcmp(buffer, samples[i].payload, record.payload_len), 0);
	}
	CU_ASSERT_EQUAL(logfile_reader_next(reader, &record, buffer, sizeof(buffer)), 0);
	CU_ASSERT_EQUAL(logfile_reader_trailer(reader)->records, RECORDS);
	CU_ASSERT_EQUAL(logfile_reader_trailer(reader)->data_bytes, 4 * DATA_BYTES);
	logfile_reader_close(reader);
	/* The samples hold each codec. */
	CU_ASSERT_EQUAL(samples[0].record.codec, CODEC_KIND_LZ4);
	CU_ASSERT_EQUAL(samples[1].record.codec, CODEC_KIND_ZSTD);
	CU_ASSERT_EQUAL(samples[2].record.codec, CODEC_KIND_PLAIN);
}

static void test_verify(void)
{
	char path[TEMP_PATH_LEN];
	struct logfile_trailer trailer, again;

	write_log(path, "whole.vrl", RECORDS, true, NULL);
	CU_ASSERT_EQUAL(logfile_verify(path, &trailer, error), 0);
	CU_ASSERT_EQUAL(trailer.records, RECORDS);
	/* Another previous hash is another history, and so another hash. */
	header.previous_hash[0] ^= 1;
	write_log(path, "whole.vrl", RECORDS, true, NULL);
	header.previous_hash[0] ^= 1;
	CU_ASSERT_EQUAL(logfile_verify(path, &again, error), 0);
	CU_ASSERT_NOT_EQUAL(memcmp(trailer.hash, again.hash, LOG_HASH_LEN), 0);
	/* An empty cycle is a log as well. */
	write_log(path, "whole.vrl", 0, true, NULL);
	CU_ASSERT_EQUAL(logfile_verify(path, &trailer, error), 0);
	CU_ASSERT_EQUAL(trailer.records, 0);
	CU_ASSERT_EQUAL(logfile_verify(temp_path(path, "none.vrl"), &trailer, error), -ENOENT);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "none.vrl"));
}

/* A record whose bytes are intact but whose data is not what its checksum says. */
static void test_verify_checks_data(void)
{
	char path[TEMP_PATH_LEN];
	struct logfile_trailer trailer;

	samples[0].record.checksum ^= 1;
	write_log(path, "wrong.vrl", RECORDS, true, NULL);
	samples[0].record.checksum ^= 1;
	CU_ASSERT_EQUAL(logfile_verify(path, &trailer, error), -EBADMSG);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "at byte 4096"));
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "checksum"));
}

static void test_truncation_at_every_byte(void)
{
	char path[TEMP_PATH_LEN], cut[TEMP_PATH_LEN];
	uint64_t ends[RECORDS + 1];
	size_t len, expected;
	int end;

	write_log(path, "whole.vrl", RECORDS, true, ends);
	len = load(path, buffer, sizeof(buffer));
	CU_ASSERT_EQUAL(len, ends[RECORDS] + TRAILER);
	store(temp_path(cut, "cut.vrl"), buffer, len);
	while (len-- > 0) {
		CU_ASSERT_EQUAL(truncate(cut, (off_t)len), 0);
		for (expected = 0; expected < RECORDS && ends[expected + 1] <= len; expected++) {
		}
		/* A whole log is damaged by any cut; of a partial one the whole records remain. */
		CU_ASSERT_EQUAL(count_records(cut, false, &end), len < HEADER ? 0 : expected);
		CU_ASSERT_EQUAL(end, -EBADMSG);
		CU_ASSERT_EQUAL(count_records(cut, true, &end), len < HEADER ? 0 : expected);
		CU_ASSERT_EQUAL(end, len < HEADER ? -EBADMSG : 0);
	}
}

static void test_every_flipped_byte(void)
{
	char path[TEMP_PATH_LEN];
	struct logfile_trailer trailer;
	size_t len;
	int fd;

	write_log(path, "whole.vrl", RECORDS, true, NULL);
	len = load(path, buffer, sizeof(buffer));
	fd = open(path, O_WRONLY | O_CLOEXEC);
	for (size_t at = 0; at < len; at++) {
		uint8_t byte = load(path, buffer, at + 1) == at + 1 ? buffer[at] : 0,
			wrong = byte ^ 0x10;

		CU_ASSERT_EQUAL(pwrite(fd, &wrong, 1, (off_t)at), 1);
		error[0] = '\0';
		CU_ASSERT_EQUAL(logfile_verify(path, &trailer, error), -EBADMSG);
		CU_ASSERT_PTR_NOT_NULL(strstr(error, "at byte"));
		CU_ASSERT_EQUAL(pwrite(fd, &byte, 1, (off_t)at), 1);
	}
	close(fd);
	CU_ASSERT_EQUAL(logfile_verify(path, &trailer, error), 0);
}

static void test_something_follows(void)
{
	char path[TEMP_PATH_LEN];
	struct logfile_trailer trailer;
	size_t len;

	write_log(path, "whole.vrl", RECORDS, true, NULL);
	len = load(path, buffer, sizeof(buffer));
	buffer[len] = 0;
	store(path, buffer, len + 1);
	CU_ASSERT_EQUAL(logfile_verify(path, &trailer, error), -EBADMSG);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "follows"));
}

/* Records that are right in themselves, but stand in each other's place. */
static void test_swapped_records(void)
{
	char path[TEMP_PATH_LEN];
	static struct sample kept[2];
	uint8_t record[RECORD];
	int end;

	memcpy(kept, samples, sizeof(kept));
	samples[0].record = (struct logfile_record){.offset = 0, .length = 4096, .zero = true};
	samples[1].record = (struct logfile_record){.offset = 8192, .length = 4096, .zero = true};
	write_log(path, "swap.vrl", 2, false, NULL);
	memcpy(samples, kept, sizeof(kept));
	CU_ASSERT_EQUAL(load(path, buffer, sizeof(buffer)), HEADER + 2 * RECORD);
	CU_ASSERT_EQUAL(count_records(path, true, &end), 2);
	memcpy(record, buffer + HEADER, RECORD);
	memcpy(buffer + HEADER, buffer + HEADER + RECORD, RECORD);
	memcpy(buffer + HEADER + RECORD, record, RECORD);
	store(path, buffer, HEADER + 2 * RECORD);
	CU_ASSERT_EQUAL(count_records(path, true, &end), 0);
	CU_ASSERT_EQUAL(end, -EBADMSG);
}

static int resume(const char *path, uint64_t at, const struct logfile_header *next,
		  struct logfile_writer **ret_writer, int *ret_fd)
{
	*ret_fd = open(path, O_RDWR | O_CLOEXEC);
	return logfile_writer_resume(*ret_fd, at, next, ret_writer);
}

/* A log resumed at any record equals, byte for byte, one that was written in one go. */
static void test_resume_at_every_record(void)
{
	static uint8_t straight[65536], resumed[65536];
	char path[TEMP_PATH_LEN], other[TEMP_PATH_LEN];
	struct logfile_header next = header, kept = header;
	uint64_t ends[RECORDS + 1];

	next.seq = 42;
	strcpy(next.cut_id, "fedcba9876543210");
	next.disks[0].size_bytes *= 2;
	for (size_t mark = 0; mark <= RECORDS; mark++) {
		struct logfile_trailer trailer;
		struct logfile_writer *writer;
		size_t len;
		int fd;

		/* What came after the mark is cut off: whole records and half of one. */
		write_log(path, "partial.vrl", RECORDS, false, ends);
		if (mark < RECORDS) {
			CU_ASSERT_EQUAL(truncate(path, (off_t)ends[RECORDS] - 7), 0);
		}
		CU_ASSERT_EQUAL_FATAL(resume(path, ends[mark], &next, &writer, &fd), 0);
		CU_ASSERT_EQUAL(logfile_writer_offset(writer), ends[mark]);
		for (size_t i = mark; i < RECORDS; i++) {
			CU_ASSERT_EQUAL(append(writer, i), 0);
		}
		CU_ASSERT_EQUAL(logfile_writer_finish(writer, &trailer), 0);
		CU_ASSERT_EQUAL(trailer.records, RECORDS);
		logfile_writer_free(writer);
		close(fd);
		header = next;
		write_log(other, "straight.vrl", RECORDS, true, NULL);
		header = kept;
		len = load(other, straight, sizeof(straight));
		CU_ASSERT_EQUAL(load(path, resumed, sizeof(resumed)), len);
		CU_ASSERT_EQUAL(memcmp(straight, resumed, len), 0);
		CU_ASSERT_EQUAL(logfile_verify(path, &trailer, error), 0);
	}
}

static void assert_no_resume(const char *path, uint64_t at, const struct logfile_header *next,
			     int expected)
{
	struct logfile_writer *writer;
	int fd;

	CU_ASSERT_EQUAL(resume(path, at, next, &writer, &fd), expected);
	close(fd);
}

static void test_resume_refuses(void)
{
	char path[TEMP_PATH_LEN];
	struct logfile_header next = header;
	uint64_t ends[RECORDS + 1];
	uint8_t byte = 0xff;
	int fd;

	write_log(path, "partial.vrl", RECORDS, false, ends);
	for (uint64_t at = ends[1] - 60; at < ends[1] + 60; at++) {
		if (at != ends[1]) {
			assert_no_resume(path, at, &header, -EBADMSG);
		}
	}
	assert_no_resume(path, 0, &header, -EBADMSG);
	assert_no_resume(path, ends[RECORDS] + 1, &header, -EBADMSG);
	assert_no_resume(path, UINT64_MAX, &header, -EBADMSG);
	strcpy(next.disks[0].name, "vdz");
	assert_no_resume(path, ends[1], &next, -EINVAL);
	next = header;
	next.disk_count = 1;
	assert_no_resume(path, ends[1], &next, -EINVAL);
	next = header;
	next.disks[0].size_bytes = DATA_BYTES - 1; /* a record that stands lies outside now */
	assert_no_resume(path, ends[1], &next, -EBADMSG);
	next = header;
	next.relationship[0] = 'f';
	assert_no_resume(path, ends[1], &next, -EINVAL);
	/* Nothing of that has harmed the log; damage to its header does. */
	fd = open(path, O_WRONLY | O_CLOEXEC);
	CU_ASSERT_EQUAL(pwrite(fd, &byte, 1, 100), 1);
	close(fd);
	assert_no_resume(path, ends[1], &header, -EBADMSG);
}

static void test_writer_refuses(void)
{
	char path[TEMP_PATH_LEN];
	struct logfile_header wrong = header;
	struct logfile_record record = samples[0].record;
	struct logfile_trailer trailer;
	struct logfile_writer *writer;
	int fd = open(temp_path(path, "new.vrl"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	wrong.disk_count = 0;
	CU_ASSERT_EQUAL(logfile_writer_new(fd, &wrong, &writer), -EINVAL);
	wrong.disk_count = DISKS_MAX + 1;
	CU_ASSERT_EQUAL(logfile_writer_new(fd, &wrong, &writer), -EINVAL);
	wrong = header;
	wrong.cut_id[3] = 'x';
	CU_ASSERT_EQUAL(logfile_writer_new(fd, &wrong, &writer), -EINVAL);
	CU_ASSERT_EQUAL_FATAL(logfile_writer_new(fd, &header, &writer), 0);
	record.disk = 2;
	CU_ASSERT_EQUAL(logfile_writer_append(writer, &record, samples[0].payload), -EINVAL);
	record = samples[0].record;
	record.offset = header.disks[0].size_bytes - record.length + 1;
	CU_ASSERT_EQUAL(logfile_writer_append(writer, &record, samples[0].payload), -EINVAL);
	record = samples[0].record;
	record.length = 0;
	CU_ASSERT_EQUAL(logfile_writer_append(writer, &record, samples[0].payload), -EINVAL);
	record = samples[2].record;
	record.payload_len--;
	CU_ASSERT_EQUAL(logfile_writer_append(writer, &record, samples[2].payload), -EINVAL);
	CU_ASSERT_EQUAL(logfile_writer_offset(writer), HEADER);
	CU_ASSERT_EQUAL(logfile_writer_finish(writer, &trailer), 0);
	CU_ASSERT_EQUAL(logfile_writer_finish(writer, &trailer), -EINVAL);
	CU_ASSERT_EQUAL(append(writer, 0), -EINVAL);
	logfile_writer_free(writer);
	close(fd);
	CU_ASSERT_EQUAL(logfile_verify(path, &trailer, error), 0);
}

/* The file system ends in the middle of a record: the log goes on as soon as there is room. */
static void test_no_space(void)
{
	char path[TEMP_PATH_LEN];
	struct logfile_trailer trailer;
	struct logfile_writer *writer;
	struct rlimit full = {.rlim_cur = HEADER + RECORD + 1000}, kept;
	struct stat st;
	int fd = open(temp_path(path, "full.vrl"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &kept);
	full.rlim_max = kept.rlim_max;
	CU_ASSERT_EQUAL_FATAL(logfile_writer_new(fd, &header, &writer), 0);
	CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_FSIZE, &full), 0);
	CU_ASSERT_EQUAL(append(writer, 2), -EFBIG);
	CU_ASSERT_EQUAL(logfile_writer_offset(writer), HEADER);
	CU_ASSERT_EQUAL(fstat(fd, &st), 0);
	CU_ASSERT_EQUAL(st.st_size, HEADER);
	CU_ASSERT_EQUAL(setrlimit(RLIMIT_FSIZE, &kept), 0);
	CU_ASSERT_EQUAL(append(writer, 2), 0);
	CU_ASSERT_EQUAL(logfile_writer_finish(writer, &trailer), 0);
	logfile_writer_free(writer);
	close(fd);
	CU_ASSERT_EQUAL(logfile_verify(path, &trailer, error), 0);
	CU_ASSERT_EQUAL(trailer.records, 1);
}

static void test_small_buffer(void)
{
	char path[TEMP_PATH_LEN];
	struct logfile_record record;
	struct logfile_reader *reader;

	write_log(path, "whole.vrl", RECORDS, true, NULL);
	CU_ASSERT_EQUAL_FATAL(logfile_reader_open(path, false, &reader, error), 0);
	CU_ASSERT_EQUAL(logfile_reader_next(reader, &record, buffer, 3), -EMSGSIZE);
	logfile_reader_close(reader);
	logfile_reader_close(NULL);
	tempdir_remove();
}

static const struct unit_test tests[] = {
	{"a log there and back", test_round_trip},
	{"verify", test_verify},
	{"verify looks at the data", test_verify_checks_data},
	{"truncation at every byte", test_truncation_at_every_byte},
	{"every flipped byte", test_every_flipped_byte},
	{"something behind the trailer", test_something_follows},
	{"records that changed places", test_swapped_records},
	{"resumed at every record", test_resume_at_every_record},
	{"what cannot be resumed", test_resume_refuses},
	{"what the writer refuses", test_writer_refuses},
	{"no space, then space", test_no_space},
	{"a buffer too small", test_small_buffer},
};

int main(void)
{
	int verdict;

	state = codec_state_new();
	if (state == NULL) {
		return 1;
	}
	samples_make();
	verdict = unit_run("logfile", tests, sizeof(tests) / sizeof(tests[0]));
	codec_state_free(state);
	return verdict;
}
