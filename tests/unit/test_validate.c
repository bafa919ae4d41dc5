/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/limits.h"
#include "proto/validate.h"
#include "proto/wire.pb-c.h"
#include "tests/unit/unit.h"

static char error[VALIDATE_ERROR_LEN];
static char uuid[] = "0b6f4b1c-93a5-4f7e-8b1a-5d2f6c7e8a90", cut_id[] = "0123456789abcdef";
static uint8_t hash[LOG_HASH_LEN];

/* ---- names ---- */

static void assert_all(bool (*check)(const char *), bool expected, const char *const *texts)
{
	for (; *texts != NULL; texts++) {
		if (check(*texts) != expected) {
			fprintf(stderr, "\n    wrong verdict on '%s'\n", *texts);
			CU_FAIL("wrong verdict");
		}
	}
	CU_ASSERT_FALSE(check(NULL));
}

static char *repeat(char c, size_t count)
{
	static char texts[4][2048];
	static unsigned int next;
	char *text = texts[next++ % 4];

	memset(text, c, count);
	text[count] = '\0';
	return text;
}

static void test_ids(void)
{
	assert_all(validate_uuid, true,
		   (const char *[]){uuid, "00000000-0000-0000-0000-000000000000", NULL});
	assert_all(validate_uuid, false,
		   (const char *[]){"", "0B6F4B1C-93A5-4F7E-8B1A-5D2F6C7E8A90",
				    "0b6f4b1c-93a5-4f7e-8b1a-5d2f6c7e8a9",
				    "0b6f4b1c-93a5-4f7e-8b1a-5d2f6c7e8a900",
				    "0b6f4b1c093a5-4f7e-8b1a-5d2f6c7e8a90",
				    "../../../../../../../../../../../etc", NULL});
	assert_all(validate_cut_id, true, (const char *[]){cut_id, NULL});
	assert_all(validate_cut_id, false,
		   (const char *[]){"", "0123456789ABCDEF", "0123456789abcde", "0123456789abcdef0",
				    "0123456789abcdeg", NULL});
	assert_all(validate_lineage, true, (const char *[]){uuid, "a", cut_id, NULL});
	assert_all(validate_lineage, false,
		   (const char *[]){"", "g", repeat('a', 37), "../..", NULL});
}

static void test_names(void)
{
	assert_all(validate_vm_name, true,
		   (const char *[]){"web1", "Web_1.a-b+c", "1", repeat('v', VM_NAME_MAX), NULL});
	assert_all(validate_vm_name, false,
		   (const char *[]){"", ".", "..", ".hidden", "-rf", "a/b", "a b", "a\n",
				    "w\xc3\xa9"
				    "b",
				    repeat('v', VM_NAME_MAX + 1), NULL});
	assert_all(validate_disk_name, true,
		   (const char *[]){"vda", "sdb", "hdA1", repeat('d', DISK_NAME_MAX), NULL});
	assert_all(validate_disk_name, false,
		   (const char *[]){"", "1da", "vd-a", "vda.", "../vda",
				    repeat('d', DISK_NAME_MAX + 1), NULL});
	assert_all(validate_resource_id, true,
		   (const char *[]){"web1-replica", "_x", "a.b_c-d", repeat('r', RESOURCE_ID_MAX),
				    NULL});
	assert_all(validate_resource_id, false,
		   (const char *[]){"", "1web", "-x", "a:0", "a b", "a'b",
				    repeat('r', RESOURCE_ID_MAX + 1), NULL});
}

