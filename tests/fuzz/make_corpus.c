/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes the first corpora: make_corpus DIRECTORY fills frame, message, admin and logfile below it
 * with well-formed examples, the same in each run. Run after a change of the formats, and keep what
 * it wrote. Examples of text are kept as they are.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "make_corpus.h"
#include "proto/codec.h"
#include "proto/frame.h"
#include "proto/logfile.h"
#include "proto/wire.pb-c.h"

#define DATA_BYTES 2048

static char uuid[] = "0b6f4b1c-93a5-4f7e-8b1a-5d2f6c7e8a90", cut_id[] = "0123456789abcdef",
	    site[] = "a.example";
static char vm[] = "web1", disk_name[] = "vda", crash[] = "crash", host[] = "10.0.0.1",
	    token[] = "r-0123456789abcdef";
static char code[] = "storage-full", software[] = "vmreplica 0.1";
static uint8_t hash[LOG_HASH_LEN];
static const char *directory;

int corpus_file_new(const char *kind, const char *name)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", directory, kind);
	mkdir(path, 0777);
	snprintf(path, sizeof(path), "%s/%s/%s", directory, kind, name);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0) {
		perror(path);
		exit(1);
	}
	return fd;
}

void corpus_file_put(int fd, const void *data, size_t len)
{
	if (write(fd, data, len) != (ssize_t)len) {
		perror("write");
		exit(1);
	}
}

static void frame_put(int fd, enum frame_type type, const void *message, const void *payload,
		      uint32_t payload_len)
{
	uint8_t *buf = malloc(frame_size(message));

	corpus_file_put(fd, buf, frame_encode(type, message, payload_len, buf));
	corpus_file_put(fd, payload, payload_len);
	free(buf);
}

static void frame_file(const char *name, enum frame_type type, const void *message)
{
	int fd = corpus_file_new("frame", name);

	frame_put(fd, type, message, "", 0);
	close(fd);
}

static Vmreplica__Wire__Version version = VMREPLICA__WIRE__VERSION__INIT;
static Vmreplica__Epoch epoch = VMREPLICA__EPOCH__INIT;
static Vmreplica__Cut cut = VMREPLICA__CUT__INIT;
static Vmreplica__Wire__Mark mark = VMREPLICA__WIRE__MARK__INIT;
static Vmreplica__Wire__Disk disk = VMREPLICA__WIRE__DISK__INIT;
static Vmreplica__Wire__Disk *disks[] = {&disk};

static void parts_fill(void)
{
	version.min = version.max = 1;
	version.software = software;
	epoch.number = 1;
	epoch.lineage = uuid;
	epoch.site = site;
	cut.seq = 7;
	cut.cut_id = cut_id;
	cut.log_hash = (ProtobufCBinaryData){.data = hash, .len = sizeof(hash)};
	mark.mode = VMREPLICA__WIRE__MODE__MODE_INITIAL;
	mark.cut_id = cut_id;
	mark.offset = 1 << 20;
	disk.name = disk_name;
	disk.size_bytes = 1 << 30;
}

static void broker_frames(void)
{
	Vmreplica__Wire__Locate locate = VMREPLICA__WIRE__LOCATE__INIT;
	Vmreplica__Wire__Redirect redirect = VMREPLICA__WIRE__REDIRECT__INIT;
	Vmreplica__Wire__Relay relay = VMREPLICA__WIRE__RELAY__INIT;
	Vmreplica__Wire__Denied denied = VMREPLICA__WIRE__DENIED__INIT;
	Vmreplica__Wire__Enroll enroll = VMREPLICA__WIRE__ENROLL__INIT;

	locate.version = &version;
	locate.relationship = uuid;
	frame_file("locate", FRAME_LOCATE, &locate);
	redirect.node = vm;
	redirect.host = host;
	redirect.port = 8651;
	redirect.name = site;
	frame_file("redirect", FRAME_REDIRECT, &redirect);
	relay.token = token;
	relay.node = vm;
	relay.name = site;
	relay.valid_ms = 30000;
	frame_file("relay", FRAME_RELAY, &relay);
	denied.code = code;
	denied.reason = software;
	frame_file("denied", FRAME_DENIED, &denied);
	enroll.version = &version;
	enroll.relationship = uuid;
	enroll.vm = vm;
	enroll.site = site;
	enroll.frequency_s = 30;
	enroll.disks = disks;
	enroll.n_disks = 1;
	frame_file("enroll", FRAME_ENROLL, &enroll);
}

