/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is between a VM's image and the one that all is merged into, by the headers. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/chain_merge.h"
#include "engine/source_access.h"
#include "tests/unit/shell.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/unit.h"

#define LAYERS 4

static char paths[LAYERS][TEMP_PATH_LEN], image[TEMP_PATH_LEN];
static char *chain[LAYERS];
static size_t lowest, top;

static void stand_on(const char *path, const char *below)
{
	shell_run("qemu-img rebase -q -u -f qcow2 -F qcow2 -b '%s' '%s'", below, path);
}

/* base <- l1 <- l2 <- l3 <- image, by names relative to the directory, absolute, through a detour.
 */
static void begin(void)
{
	char name[8], below[2 * TEMP_PATH_LEN];

	for (size_t i = 0; i < LAYERS; i++) {
		snprintf(name, sizeof(name), "l%zu", i);
		chain[i] = temp_path(paths[i], name);
		unlink(chain[i]); /* it may be a link */
		shell_run("qemu-img create -q -f qcow2 '%s' 1M", chain[i]);
	}
	shell_run("qemu-img create -q -f qcow2 '%s' 1M", temp_path(image, "vm"));
	stand_on(chain[1], "l0");
	stand_on(chain[2], chain[1]);
	snprintf(below, sizeof(below), "../%s/l2", strrchr(tempdir(), '/') + 1);
	stand_on(chain[3], below);
	stand_on(image, "l3");
}

static void test_each_merge_is_seen(void)
{
	begin();
	CU_ASSERT_EQUAL(chain_merge_find(image, chain, LAYERS, &lowest, &top), 0);
	CU_ASSERT_EQUAL(lowest, 1);
	CU_ASSERT_EQUAL(top, 3);
	stand_on(chain[2], chain[0]); /* l1 is merged */
	CU_ASSERT_EQUAL(chain_merge_find(image, chain, LAYERS, &lowest, &top), 0);
	CU_ASSERT_EQUAL(lowest, 2);
	CU_ASSERT_EQUAL(top, 3);
	stand_on(image, chain[0]); /* all is */
	CU_ASSERT_EQUAL(unlink(chain[2]), 0);
	CU_ASSERT_EQUAL(chain_merge_find(image, chain, LAYERS, &lowest, &top), 0);
	CU_ASSERT_EQUAL(lowest, 0);
	CU_ASSERT_EQUAL(top, 0);
}

/* The lowest is a link in the store; what is below the disk that it leads to is nobody's business.
 */
static void test_a_link_is_the_end(void)
{
	char template[TEMP_PATH_LEN], disk[TEMP_PATH_LEN];

	begin();
	shell_run("qemu-img create -q -f qcow2 '%s' 1M", temp_path(template, "template"));
	CU_ASSERT_EQUAL(rename(chain[0], temp_path(disk, "disk")), 0);
	stand_on(disk, template);
	CU_ASSERT_EQUAL(symlink(disk, chain[0]), 0);
	CU_ASSERT_EQUAL(chain_merge_find(image, chain, LAYERS, &lowest, &top), 0);
	CU_ASSERT_EQUAL(lowest, 1);
}

static void test_a_foreign_file_is_refused(void)
{
	char other[TEMP_PATH_LEN];

	begin();
	shell_run("qemu-img create -q -f qcow2 '%s' 1M", temp_path(other, "other"));
	stand_on(chain[2], other);
	CU_ASSERT_EQUAL(chain_merge_find(image, chain, LAYERS, &lowest, &top), -EBADMSG);
	begin();
	stand_on(chain[2], chain[3]); /* it goes down, or it goes round for ever */
	CU_ASSERT_EQUAL(chain_merge_find(image, chain, LAYERS, &lowest, &top), -EBADMSG);
	begin();
	shell_run("qemu-img create -q -f qcow2 '%s' 1M", image); /* it stands on nothing */
	CU_ASSERT_EQUAL(chain_merge_find(image, chain, LAYERS, &lowest, &top), -EBADMSG);
	CU_ASSERT_EQUAL(unlink(chain[1]), 0);
	begin();
	CU_ASSERT_EQUAL(unlink(chain[1]), 0);
	CU_ASSERT_TRUE(chain_merge_find(image, chain, LAYERS, &lowest, &top) < 0);
	CU_ASSERT_TRUE(chain_merge_is_hopeless(-EBADMSG));
	CU_ASSERT_FALSE(chain_merge_is_hopeless(-EBUSY));
	CU_ASSERT_FALSE(chain_merge_is_hopeless(-ECANCELED));
}

#define QEMU	 61234567u /* no such user */
#define RECEIVER 61234568u

static char real[PATH_MAX];