static void test_sites(void)
{
	char longest[SITE_NAME_MAX + 2];

	memset(longest, 'a', sizeof(longest));
	for (size_t i = 63; i < SITE_NAME_MAX; i += 64) {
		longest[i] = '.';
	}
	longest[SITE_NAME_MAX + 1] = '\0';
	assert_all(validate_site_name, false, (const char *[]){longest, NULL});
	longest[SITE_NAME_MAX] = '\0';
	assert_all(validate_site_name, true,
		   (const char *[]){"a.example", "a", "A-1.b_2.example", repeat('a', 63), longest,
				    NULL});
	assert_all(validate_site_name, false,
		   (const char *[]){"", ".", "a.", ".a", "a..b", "-a", "a-", "a b", "*.example",
				    "a/b", repeat('a', 64), NULL});
	assert_all(validate_site_pattern, true, (const char *[]){"a.example", "*.example", NULL});
	assert_all(validate_site_pattern, false,
		   (const char *[]){"*", "*.", "a*.example", "a.*", "*.*.example", NULL});
}

static void test_paths(void)
{
	char *longest = repeat('p', PATH_LEN_MAX);

	longest[0] = '/';
	assert_all(
		validate_absolute_path, true,
		(const char *[]){"/", "/srv/replica", "/a b/c.d", "/..a", "/a..", longest, NULL});
	assert_all(validate_absolute_path, false,
		   (const char *[]){"", "srv", "/srv/", "//srv", "/srv//a", "/srv/../etc", "/..",
				    "/.", "/a/./b", "/a\nb", "/a\x7f", "/srv/\xff", NULL});
	longest = repeat('p', PATH_LEN_MAX + 1);
	longest[0] = '/';
	assert_all(validate_absolute_path, false, (const char *[]){longest, NULL});
}

/* ---- messages ---- */

static int check(enum frame_type type, const void *message, uint32_t payload_len)
{
	struct frame frame = {.type = type, .payload_len = payload_len};

	/* Only read there; the struct's field is not const because decoders fill it. */
	memcpy(&frame.message, &message, sizeof(message));
	error[0] = '\0';
	return validate_frame(&frame, error);
}

/* Spoil one field, expect a refusal that says what, and mend it. */
#define ASSERT_SPOILED(type, message, payload, field, value, what)                                 \
	do {                                                                                       \
		__typeof__((message).field) kept_ = (message).field;                               \
		(message).field = (value);                                                         \
		CU_ASSERT_EQUAL(check(type, &(message), payload), -EBADMSG);                       \
		if (strstr(error, what) == NULL) {                                                 \
			fprintf(stderr, "\n    error is: %s\n", error);                            \
			CU_FAIL("the error does not say what is wrong");                           \
		}                                                                                  \
		(message).field = kept_;                                                           \
		CU_ASSERT_EQUAL(check(type, &(message), payload), 0);                              \
	} while (0)

static Vmreplica__Wire__Version version = VMREPLICA__WIRE__VERSION__INIT;
static Vmreplica__Epoch epoch = VMREPLICA__EPOCH__INIT;
static Vmreplica__Cut cut = VMREPLICA__CUT__INIT;
static Vmreplica__Wire__Mark mark = VMREPLICA__WIRE__MARK__INIT;
static Vmreplica__Wire__Disk disks[2] = {VMREPLICA__WIRE__DISK__INIT, VMREPLICA__WIRE__DISK__INIT};
static Vmreplica__Wire__Disk *disk_list[DISKS_MAX + 1] = {&disks[0], &disks[1]};
static char vda[] = "vda", vdb[] = "vdb", site[] = "a.example", node[] = "a1", vm[] = "web1",
	    empty[] = "";
static char bad[] = "\x1b[2J", code[] = "storage-full",
	    reason[] = "the replica\xc2\xb4s storage is full";

static void parts_fill(void)
{
	version.min = 1;
	version.max = 1;
	epoch.lineage = uuid;
	epoch.site = site;
	cut.cut_id = cut_id;
	cut.log_hash = (ProtobufCBinaryData){.data = hash, .len = sizeof(hash)};
	mark.mode = VMREPLICA__WIRE__MODE__MODE_INITIAL;
	mark.cut_id = cut_id;
	disks[0].name = vda;
	disks[1].name = vdb;
	disks[0].size_bytes = disks[1].size_bytes = 1 << 20;
}

