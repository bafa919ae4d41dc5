/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A sender that does wrong: each case gets a clear answer on the wire, a reason in the replica's
 * health, and loses nothing that was acknowledged. */
#include <string.h>

#include "common/clock.h"
#include "replica_scene.h"
#include "unit.h"

#define STALLED	   40
#define STALLED_MS 20000 /* they would hold what they have for 30 s */

static void test_wrong_cycles(void)
{
	struct sender_cut cut = {.cut_id = "00112233aabbccdd"};

	scene_begin();
	scene_enter();
	cut.seq = 5;
	sender.committed = cut;
	sender_begin(&sender, &model, DELTA, false);
	scene_expect(FRAME_FAILURE, "sequence", "initial replication is expected");
	scene_enter();
	sender_begin(&sender, &model, RESYNC, false);
	scene_expect(FRAME_FAILURE, "sequence", "not complete");
	scene_initial();

	sender_begin(&sender, &model, INITIAL, false);
	scene_expect(FRAME_FAILURE, "sequence", "is complete here");

	scene_enter();
	model_change(&model, 10);
	sender.committed.seq += 3; /* a log that was never sent lies between */
	sender_begin(&sender, &model, DELTA, false);
	scene_expect(FRAME_FAILURE, "sequence", "the replica holds cycle 1");
	CU_ASSERT_TRUE(scene_wait_code("sequence", 5000));
	CU_ASSERT_EQUAL(rig.status.health, VMREPLICA__HEALTH__HEALTH_WARNING);
	scene_recover();

	model_change(&model, 3);
	sender.committed.log_hash[7] ^= 1; /* the same cycle with another content */
	sender_begin(&sender, &model, DELTA, false);
	scene_expect(FRAME_FAILURE, "sequence", "histories differ");
	scene_recover();

	cut.seq = 1;
	sender_begin_cut(&sender, &model, DELTA, false, &cut);
	scene_expect(FRAME_FAILURE, "sequence", "was committed");

	scene_enter();
	sender.mark = (struct sender_mark){.mode = DELTA, .seq = 77, .offset = 4096};
	strcpy(sender.mark.cut_id, "00112233aabbccdd");
	sender_begin(&sender, &model, DELTA, true);
	scene_expect(FRAME_FAILURE, "sequence", "not kept here");
	scene_end();
}

static void test_wrong_chunks(void)
{
	scene_begin();
	scene_initial();
	model_change(&model, 10);

	sender_begin(&sender, &model, DELTA, false);
	sender.spoil_checksum = true;
	memset(model.disks[0].data, 7, MODEL_CLUSTER);
	model.disks[0].dirty[0] = 1;
	sender_chunk(&sender, &model, 0, 0, MODEL_CLUSTER);
	scene_expect(FRAME_FAILURE, "checksum", "wrong checksum");
	CU_ASSERT_TRUE(scene_wait_code("checksum", 5000));
	scene_recover();

	model_change(&model, 5);
	sender_begin(&sender, &model, DELTA, false);
	sender_dirty(&sender, &model);
	sender.spoil_hash = true;
	sender_send_end(&sender);
	scene_expect(FRAME_FAILURE, "checksum", "hash");
	scene_recover();

	model_change(&model, 5);
	sender_begin(&sender, &model, DELTA, false);
	sender_zero(&sender, 1, model.disks[1].size - 512, 1024);
	scene_expect(FRAME_FAILURE, "limits", "outside disk vdb");
	scene_recover();

	sender_begin(&sender, &model, DELTA, false);
	sender_zero(&sender, 0, UINT64_MAX - 100, 512);
	CU_ASSERT_EQUAL(sender_answer(&sender, 10000), FRAME_FAILURE);
	sender_drop(&sender);
	scene_enter();
	sender_begin(&sender, &model, DELTA, false);
	sender_zero(&sender, 2, 0, 512);
	scene_expect(FRAME_FAILURE, "limits", "disk 2 of 2");
	scene_end();
}