static void owner_frames(void)
{
	Vmreplica__Wire__Hello hello = VMREPLICA__WIRE__HELLO__INIT;
	Vmreplica__Wire__Welcome welcome = VMREPLICA__WIRE__WELCOME__INIT;
	Vmreplica__Wire__Busy busy = VMREPLICA__WIRE__BUSY__INIT;
	Vmreplica__Wire__Committed committed = VMREPLICA__WIRE__COMMITTED__INIT;
	Vmreplica__Wire__PeerState state = VMREPLICA__WIRE__PEER_STATE__INIT;

	hello.version = &version;
	hello.relationship = uuid;
	hello.epoch = &epoch;
	hello.vm = vm;
	hello.site = site;
	hello.node = vm;
	hello.disks = disks;
	hello.n_disks = 1;
	hello.frequency_s = 30;
	frame_file("hello", FRAME_HELLO, &hello);
	welcome.version = &version;
	welcome.committed = &cut;
	welcome.mode = VMREPLICA__WIRE__MODE__MODE_DELTA;
	welcome.mark = &mark;
	welcome.epoch = &epoch;
	frame_file("welcome", FRAME_WELCOME, &welcome);
	busy.code = code;
	busy.reason = software;
	busy.retry_ms = 1000;
	frame_file("busy", FRAME_BUSY, &busy);
	committed.cut = &cut;
	frame_file("committed", FRAME_COMMITTED, &committed);
	state.state = VMREPLICA__STATE__STATE_REPLICATING;
	state.health = VMREPLICA__HEALTH__HEALTH_OK;
	frame_file("peer-state", FRAME_PEER_STATE, &state);
}

/* A record of data that link's speed makes lz4 or zstd; returns its payload's length. */
static uint32_t data_make(uint64_t link, uint8_t data[DATA_BYTES], uint8_t packed[DATA_BYTES],
			  enum codec *ret_codec)
{
	struct codec_state *state = codec_state_new();
	size_t len = DATA_BYTES;

	for (size_t i = 0; i < DATA_BYTES; i++) {
		data[i] = (uint8_t)(i / 64);
	}
	*ret_codec = codec_compress(state, data, DATA_BYTES, packed, DATA_BYTES, link, &len);
	codec_state_free(state);
	return (uint32_t)len;
}

/* A chunk of two MiB that claims to be few bytes: one wrong byte takes its length over the limit.
 */
static void long_chunk_frame(void)
{
	Vmreplica__Wire__Chunk chunk = VMREPLICA__WIRE__CHUNK__INIT;
	int fd = corpus_file_new("frame", "long-chunk");

	chunk.offset = 1 << 30;
	chunk.length = CHUNK_MAX;
	chunk.codec = VMREPLICA__WIRE__CODEC__CODEC_ZSTD;
	chunk.checksum = UINT64_MAX;
	frame_put(fd, FRAME_CHUNK, &chunk, token, 16);
	close(fd);
}