static void test_hello(void)
{
	Vmreplica__Wire__Hello m = VMREPLICA__WIRE__HELLO__INIT;

	CU_ASSERT_EQUAL(check(FRAME_HELLO, &m, 0), -EBADMSG);
	m.version = &version;
	m.relationship = uuid;
	m.epoch = &epoch;
	m.vm = vm;
	m.site = site;
	m.node = node;
	m.disks = disk_list;
	m.n_disks = 2;
	m.frequency_s = 30;
	CU_ASSERT_EQUAL(check(FRAME_HELLO, &m, 0), 0);
	ASSERT_SPOILED(FRAME_HELLO, m, 0, version, NULL, "HELLO: the protocol version is missing");
	ASSERT_SPOILED(FRAME_HELLO, m, 0, relationship, vm, "relationship");
	ASSERT_SPOILED(FRAME_HELLO, m, 0, epoch, NULL, "epoch");
	ASSERT_SPOILED(FRAME_HELLO, m, 0, epoch->lineage, empty, "lineage");
	ASSERT_SPOILED(FRAME_HELLO, m, 0, epoch->site, empty, "site");
	ASSERT_SPOILED(FRAME_HELLO, m, 0, vm, bad, "VM's name");
	ASSERT_SPOILED(FRAME_HELLO, m, 0, site, bad, "site");
	ASSERT_SPOILED(FRAME_HELLO, m, 0, node, empty, "node");
	ASSERT_SPOILED(FRAME_HELLO, m, 0, n_disks, 0, "number of disks");
	ASSERT_SPOILED(FRAME_HELLO, m, 0, n_disks, DISKS_MAX + 1, "number of disks");
	ASSERT_SPOILED(FRAME_HELLO, m, 0, disks[1]->name, vda, "same name");
	ASSERT_SPOILED(FRAME_HELLO, m, 0, disks[1]->name, bad, "disk's name");
	ASSERT_SPOILED(FRAME_HELLO, m, 0, disks[1]->size_bytes, 0, "disk's size");
	ASSERT_SPOILED(FRAME_HELLO, m, 0, disks[1]->size_bytes, DISK_SIZE_MAX + 1, "disk's size");
	ASSERT_SPOILED(FRAME_HELLO, m, 0, frequency_s, FREQUENCY_MIN_S - 1, "frequency");
	ASSERT_SPOILED(FRAME_HELLO, m, 0, frequency_s, FREQUENCY_MAX_S + 1, "frequency");
	ASSERT_SPOILED(FRAME_HELLO, m, 0, version->min, 0, "range");
	ASSERT_SPOILED(FRAME_HELLO, m, 0, version->min, 2, "range");
	ASSERT_SPOILED(FRAME_HELLO, m, 0, version->software, bad, "software");
}

