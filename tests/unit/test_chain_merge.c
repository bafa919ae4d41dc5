/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is between a VM's image and the one that all is merged into, by the headers. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/chain_merge.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/unit.h"

#define LAYERS 4

static char paths[LAYERS][TEMP_PATH_LEN], image[TEMP_PATH_LEN];
static char *chain[LAYERS];
static size_t lowest, top;

static void run(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void run(const char *format, ...)
{
	char command[8 * TEMP_PATH_LEN];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	CU_ASSERT_EQUAL_FATAL(system(command), 0);
}

static void stand_on(const char *path, const char *below)
{
	run("qemu-img rebase -q -u -f qcow2 -F qcow2 -b '%s' '%s'", below, path);
}

/* base <- l1 <- l2 <- l3 <- image, by names relative to the directory, absolute, through a detour.
 */
static void begin(void)
{
	char name[8], below[2 * TEMP_PATH_LEN];

	for (size_t i = 0; i < LAYERS; i++) {
		snprintf(name, sizeof(name), "l%zu", i);
		chain[i] = temp_path(paths[i], name);
		run("qemu-img create -q -f qcow2 '%s' 1M", chain[i]);
	}
	run("qemu-img create -q -f qcow2 '%s' 1M", temp_path(image, "vm"));
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
	run("qemu-img create -q -f qcow2 '%s' 1M", temp_path(template, "template"));
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
	run("qemu-img create -q -f qcow2 '%s' 1M", temp_path(other, "other"));
	stand_on(chain[2], other);
	CU_ASSERT_EQUAL(chain_merge_find(image, chain, LAYERS, &lowest, &top), -EBADMSG);
	begin();
	stand_on(chain[2], chain[3]); /* it goes down, or it goes round for ever */
	CU_ASSERT_EQUAL(chain_merge_find(image, chain, LAYERS, &lowest, &top), -EBADMSG);
	begin();
	run("qemu-img create -q -f qcow2 '%s' 1M", image); /* it stands on nothing */
	CU_ASSERT_EQUAL(chain_merge_find(image, chain, LAYERS, &lowest, &top), -EBADMSG);
	CU_ASSERT_EQUAL(unlink(chain[1]), 0);
	begin();
	CU_ASSERT_EQUAL(unlink(chain[1]), 0);
	CU_ASSERT_TRUE(chain_merge_find(image, chain, LAYERS, &lowest, &top) < 0);
	CU_ASSERT_TRUE(chain_merge_is_hopeless(-EBADMSG));
	CU_ASSERT_FALSE(chain_merge_is_hopeless(-EBUSY));
	CU_ASSERT_FALSE(chain_merge_is_hopeless(-ECANCELED));
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"each merge is seen", test_each_merge_is_seen},
		{"a link is the end", test_a_link_is_the_end},
		{"a foreign file is refused", test_a_foreign_file_is_refused},
	};
	int status = unit_run("merging a chain", tests, sizeof(tests) / sizeof(tests[0]));

	tempdir_remove();
	return status;
}