static int admit(size_t count)
{
	struct chain_merge merge = {0};
	Vmreplica__Ipc__TakenDisk disk = VMREPLICA__IPC__TAKEN_DISK__INIT;
	char name[] = "vda";

	disk.name = name;
	disk.path = image;
	disk.chain = chain;
	disk.n_chain = count;
	snprintf(merge.store, sizeof(merge.store), "%s", tempdir());
	return chain_merge_admit(&merge, &disk, RECEIVER, QEMU, real);
}

/* Has QEMU's user an entry there? Takes it away. */
static bool was_admitted(const char *path)
{
	bool granted = true;

	CU_ASSERT_EQUAL(source_access_grant_image(path, QEMU, &granted), 0);
	CU_ASSERT_EQUAL(source_access_revoke_image(path, QEMU), 0);
	return !granted;
}

static void test_what_is_merged_may_be_written(void)
{
	begin();
	CU_ASSERT_EQUAL(admit(LAYERS), 1);
	CU_ASSERT_STRING_EQUAL(real, chain[0]);
	for (size_t i = 0; i < LAYERS; i++) {
		CU_ASSERT_TRUE(was_admitted(chain[i]));
	}
	stand_on(image, chain[0]);
	CU_ASSERT_EQUAL(admit(LAYERS), 0); /* nothing is left */
	CU_ASSERT_FALSE(was_admitted(chain[0]));
	stand_on(image, chain[3]);
	stand_on(chain[2], chain[0]);
	CU_ASSERT_EQUAL(unlink(chain[1]), 0); /* merged away */
	CU_ASSERT_EQUAL(admit(LAYERS), 1);
	CU_ASSERT_TRUE(was_admitted(chain[3]));
}

/* Nobody is let write a file that no header leads to, nor one behind a link. */
static void test_a_foreign_file_is_not_opened_to_qemu(void)
{
	char directory[TEMP_PATH_LEN], victim[TEMP_PATH_LEN], path[TEMP_PATH_LEN];

	begin();
	shell_run("mkdir '%s' && qemu-img create -q -f qcow2 '%s' 1M && ln -s '%s' '%s/gen-1'",
		  temp_path(directory, "elsewhere"), temp_path(victim, "elsewhere/victim"),
		  directory, tempdir());
	chain[1] = temp_path(path, "victim");
	CU_ASSERT_EQUAL(rename(victim, path), 0);
	CU_ASSERT_EQUAL(admit(LAYERS), -EBADMSG); /* l1 is on the way, and not named */
	CU_ASSERT_FALSE(was_admitted(path));
	CU_ASSERT_FALSE(was_admitted(chain[0]));
	CU_ASSERT_EQUAL(rename(path, victim), 0);
	chain[1] = temp_path(path, "gen-1/victim");
	stand_on(victim, chain[0]);
	stand_on(chain[2], chain[1]); /* all headers agree */
	CU_ASSERT_EQUAL(chain_merge_find(image, chain, LAYERS, &lowest, &top), 0);
	CU_ASSERT_EQUAL(admit(LAYERS), -EBADMSG);
	CU_ASSERT_FALSE(was_admitted(victim));
	shell_run("rm -r '%s' '%s/gen-1'", directory, tempdir());
}

/* The one legal link: to a disk that was lent. What is passed on is the disk. */
static void test_the_base_may_be_a_lent_disk(void)
{
	char disk[TEMP_PATH_LEN];
	bool granted;

	begin();
	CU_ASSERT_EQUAL(rename(chain[0], temp_path(disk, "own")), 0);
	CU_ASSERT_EQUAL(symlink(disk, chain[0]), 0);
	CU_ASSERT_EQUAL(admit(LAYERS), -EPERM);
	CU_ASSERT_FALSE(was_admitted(disk));
	CU_ASSERT_EQUAL(source_access_grant_image(disk, RECEIVER, &granted), 0);
	CU_ASSERT_EQUAL(admit(LAYERS), 1);
	CU_ASSERT_STRING_EQUAL(real, disk);
	CU_ASSERT_TRUE(was_admitted(disk));
	CU_ASSERT_EQUAL(unlink(chain[0]), 0);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"each merge is seen", test_each_merge_is_seen},
		{"a link is the end", test_a_link_is_the_end},
		{"a foreign file is refused", test_a_foreign_file_is_refused},
		{"what is merged may be written", test_what_is_merged_may_be_written},
		{"a foreign file is not opened to QEMU", test_a_foreign_file_is_not_opened_to_qemu},
		{"the base may be a lent disk", test_the_base_may_be_a_lent_disk},
	};
	int status = unit_run("merging a chain", tests, sizeof(tests) / sizeof(tests[0]));

	tempdir_remove();
	return status;
}