static void test_malformed(void)
{
	static const uint8_t header[] = {'V', 'M', 'R', '1', 0, 37, 0,	  0,	0,    0,
					 0,   4,   0,	0,   0, 0,  0xff, 0xff, 0xff, 0xff};
	static const uint8_t huge[] = {'V', 'M', 'R', '1', 0, 37, 0, 0, 0x7f, 0, 0, 0, 0, 0, 0, 0};
	static const uint8_t rubbish[64] = {"GET / HTTP/1.1\r\n\r\n"};

	scene_begin();
	scene_initial();
	CU_ASSERT_EQUAL(tls_write_full(sender.conn, header, sizeof(header), 5000), 0);
	scene_expect(FRAME_FAILURE, "malformed", "not of this protocol");
	scene_enter();
	CU_ASSERT_EQUAL(tls_write_full(sender.conn, huge, sizeof(huge), 5000), 0);
	scene_expect(FRAME_FAILURE, "limits", "too long");
	scene_enter();
	CU_ASSERT_EQUAL(tls_write_full(sender.conn, rubbish, sizeof(rubbish), 5000), 0);
	scene_expect(FRAME_FAILURE, "malformed", "not of this protocol");
	CU_ASSERT_TRUE(scene_wait_code("malformed", 5000));
	CU_ASSERT_TRUE(sender_connect(&sender, &rig, rig.sender_tls));
	sender.next_seq = 9;
	sender.committed = (struct sender_cut){.seq = 5, .cut_id = "00112233aabbccdd"};
	sender_begin(&sender, &model, DELTA, false);
	scene_expect(FRAME_FAILURE, "sequence", "before HELLO");
	model_change(&model, 3);
	scene_recover();
	scene_end();
}

static void test_not_allowed(void)
{
	scene_begin();
	scene_enter();
	rig_wait(&rig, NULL, 0, 300);
	/* the rig's certificates hold for two days */
	CU_ASSERT_PTR_NOT_NULL(
		strstr(rig.last_event, "the certificate of a1.a.example expires on"));
	scene_initial();
	sender_drop(&sender);

	CU_ASSERT_TRUE(sender_connect(&sender, &rig, rig.stranger_tls));
	sender_hello(&sender, &model);
	CU_ASSERT_EQUAL(sender.answer, FRAME_DENIED);
	CU_ASSERT_STRING_EQUAL(sender.code, "identity"); /* says a.example, is c.example */
	sender_drop(&sender);
	CU_ASSERT_TRUE(sender_connect(&sender, &rig, rig.stranger_tls));
	sender.site = "c.example";
	sender_hello(&sender, &model);
	CU_ASSERT_STRING_EQUAL(sender.code, "not-authorized");
	sender_drop(&sender);
	rig_authorize(&rig, "*.example");
	CU_ASSERT_TRUE(sender_connect(&sender, &rig, rig.stranger_tls));
	sender.site = "c.example";
	sender_hello(&sender, &model);
	CU_ASSERT_STRING_EQUAL(sender.code, "other-peer");
	sender_drop(&sender);
	CU_ASSERT_FALSE(
		scene_wait_code("not-authorized", 300)); /* a stranger does not touch its health */

	scene_enter();
	rig_authorize(&rig, NULL);
	clock_sleep_ms(100);
	model_change(&model, 5);
	sender_begin(&sender, &model, DELTA, false);
	clock_sleep_ms(1000); /* the receiver has closed: what is sent now meets a reset */
	sender_range(&sender, &model, 0, 0, model.disks[0].size, false);
	scene_expect(FRAME_DENIED, "not-authorized", "vmreplica authorize add 'a.example'");
	CU_ASSERT_TRUE(scene_wait_code("not-authorized", 5000));
	CU_ASSERT_TRUE(sender_connect(&sender, &rig, rig.sender_tls));
	sender_hello(&sender, &model);
	CU_ASSERT_STRING_EQUAL(sender.code, "not-authorized");
	sender_drop(&sender);
	rig_authorize(&rig, "*.example");
	clock_sleep_ms(100);
	scene_recover();
	scene_end();
}