static void test_welcome(void)
{
	Vmreplica__Wire__Welcome m = VMREPLICA__WIRE__WELCOME__INIT;

	m.version = &version;
	CU_ASSERT_EQUAL(check(FRAME_WELCOME, &m, 0), 0); /* nothing committed, nothing expected */
	m.committed = &cut;
	m.mode = VMREPLICA__WIRE__MODE__MODE_DELTA;
	m.mark = &mark;
	m.epoch = &epoch;
	m.reason = reason;
	CU_ASSERT_EQUAL(check(FRAME_WELCOME, &m, 0), 0);
	ASSERT_SPOILED(FRAME_WELCOME, m, 0, mode, (Vmreplica__Wire__Mode)9, "mode");
	ASSERT_SPOILED(FRAME_WELCOME, m, 0, committed->cut_id, vm, "cut id");
	ASSERT_SPOILED(FRAME_WELCOME, m, 0, committed->seq, UINT64_MAX, "number or time");
	ASSERT_SPOILED(FRAME_WELCOME, m, 0, committed->time_ms, INT64_MIN, "number or time");
	ASSERT_SPOILED(FRAME_WELCOME, m, 0, committed->time_ms, INT64_MAX, "number or time");
	ASSERT_SPOILED(FRAME_WELCOME, m, 0, next_seq, SEQ_MAX + 1ull, "number");
	ASSERT_SPOILED(FRAME_WELCOME, m, 0, mark->seq, UINT64_MAX, "mark");
	ASSERT_SPOILED(FRAME_WELCOME, m, 0, committed->log_hash.len, 31, "hash");
	ASSERT_SPOILED(FRAME_WELCOME, m, 0, mark->cut_id, empty, "mark");
	ASSERT_SPOILED(FRAME_WELCOME, m, 0, mark->disk, DISKS_MAX + 1, "mark");
	ASSERT_SPOILED(FRAME_WELCOME, m, 0, mark->offset, DISK_SIZE_MAX + 1, "mark");
	ASSERT_SPOILED(FRAME_WELCOME, m, 0, mark->mode, VMREPLICA__WIRE__MODE__MODE_NONE, "mode");
	ASSERT_SPOILED(FRAME_WELCOME, m, 0, reason, bad, "reason");
	ASSERT_SPOILED(FRAME_WELCOME, m, 0, reason, repeat('x', REASON_MAX + 1), "reason");
}

static void test_cycle(void)
{
	Vmreplica__Wire__CycleBegin m = VMREPLICA__WIRE__CYCLE_BEGIN__INIT;
	Vmreplica__Wire__CycleEnd end = VMREPLICA__WIRE__CYCLE_END__INIT;
	char crash[] = "crash", application[] = "application";

	m.mode = VMREPLICA__WIRE__MODE__MODE_DELTA;
	m.cut_id = cut_id;
	m.consistency = crash;
	m.base_cut = &cut;
	m.disks = disk_list;
	m.n_disks = 2;
	m.domain_xml = (ProtobufCBinaryData){.data = hash, .len = 1};
	CU_ASSERT_EQUAL(check(FRAME_CYCLE_BEGIN, &m, 0), 0);
	m.consistency = application;
	m.resumed = &mark;
	CU_ASSERT_EQUAL(check(FRAME_CYCLE_BEGIN, &m, 0), 0);
	ASSERT_SPOILED(FRAME_CYCLE_BEGIN, m, 0, mode, VMREPLICA__WIRE__MODE__MODE_NONE, "mode");
	ASSERT_SPOILED(FRAME_CYCLE_BEGIN, m, 0, cut_id, empty, "cut id");
	ASSERT_SPOILED(FRAME_CYCLE_BEGIN, m, 0, seq, SEQ_MAX + 1ull, "number");
	ASSERT_SPOILED(FRAME_CYCLE_BEGIN, m, 0, cut_time_ms, -1, "time");
	ASSERT_SPOILED(FRAME_CYCLE_BEGIN, m, 0, cut_time_ms, TIME_MS_MAX + 1, "time");
	ASSERT_SPOILED(FRAME_CYCLE_BEGIN, m, 0, base_cut->time_ms, INT64_MIN, "number or time");
	ASSERT_SPOILED(FRAME_CYCLE_BEGIN, m, 0, consistency, vm, "consistency");
	ASSERT_SPOILED(FRAME_CYCLE_BEGIN, m, 0, base_cut, NULL, "base");
	ASSERT_SPOILED(FRAME_CYCLE_BEGIN, m, 0, n_disks, 0, "disks");
	ASSERT_SPOILED(FRAME_CYCLE_BEGIN, m, 0, resumed->cut_id, empty, "mark");
	ASSERT_SPOILED(FRAME_CYCLE_BEGIN, m, 0, domain_xml.len, DOMAIN_XML_INLINE_MAX + 1, "XML");
	CU_ASSERT_NOT_EQUAL(check(FRAME_CYCLE_BEGIN, &m, 1), 0); /* there twice */
	m.domain_xml.len = 0;
	CU_ASSERT_EQUAL(check(FRAME_CYCLE_BEGIN, &m, DOMAIN_XML_MAX), 0);
	m.mode = VMREPLICA__WIRE__MODE__MODE_INITIAL;
	m.base_cut = NULL;
	CU_ASSERT_EQUAL(check(FRAME_CYCLE_BEGIN, &m, 0), 0);
	end.cut_id = cut_id;
	end.stream_hash = cut.log_hash;
	CU_ASSERT_EQUAL(check(FRAME_CYCLE_END, &end, 0), 0);
	ASSERT_SPOILED(FRAME_CYCLE_END, end, 0, cut_id, vm, "cut id");
	ASSERT_SPOILED(FRAME_CYCLE_END, end, 0, stream_hash.len, 0, "hash");
}

