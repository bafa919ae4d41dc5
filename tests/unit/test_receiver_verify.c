/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VERIFY against the real receiver: an equal replica is found equal, a byte changed in a layer's
 * file behind the receiver's back is found where it is, and nothing is written by looking. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "replica_scene.h"
#include "unit.h"

#define BLOCKS_MAX 512

static uint32_t disk_blocks(unsigned int disk)
{
	return (uint32_t)model.disks[disk].clusters;
}

/* How many blocks of disk differ; the first into *ret_first. */
static unsigned int verify_disk(unsigned int disk, uint32_t *ret_first)
{
	uint8_t map[BLOCKS_MAX / 8] = {0};
	const char *code = sender_verify(&sender, &model, disk, 0, disk_blocks(disk), map);
	unsigned int differ = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(code);
	CU_ASSERT_STRING_EQUAL(code, "");
	for (uint32_t i = disk_blocks(disk); i-- > 0;) {
		if ((map[i / 8] >> (i % 8) & 1) != 0) {
			*ret_first = i;
			differ++;
		}
	}
	return differ;
}

static void verify_equal(void)
{
	uint32_t first = 0;

	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		CU_ASSERT_EQUAL(verify_disk(i, &first), 0);
	}
}

static void test_equal(void)
{
	scene_begin();
	scene_initial();
	verify_equal();
	for (int i = 0; i < 4; i++) {
		scene_delta(30);
		verify_equal(); /* also while it is being applied: the answer waits for that */
	}
	scene_check();
	scene_end();
}

/* Find a marker that the model wrote in the layer's file, and spoil it there. */
static void layer_spoil(const char *path, const uint8_t *marker, size_t len)
{
	int fd = open(path, O_RDWR);
	struct stat st;
	uint8_t *data, *at;

	CU_ASSERT_TRUE_FATAL(fd >= 0 && fstat(fd, &st) == 0);
	data = malloc((size_t)st.st_size);
	CU_ASSERT_EQUAL_FATAL(pread(fd, data, (size_t)st.st_size, 0), st.st_size);
	at = memmem(data, (size_t)st.st_size, marker, len);
	CU_ASSERT_PTR_NOT_NULL_FATAL(at);
	CU_ASSERT_EQUAL(pwrite(fd, "x", 1, at - data), 1);
	close(fd);
	free(data);
}

static void test_flipped_byte(void)
{
	static const uint32_t block = 37;
	uint8_t marker[64];
	uint32_t first = 0;

	scene_begin();
	scene_initial();
	for (size_t i = 0; i < sizeof(marker); i++) {
		marker[i] = (uint8_t)(rig_random(100) + 1); /* never layer_spoil's 'x' */
	}
	memcpy(model.disks[0].data + block * MODEL_CLUSTER + 4096, marker, sizeof(marker));
	model.disks[0].dirty[block] = 1;
	scene_delta_of_dirty();
	verify_equal();
	CU_ASSERT_TRUE(rig_wait(&rig, rig_is_applied, sender.committed.seq, 30000));
	layer_spoil(rig.status.tops[0], marker, sizeof(marker));
	CU_ASSERT_EQUAL(verify_disk(0, &first), 1);
	CU_ASSERT_EQUAL(first, block);
	CU_ASSERT_EQUAL(verify_disk(1, &first), 0);
	/* the stream goes on; a resynchronization heals it */
	sender_drop(&sender);
	scene_resync_whole();
	verify_equal();
	scene_end();
}

static void test_refused(void)
{
	struct sender_cut committed;
	uint8_t map[BLOCKS_MAX / 8];
	const char *code, *name;

	scene_begin();
	scene_initial();
	scene_delta(10);
	committed = sender.committed;
	sender.committed.seq--;
	code = sender_verify(&sender, &model, 0, 0, 8, map);
	CU_ASSERT_STRING_EQUAL(code == NULL ? "none" : code, "passed");
	sender.committed = committed;
	name = model.disks[0].name;
	model.disks[0].name = "vdz";
	code = sender_verify(&sender, &model, 0, 0, 8, map);
	CU_ASSERT_STRING_EQUAL(code == NULL ? "none" : code, "disks");
	model.disks[0].name = name;
	verify_equal(); /* and the stream is as good as before */
	scene_delta(10);
	verify_equal();
	scene_end();
}

/* Who has lost the authorization since HELLO learns nothing more of the replica. */
static void test_not_authorized(void)
{
	uint8_t map[BLOCKS_MAX / 8];

	scene_begin();
	scene_initial();
	verify_equal();
	rig_authorize(&rig, NULL);
	clock_sleep_ms(100);
	CU_ASSERT_PTR_NULL(sender_verify(&sender, &model, 0, 0, 8, map));
	CU_ASSERT_TRUE(scene_wait_code("not-authorized", 5000));
	sender_drop(&sender);
	scene_end();
}

static void test_waits_for_applier(void)
{
	uint8_t map[BLOCKS_MAX / 8];
	const char *code;
	pid_t daemon;

	scene_begin();
	scene_initial();
	scene_check();
	daemon = rig_daemon_pid(&rig);
	CU_ASSERT_NOT_EQUAL_FATAL(daemon, 0);
	kill(daemon, SIGSTOP);
	scene_delta(10);
	code = sender_verify(&sender, &model, 0, 0, 8, map);
	CU_ASSERT_STRING_EQUAL(code == NULL ? "none" : code, "applying");
	kill(daemon, SIGCONT);
	verify_equal();
	scene_end();
}

static const struct unit_test tests[] = {
	{"an equal replica", test_equal},
	{"a flipped byte", test_flipped_byte},
	{"what cannot be compared", test_refused},
	{"not authorized any more", test_not_authorized},
	{"the applier first", test_waits_for_applier},
};

int main(void)
{
	rig_require_tools();
	return unit_run("receiver_verify", tests, sizeof(tests) / sizeof(tests[0]));
}