/* Somebody with a good certificate, and more connections than there are workers, stops in the
 * middle of each one's first frame: a primary's stream begins all the same, and commits. */
static void test_stalled(void)
{
	const struct frame_header header = {.type = FRAME_HELLO, .message_len = 100};
	uint8_t raw[FRAME_HEADER_LEN];
	struct tls_conn *stalled[STALLED];
	char error[TLS_ERROR_LEN];
	int64_t begin_ms;

	scene_begin();
	frame_header_encode(&header, raw);
	for (size_t i = 0; i < STALLED; i++) {
		int fd = tls_dial("127.0.0.1", rig.port, 5000, error);

		stalled[i] = tls_client_new(rig.stranger_tls, fd, "b1.b.example", NULL);
		CU_ASSERT_EQUAL_FATAL(tls_handshake_full(stalled[i], 10000), 0);
		CU_ASSERT_EQUAL(tls_write_full(stalled[i], raw, sizeof(raw), 5000), 0);
	}
	clock_sleep_ms(300);
	begin_ms = clock_monotonic_ms();
	scene_initial();
	scene_delta(5);
	CU_ASSERT_TRUE(clock_monotonic_ms() - begin_ms < STALLED_MS);
	scene_check();
	for (size_t i = 0; i < STALLED; i++) {
		tls_conn_free(stalled[i]);
	}
	scene_end();
}

static enum frame_type stranger_hello(void)
{
	CU_ASSERT_TRUE(sender_connect(&sender, &rig, rig.stranger_tls));
	sender.site = "c.example";
	return sender_hello(&sender, &model);
}

/* c.example may send what belongs to a.example when both are in one trust group, and no longer than
 * that. */
static void test_trust_group(void)
{
	static const char *const same[][2] = {{"a.example", "gold"}, {"*.c.example", "gold"}};
	static const char *const other[][2] = {{"a.example", "gold"}, {"*.c.example", "blue"}};
	static const char *const none[][2] = {{"a.example", ""}, {"*.c.example", ""}};

	scene_begin();
	scene_initial();
	sender_drop(&sender);
	rig_authorize_groups(&rig, other, 2);
	CU_ASSERT_EQUAL(stranger_hello(), FRAME_DENIED);
	CU_ASSERT_STRING_EQUAL(sender.code, "other-peer");
	CU_ASSERT_PTR_NOT_NULL(strstr(sender.reason, "shares no trust group"));
	rig_authorize_groups(&rig, none, 2);
	CU_ASSERT_EQUAL(stranger_hello(), FRAME_DENIED);
	CU_ASSERT_STRING_EQUAL(sender.code, "other-peer");

	rig_authorize_groups(&rig, same, 2);
	CU_ASSERT_EQUAL(stranger_hello(), FRAME_WELCOME);
	scene_delta(5);
	scene_check();
	rig_authorize_groups(&rig, other, 2);
	clock_sleep_ms(100);
	model_change(&model, 5);
	sender_begin(&sender, &model, DELTA, false);
	scene_expect(FRAME_DENIED, "other-peer", "shares no trust group");
	scene_recover(); /* its own site's */
	scene_end();
}

/* An epoch that its sender cannot have made is not recorded: the right one is taken afterwards. */
static void epoch_is_refused(uint64_t number, const char *holder, const char *why)
{
	sender_drop(&sender);
	CU_ASSERT_TRUE(sender_connect(&sender, &rig, rig.sender_tls));
	sender.epoch = number;
	sender.holder = holder;
	CU_ASSERT_EQUAL(sender_hello(&sender, &model), FRAME_DENIED);
	CU_ASSERT_STRING_EQUAL(sender.code, "epoch");
	CU_ASSERT_PTR_NOT_NULL(strstr(sender.reason, why));
	sender.holder = NULL;
}