static void cycle_frames(void)
{
	Vmreplica__Wire__CycleBegin begin = VMREPLICA__WIRE__CYCLE_BEGIN__INIT;
	Vmreplica__Wire__Chunk chunk = VMREPLICA__WIRE__CHUNK__INIT;
	Vmreplica__Wire__Digest digest = VMREPLICA__WIRE__DIGEST__INIT;
	Vmreplica__Wire__DigestReply reply = VMREPLICA__WIRE__DIGEST_REPLY__INIT;
	Vmreplica__Wire__MarkRequest request = VMREPLICA__WIRE__MARK_REQUEST__INIT;
	Vmreplica__Wire__CycleEnd end = VMREPLICA__WIRE__CYCLE_END__INIT;
	uint8_t data[DATA_BYTES], packed[DATA_BYTES];
	int fd = corpus_file_new("frame", "cycle");

	begin.mode = VMREPLICA__WIRE__MODE__MODE_DELTA;
	begin.cut_id = cut_id;
	begin.consistency = crash;
	begin.base_cut = &cut;
	begin.resumed = &mark;
	begin.disks = disks;
	begin.n_disks = 1;
	frame_put(fd, FRAME_CYCLE_BEGIN, &begin, "", 0);
	for (unsigned int i = 0; i < 2; i++) {
		enum codec codec;
		uint32_t len = data_make(i * 1000, data, packed, &codec);

		chunk.length = DATA_BYTES;
		chunk.codec = (Vmreplica__Wire__Codec)codec;
		chunk.checksum = codec_checksum(data, DATA_BYTES, 0);
		frame_put(fd, FRAME_CHUNK, &chunk, packed, len);
	}
	chunk.codec = VMREPLICA__WIRE__CODEC__CODEC_PLAIN;
	chunk.length = 64;
	frame_put(fd, FRAME_CHUNK, &chunk, data, 64);
	chunk.kind = VMREPLICA__WIRE__CHUNK_KIND__CHUNK_ZERO;
	chunk.checksum = 0;
	chunk.length = 1 << 29;
	frame_put(fd, FRAME_CHUNK, &chunk, "", 0);
	digest.block_bytes = reply.block_bytes = 65536;
	digest.count = reply.count = 3;
	frame_put(fd, FRAME_DIGEST, &digest, data, 48);
	frame_put(fd, FRAME_DIGEST_REPLY, &reply, data, 1);
	request.mark = &mark;
	frame_put(fd, FRAME_MARK_REQUEST, &request, "", 0);
	end.cut_id = cut_id;
	end.stream_hash = cut.log_hash;
	frame_put(fd, FRAME_CYCLE_END, &end, "", 0);
	close(fd);
}

/* What the target of log files takes: a byte that says whether the header is there, and the log
 * from there on. */
static void log_input(const char *name, const uint8_t *log, size_t len, bool with_header)
{
	size_t skip = with_header ? 0 : 4096;
	int fd = corpus_file_new("logfile", name);

	corpus_file_put(fd, with_header ? "\1" : "", 1);
	corpus_file_put(fd, log + skip, len - skip);
	close(fd);
}

static void log_fill(int fd, unsigned int records, bool finish)
{
	struct logfile_header header = {
		.epoch_number = 1, .seq = 7, .cut_time_ms = 1795343460123, .disk_count = 1};
	uint8_t data[DATA_BYTES], packed[DATA_BYTES];
	struct logfile_trailer trailer;
	struct logfile_writer *writer;
	bool ok;

	strcpy(header.relationship, uuid);
	strcpy(header.epoch_lineage, uuid);
	strcpy(header.cut_id, cut_id);
	strcpy(header.disks[0].name, disk_name);
	header.disks[0].size_bytes = 1 << 30;
	ok = logfile_writer_new(fd, &header, &writer) == 0;
	for (unsigned int i = 0; i < records && ok; i++) {
		struct logfile_record record = {.offset = i * 65536ull, .length = DATA_BYTES};

		if (i == 2) {
			record.zero = true;
		} else {
			record.payload_len = data_make(i * 1000, data, packed, &record.codec);
			record.checksum = codec_checksum(data, DATA_BYTES, record.offset);
		}
		ok = logfile_writer_append(writer, &record, packed) == 0;
	}
	if (!ok || (finish && logfile_writer_finish(writer, &trailer) < 0)) {
		fprintf(stderr, "a log cannot be written\n");
		exit(1);
	}
	logfile_writer_free(writer);
}

static void log_inputs(const char *name, unsigned int records, bool finish)
{
	int fd = memfd_create("log", MFD_CLOEXEC);
	uint8_t log[16384];
	char headless[64];
	ssize_t len;

	log_fill(fd, records, finish);
	len = pread(fd, log, sizeof(log), 0);
	close(fd);
	snprintf(headless, sizeof(headless), "%s-headless", name);
	log_input(name, log, (size_t)len, true);
	log_input(headless, log, (size_t)len, false);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "Usage: make_corpus DIRECTORY\n");
		return 2;
	}
	directory = argv[1];
	parts_fill();
	broker_frames();
	owner_frames();
	cycle_frames();
	long_chunk_frame();
	corpus_messages_make();
	log_inputs("whole", 3, true);
	log_inputs("partial", 3, false);
	log_inputs("empty", 0, true);
	return 0;
}