static void test_chunk(void)
{
	Vmreplica__Wire__Chunk m = VMREPLICA__WIRE__CHUNK__INIT;

	m.disk = DISKS_MAX - 1;
	m.offset = DISK_SIZE_MAX - CHUNK_MAX;
	m.length = CHUNK_MAX;
	m.checksum = 5;
	CU_ASSERT_EQUAL(check(FRAME_CHUNK, &m, CHUNK_MAX), 0);
	CU_ASSERT_EQUAL(check(FRAME_CHUNK, &m, CHUNK_MAX - 1), -EBADMSG);
	ASSERT_SPOILED(FRAME_CHUNK, m, CHUNK_MAX, disk, DISKS_MAX, "disk");
	ASSERT_SPOILED(FRAME_CHUNK, m, CHUNK_MAX, offset, DISK_SIZE_MAX - CHUNK_MAX + 1, "disk");
	ASSERT_SPOILED(FRAME_CHUNK, m, CHUNK_MAX, offset, UINT64_MAX, "disk");
	ASSERT_SPOILED(FRAME_CHUNK, m, CHUNK_MAX, length, 0, "disk");
	ASSERT_SPOILED(FRAME_CHUNK, m, CHUNK_MAX, length, UINT64_MAX, "disk");
	ASSERT_SPOILED(FRAME_CHUNK, m, CHUNK_MAX, codec, (Vmreplica__Wire__Codec)3, "codec");
	ASSERT_SPOILED(FRAME_CHUNK, m, CHUNK_MAX, codec, (Vmreplica__Wire__Codec)-1, "codec");
	ASSERT_SPOILED(FRAME_CHUNK, m, CHUNK_MAX, kind, (Vmreplica__Wire__ChunkKind)2, "kind");
	m.codec = VMREPLICA__WIRE__CODEC__CODEC_ZSTD;
	CU_ASSERT_EQUAL(check(FRAME_CHUNK, &m, 1), 0);
	CU_ASSERT_EQUAL(check(FRAME_CHUNK, &m, 0), -EBADMSG);
	CU_ASSERT_EQUAL(check(FRAME_CHUNK, &m, CHUNK_MAX + 1), -EBADMSG);
	m.offset = 0;
	m.length = CHUNK_MAX + 1;
	CU_ASSERT_EQUAL(check(FRAME_CHUNK, &m, 1), -EBADMSG);
	/* Zeros may be as long as the disk. */
	m = (Vmreplica__Wire__Chunk)VMREPLICA__WIRE__CHUNK__INIT;
	m.kind = VMREPLICA__WIRE__CHUNK_KIND__CHUNK_ZERO;
	m.length = DISK_SIZE_MAX;
	CU_ASSERT_EQUAL(check(FRAME_CHUNK, &m, 0), 0);
	CU_ASSERT_EQUAL(check(FRAME_CHUNK, &m, 1), -EBADMSG);
	ASSERT_SPOILED(FRAME_CHUNK, m, 0, checksum, 1, "zeros");
	ASSERT_SPOILED(FRAME_CHUNK, m, 0, codec, VMREPLICA__WIRE__CODEC__CODEC_LZ4, "zeros");
	ASSERT_SPOILED(FRAME_CHUNK, m, 0, length, DISK_SIZE_MAX + 1, "disk");
}