static void test_epochs(void)
{
	scene_begin();
	scene_initial();
	epoch_is_refused(INT64_MAX, NULL, "make the replica anew");
	epoch_is_refused(2 + EPOCH_STEP_MAX, NULL, "no failovers explain that");
	epoch_is_refused(2, "b.example", "which b.example holds");
	sender_drop(&sender);
	sender.epoch = 1;
	CU_ASSERT_TRUE(sender_connect(&sender, &rig, rig.sender_tls));
	sender.lineage = "11111111-9d2e-4d57-8a4b-0c6c1b2a7e22";
	CU_ASSERT_EQUAL(sender_hello(&sender, &model), FRAME_DENIED);
	CU_ASSERT_STRING_EQUAL(sender.code, "epoch");
	sender_drop(&sender);
	CU_ASSERT_TRUE(sender_connect(&sender, &rig, rig.sender_tls));
	sender.epoch = 2;
	CU_ASSERT_EQUAL(sender_hello(&sender, &model), FRAME_WELCOME);
	CU_ASSERT_EQUAL(sender.mode, RESYNC);
	CU_ASSERT_PTR_NOT_NULL(strstr(sender.welcome_reason, "from epoch 1 to 2"));
	sender_drop(&sender);
	CU_ASSERT_TRUE(sender_connect(&sender, &rig, rig.sender_tls));
	CU_ASSERT_EQUAL(sender_hello(&sender, &model), FRAME_DENIED); /* the old primary again */
	sender_drop(&sender);
	scene_end();
}

/* Ranges that meet go on; others are told both. */
static void test_versions(void)
{
	scene_begin();
	scene_initial();
	sender_drop(&sender);
	CU_ASSERT_TRUE(sender_connect(&sender, &rig, rig.sender_tls));
	sender.version_min = 2;
	sender.version_max = 3;
	CU_ASSERT_EQUAL(sender_hello(&sender, &model), FRAME_DENIED);
	CU_ASSERT_STRING_EQUAL(sender.code, "version");
	CU_ASSERT_PTR_NOT_NULL(strstr(sender.reason, "versions 2 to 3, this side 1 to 1"));
	CU_ASSERT_TRUE(scene_wait_code("version", 5000));
	sender_drop(&sender);
	CU_ASSERT_TRUE(sender_connect(&sender, &rig, rig.sender_tls));
	sender.version_min = 1;
	sender.version_max = 2;
	CU_ASSERT_EQUAL(sender_hello(&sender, &model), FRAME_WELCOME);
	scene_delta(3);
	scene_check();
	CU_ASSERT_TRUE(scene_wait_code("", 5000));
	scene_end();
}

/* What the sender says about itself shows on the replica's side too. */
static void test_peer_state(void)
{
	scene_begin();
	scene_initial();
	sender_peer_state(&sender, VMREPLICA__HEALTH__HEALTH_WARNING, "another tool's backup job");
	CU_ASSERT_TRUE(scene_wait_code("peer", 5000));
	CU_ASSERT_STRING_EQUAL(rig.status.reason, "another tool's backup job");
	sender_peer_state(&sender, VMREPLICA__HEALTH__HEALTH_OK, "");
	CU_ASSERT_TRUE(scene_wait_code("", 5000));
	sender_drop(&sender);
	scene_end();
}

static const struct unit_test tests[] = {
	{"wrong cycles", test_wrong_cycles},
	{"wrong chunks", test_wrong_chunks},
	{"malformed frames", test_malformed},
	{"not allowed", test_not_allowed},
	{"a peer whose connections stall", test_stalled},
	{"trust group", test_trust_group},
	{"epochs", test_epochs},
	{"versions", test_versions},
	{"peer state", test_peer_state},
};

int main(void)
{
	rig_require_tools();
	return unit_run("receiver and wrong senders", tests, sizeof(tests) / sizeof(tests[0]));
}