static void test_digests(void)
{
	Vmreplica__Wire__Digest m = VMREPLICA__WIRE__DIGEST__INIT;
	Vmreplica__Wire__DigestReply reply = VMREPLICA__WIRE__DIGEST_REPLY__INIT;

	m.block_bytes = 65536;
	m.count = 9;
	CU_ASSERT_EQUAL(check(FRAME_DIGEST, &m, 9 * 16), 0);
	CU_ASSERT_EQUAL(check(FRAME_DIGEST, &m, 9 * 16 - 1), -EBADMSG);
	ASSERT_SPOILED(FRAME_DIGEST, m, 9 * 16, block_bytes, 2048, "block size");
	ASSERT_SPOILED(FRAME_DIGEST, m, 9 * 16, block_bytes, 65537, "block size");
	ASSERT_SPOILED(FRAME_DIGEST, m, 9 * 16, block_bytes, 2 * DIGEST_BLOCK_MAX, "block size");
	ASSERT_SPOILED(FRAME_DIGEST, m, 9 * 16, block_bytes, 0, "block size");
	ASSERT_SPOILED(FRAME_DIGEST, m, 9 * 16, count, 0, "number");
	ASSERT_SPOILED(FRAME_DIGEST, m, 9 * 16, count, DIGEST_COUNT_MAX + 1, "number");
	/* A count whose length in bytes wraps round. */
	ASSERT_SPOILED(FRAME_DIGEST, m, 9 * 16, count, (1u << 28) + 9, "number");
	ASSERT_SPOILED(FRAME_DIGEST, m, 9 * 16, disk, DISKS_MAX, "disk");
	ASSERT_SPOILED(FRAME_DIGEST, m, 9 * 16, offset, DISK_SIZE_MAX, "disk");
	reply.block_bytes = 4096;
	reply.count = 9;
	CU_ASSERT_EQUAL(check(FRAME_DIGEST_REPLY, &reply, 2), 0);
	CU_ASSERT_EQUAL(check(FRAME_DIGEST_REPLY, &reply, 1), -EBADMSG);
	ASSERT_SPOILED(FRAME_DIGEST_REPLY, reply, 2, count, 17, "bits");
}

static void test_broker_messages(void)
{
	Vmreplica__Wire__Redirect redirect = VMREPLICA__WIRE__REDIRECT__INIT;
	Vmreplica__Wire__Relay relay = VMREPLICA__WIRE__RELAY__INIT;
	Vmreplica__Wire__Denied denied = VMREPLICA__WIRE__DENIED__INIT;
	Vmreplica__Wire__Moving moving = VMREPLICA__WIRE__MOVING__INIT;
	char host[] = "fd00::1", token[] = "r-0123456789abcdef";

	redirect.node = node;
	redirect.host = host;
	redirect.port = 8651;
	redirect.name = site;
	CU_ASSERT_EQUAL(check(FRAME_REDIRECT, &redirect, 0), 0);
	ASSERT_SPOILED(FRAME_REDIRECT, redirect, 0, host, empty, "address");
	ASSERT_SPOILED(FRAME_REDIRECT, redirect, 0, host, bad, "address");
	ASSERT_SPOILED(FRAME_REDIRECT, redirect, 0, port, 0, "address");
	ASSERT_SPOILED(FRAME_REDIRECT, redirect, 0, port, 65536, "address");
	ASSERT_SPOILED(FRAME_REDIRECT, redirect, 0, name, empty, "name to expect");
	relay.token = token;
	relay.node = node;
	relay.name = site;
	relay.valid_ms = 30000;
	CU_ASSERT_EQUAL(check(FRAME_RELAY, &relay, 0), 0);
	ASSERT_SPOILED(FRAME_RELAY, relay, 0, token, site, "token"); /* two labels */
	ASSERT_SPOILED(FRAME_RELAY, relay, 0, token, repeat('t', 64), "token");
	ASSERT_SPOILED(FRAME_RELAY, relay, 0, valid_ms, 0, "validity");
	denied.code = code;
	denied.reason = reason;
	CU_ASSERT_EQUAL(check(FRAME_DENIED, &denied, 0), 0);
	ASSERT_SPOILED(FRAME_DENIED, denied, 0, code, empty, "code");
	ASSERT_SPOILED(FRAME_DENIED, denied, 0, code, reason, "code");
	moving.retry_ms = 500;
	CU_ASSERT_EQUAL(check(FRAME_MOVING, &moving, 0), 0);
	ASSERT_SPOILED(FRAME_MOVING, moving, 0, retry_ms, UINT32_MAX, "next try");
}

static void test_enrolment(void)
{
	Vmreplica__Wire__Enroll m = VMREPLICA__WIRE__ENROLL__INIT;
	Vmreplica__Wire__Enrolled answer = VMREPLICA__WIRE__ENROLLED__INIT;
	char net[] = "net:prod=dr", bridge[] = "bridge:br0=br7", none[] = "prod";
	char plain[] = "b1 has no network dr", bell[] = "b1 \a", *maps[] = {net, bridge, none};
	char *warnings[WARNINGS_MAX + 1] = {plain, bell};
	Vmreplica__Wire__Withdraw withdraw = VMREPLICA__WIRE__WITHDRAW__INIT;
	char resource[] = "web1-a-replica", storage[] = "/srv/replica", up[] = "/srv/../etc";

	m.version = &version;
	m.relationship = uuid;
	m.vm = vm;
	m.site = site;
	m.frequency_s = 30;
	m.disks = disk_list;
	m.n_disks = 1;
	CU_ASSERT_EQUAL(check(FRAME_ENROLL, &m, 0), 0);
	ASSERT_SPOILED(FRAME_ENROLL, m, 0, vm, bad, "VM");
	ASSERT_SPOILED(FRAME_ENROLL, m, 0, site, empty, "site");
	answer.site = site;
	CU_ASSERT_EQUAL(check(FRAME_ENROLLED, &answer, 0), 0); /* of a dry run */
	m.maps = maps;
	m.n_maps = 2;
	m.domain_xml = (ProtobufCBinaryData){.data = hash, .len = ENROLL_XML_MAX};
	CU_ASSERT_EQUAL(check(FRAME_ENROLL, &m, 0), 0);
	ASSERT_SPOILED(FRAME_ENROLL, m, 0, domain_xml.len, ENROLL_XML_MAX + 1, "XML");
	ASSERT_SPOILED(FRAME_ENROLL, m, 0, n_maps, 3, "map");
	answer.warnings = warnings;
	answer.n_warnings = 1;
	CU_ASSERT_EQUAL(check(FRAME_ENROLLED, &answer, 0), 0);
	ASSERT_SPOILED(FRAME_ENROLLED, answer, 0, n_warnings, 2, "warning");
	ASSERT_SPOILED(FRAME_ENROLLED, answer, 0, n_warnings, WARNINGS_MAX + 1, "warning");
	answer.resource = resource;
	answer.storage = storage;
	answer.node = node;
	CU_ASSERT_EQUAL(check(FRAME_ENROLLED, &answer, 0), 0);
	ASSERT_SPOILED(FRAME_ENROLLED, answer, 0, storage, up, "path");
	ASSERT_SPOILED(FRAME_ENROLLED, answer, 0, resource, bad, "resource");
	withdraw.version = &version;
	withdraw.relationship = uuid;
	withdraw.site = site;
	CU_ASSERT_EQUAL(check(FRAME_WITHDRAW, &withdraw, 0), 0);
	ASSERT_SPOILED(FRAME_WITHDRAW, withdraw, 0, relationship, bad, "relationship");
}

static void test_small_messages(void)
{
	Vmreplica__Wire__Committed committed = VMREPLICA__WIRE__COMMITTED__INIT;
	Vmreplica__Wire__Marked marked = VMREPLICA__WIRE__MARKED__INIT;
	Vmreplica__Wire__Busy busy = VMREPLICA__WIRE__BUSY__INIT;
	Vmreplica__Wire__PeerState state = VMREPLICA__WIRE__PEER_STATE__INIT;
	Vmreplica__Wire__Ping ping = VMREPLICA__WIRE__PING__INIT;

	CU_ASSERT_EQUAL(check(FRAME_COMMITTED, &committed, 0), -EBADMSG);
	committed.cut = &cut;
	CU_ASSERT_EQUAL(check(FRAME_COMMITTED, &committed, 0), 0);
	CU_ASSERT_EQUAL(check(FRAME_MARKED, &marked, 0), -EBADMSG);
	marked.mark = &mark;
	CU_ASSERT_EQUAL(check(FRAME_MARKED, &marked, 0), 0);
	CU_ASSERT_EQUAL(check(FRAME_MARK_REQUEST, &marked, 0), 0);
	busy.code = code;
	CU_ASSERT_EQUAL(check(FRAME_BUSY, &busy, 0), 0);
	ASSERT_SPOILED(FRAME_BUSY, busy, 0, reason, bad, "reason");
	state.state = (Vmreplica__State)99; /* a newer peer's */
	CU_ASSERT_EQUAL(check(FRAME_PEER_STATE, &state, 0), 0);
	ASSERT_SPOILED(FRAME_PEER_STATE, state, 0, frequency_s, FREQUENCY_MAX_S + 1, "frequency");
	CU_ASSERT_EQUAL(check(FRAME_PING, &ping, 0), 0);
	/* A peer has no business with our children's messages. */
	CU_ASSERT_EQUAL(check(FRAME_STORE_OPEN, &ping, 0), -EBADMSG);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "STORE_OPEN: this frame is not for peers"));
	CU_ASSERT_EQUAL(check(FRAME_ADMIN_REQUEST, &ping, 0), -EBADMSG);
}

/* JSON and terminals want well-formed UTF-8 (RFC 3629). */
static void test_text(void)
{
	static const char *const good[] = {"",
					   "plain",
					   "\xc3\xa9",
					   "\xe2\x82\xac",
					   "\xf0\x9f\x98\x80",
					   "\xed\x9f\xbf",
					   "\xf4\x8f\xbf\xbf"};
	static const char *const wrong[] = {"\x80",
					    "\xc3",
					    "\xc0\xaf",
					    "\xe0\x80\xaf",
					    "\xed\xa0\x80",
					    "\xf4\x90\x80\x80",
					    "\xf8\x88\x80\x80",
					    "\xe2\x82",
					    "\xff",
					    "a\tb",
					    "a\nb",
					    "\x7f"};
	Vmreplica__Wire__NotFound m = VMREPLICA__WIRE__NOT_FOUND__INIT;
	char text[16];

	m.reason = text;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		strcpy(text, good[i]);
		CU_ASSERT_EQUAL(check(FRAME_NOT_FOUND, &m, 0), 0);
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		strcpy(text, wrong[i]);
		CU_ASSERT_EQUAL(check(FRAME_NOT_FOUND, &m, 0), -EBADMSG);
	}
}

static const struct unit_test tests[] = {
	{"ids", test_ids},
	{"names of VMs, disks, resources", test_names},
	{"sites and patterns", test_sites},
	{"paths", test_paths},
	{"HELLO", test_hello},
	{"WELCOME", test_welcome},
	{"a cycle's begin and end", test_cycle},
	{"chunks", test_chunk},
	{"digests", test_digests},
	{"the broker's answers", test_broker_messages},
	{"enrolment", test_enrolment},
	{"small messages", test_small_messages},
	{"texts", test_text},
};

int main(void)
{
	parts_fill();
	return unit_run("validate", tests, sizeof(tests) / sizeof(tests[0]));
}
