/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unwrapping a VM that has come home: what stands on the header goes down into the raw disk. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "engine/lent_list.h"
#include "engine/source_access.h"
#include "engine/wrap_image.h"
#include "engine/wrap_layers.h"
#include "engine/wrap_record.h"
#include "tests/unit/shell.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/unit.h"

#define MIB	 (1u << 20)
#define PIECE	 (64u << 10)
#define RECEIVER 61234568u /* no such user */
#define RESERVE	 0

static char raw[TEMP_PATH_LEN], header[TEMP_PATH_LEN], store[TEMP_PATH_LEN], base[TEMP_PATH_LEN],
	layer[TEMP_PATH_LEN], image[TEMP_PATH_LEN], error[SOURCE_ERROR_LEN];
static struct wrap_disk disk;
static const struct wrap_layers_users users = {.receiver = RECEIVER, .qemu = 0};
static atomic_bool stop;
static unsigned int layers;

static void put(const char *path, const char *pattern, unsigned int piece)
{
	shell_run("qemu-io -f qcow2 -c 'write %s %u 64k' '%s' >/dev/null", pattern, piece * PIECE,
		  path);
}

static bool holds(unsigned int piece, int byte)
{
	FILE *file = fopen(raw, "re");
	bool same = file != NULL && fseek(file, (long)piece * (long)PIECE, SEEK_SET) == 0;

	for (unsigned int i = 0; same && i < PIECE; i++) {
		same = fgetc(file) == byte;
	}
	if (file != NULL) {
		fclose(file);
	}
	return same;
}

/* In root's list of what was lent to the store: this alone. */
static void note(const char *path)
{
	json_t *list = json_pack("[s]", path);

	CU_ASSERT_EQUAL(lent_list_write(store, list), 0);
	json_decref(list);
}

static void clear(void)
{
	char command[TEMP_PATH_LEN + 16];

	snprintf(command, sizeof(command), "rm -rf '%s'/*", tempdir());
	if (system(command) != 0) { /* NOLINT(cert-env33-c): a test's own files */
		perror(command);
	}
}

/* raw disk <- header <- (a link to it) <- layer <- image: as a planned failover and the way home
 * leave it. Pieces 0 to 3 are the raw disk's, 1 the layer's, 2 the image's, 3 zeros of the image.
 */
static void begin(void)
{
	bool granted;

	clear();
	temp_file(raw, "vda.img", "");
	CU_ASSERT_EQUAL_FATAL(truncate(raw, MIB), 0);
	snprintf(header, sizeof(header), "%.480s" WRAP_HEADER_SUFFIX, raw);
	CU_ASSERT_EQUAL_FATAL(wrap_image_make(raw, MIB, header, error), 0);
	shell_run("mkdir -p '%s/gen-1' '%s/vm-3' && chown %u '%s' '%s'/*",
		  temp_path(store, "store"), store, RECEIVER, store, store);
	temp_path(base, "store/gen-1/vda");
	temp_path(layer, "store/gen-1/vda-2.qcow2");
	temp_path(image, "store/vm-3/vda.qcow2");
	CU_ASSERT_EQUAL_FATAL(symlink(header, base), 0);
	for (unsigned int piece = 0; piece < 4; piece++) {
		put(header, "-P 0x10", piece);
	}
	shell_run(
		"cd '%s/gen-1' && qemu-img create -q -f qcow2 -F qcow2 -b ../gen-1/vda vda-2.qcow2",
		store);
	shell_run("cd '%s/vm-3' && qemu-img create -q -f qcow2 -F qcow2 -b ../gen-1/vda-2.qcow2 "
		  "vda.qcow2",
		  store);
	put(layer, "-P 0x21", 1);
	put(layer, "-P 0x21", 2);
	put(image, "-P 0x32", 2);
	put(image, "-z", 3);
	CU_ASSERT_EQUAL_FATAL(source_access_grant_image(header, RECEIVER, &granted), 0);
	CU_ASSERT_EQUAL_FATAL(source_access_grant_image(raw, RECEIVER, &granted), 0);
	note(raw);
	disk = (struct wrap_disk){.name = "vda", .size_bytes = MIB};
	snprintf(disk.raw, sizeof(disk.raw), "%s", raw);
	snprintf(disk.header, sizeof(disk.header), "%s", header);
	snprintf(disk.image, sizeof(disk.image), "%s", image);
}

static int merge(void)
{
	return wrap_layers_merge(&disk, &users, RESERVE, &stop, &layers, error);
}

static void judge(void)
{
	CU_ASSERT_TRUE(holds(0, 0x10));
	CU_ASSERT_TRUE(holds(1, 0x21));
	CU_ASSERT_TRUE(holds(2, 0x32));
	CU_ASSERT_TRUE(holds(3, 0));
	CU_ASSERT_TRUE(holds(4, 0));
}

static void test_merged(void)
{
	char found[PATH_MAX];

	begin();
	CU_ASSERT_TRUE(wrap_layers_find(image, found));
	CU_ASSERT_STRING_EQUAL(found, header);
	CU_ASSERT_FALSE(wrap_layers_find(header, found));
	CU_ASSERT_TRUE(wrap_layers_is_lent(&disk, RECEIVER));
	CU_ASSERT_FALSE(wrap_layers_is_merged(&disk));
	CU_ASSERT_EQUAL(merge(), 0);
	CU_ASSERT_EQUAL(layers, 2);
	CU_ASSERT_TRUE(wrap_layers_is_merged(&disk));
	judge();
	CU_ASSERT_EQUAL(merge(), 0); /* and again */
	judge();
	put(image, "-P 0x44", 5); /* the VM has run meanwhile */
	CU_ASSERT_FALSE(wrap_layers_is_merged(&disk));
}

/* Whatever an interrupted one has left below: what is above says what there is to be. */
static void test_interrupted(void)
{
	begin();
	put(header, "-P 0x21", 1);
	put(header, "-P 0x21", 2);
	put(header, "-P 0x55", 3);
	CU_ASSERT_EQUAL(merge(), 0);
	judge();
	begin();
	shell_run("qemu-io -f qcow2 -c 'sleep 3000' '%s' >/dev/null & sleep 0.5", image);
	CU_ASSERT_TRUE(merge() < 0); /* a VM has it */
	CU_ASSERT_TRUE(holds(1, 0x10));
}

static void test_refused(void)
{
	char other[TEMP_PATH_LEN];

	begin();
	CU_ASSERT_EQUAL(source_access_revoke_image(header, RECEIVER), 0); /* not lent */
	CU_ASSERT_EQUAL(merge(), -EPERM);
	begin();
	shell_run("qemu-img create -q -f qcow2 -F qcow2 -b '%s' '%s'", header,
		  temp_path(other, "snapshot.qcow2"));
	snprintf(disk.image, sizeof(disk.image), "%s", other); /* in no store */
	CU_ASSERT_EQUAL(merge(), -EPERM);
	begin();
	shell_run("qemu-img create -q -f qcow2 -F qcow2 -b '%s' '%s'", header, other);
	shell_run("qemu-img rebase -q -u -f qcow2 -F qcow2 -b '%s' '%s'", other, layer);
	CU_ASSERT_EQUAL(merge(), -EPERM); /* it leads out of the store */
	begin();
	shell_run("mkdir '%s' && mv '%s' '%s/vda-2.qcow2' && ln -s '%s/vda-2.qcow2' '%s'",
		  temp_path(other, "elsewhere"), layer, other, other, layer);
	CU_ASSERT_TRUE(merge() < 0); /* a link in the middle */
	begin();
	shell_run("qemu-img resize -q '%s' 2M", image);
	CU_ASSERT_EQUAL(merge(), -EFBIG);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "qemu-img resize"));
	begin();
	CU_ASSERT_EQUAL(wrap_layers_merge(&disk, &users, 1ull << 60, &stop, &layers, error),
			-ENOSPC);
	CU_ASSERT_TRUE(holds(1, 0x10));
	begin();
	note(header); /* it was in the receiver's hands: another raw disk than was lent */
	CU_ASSERT_FALSE(wrap_layers_is_lent(&disk, RECEIVER));
	CU_ASSERT_EQUAL(merge(), -EPERM);
	begin();
	note(image);
	snprintf(disk.raw, sizeof(disk.raw), "%s", image);
	CU_ASSERT_EQUAL(merge(), -EBADMSG); /* the header is another one's */
}

static bool is_there(const char *path)
{
	return access(path, F_OK) == 0;
}

static void test_removed(void)
{
	struct sentence_list problems = {0};
	char beside[TEMP_PATH_LEN], directory[PATH_MAX];

	begin();
	temp_file(beside, "store.xml", "<domain/>");
	CU_ASSERT_TRUE(wrap_layers_remove(&disk, RECEIVER, &problems));
	CU_ASSERT_FALSE(is_there(image));
	CU_ASSERT_TRUE(is_there(layer)); /* another disk's may lie there */
	CU_ASSERT_TRUE(source_access_holds_image(header, RECEIVER));
	CU_ASSERT_TRUE(wrap_layers_store(&disk, RECEIVER, directory));
	CU_ASSERT_STRING_EQUAL(directory, store);
	CU_ASSERT_TRUE(wrap_layers_remove_store(directory, RECEIVER, &problems));
	CU_ASSERT_FALSE(is_there(store));
	CU_ASSERT_TRUE(is_there(beside));
	CU_ASSERT_TRUE(is_there(header));
	CU_ASSERT_FALSE(source_access_holds_image(raw, RECEIVER));
	CU_ASSERT_FALSE(source_access_holds_image(header, RECEIVER));
	CU_ASSERT_EQUAL(problems.count, 0);
	CU_ASSERT_FALSE(wrap_layers_store(&disk, RECEIVER, directory));
	CU_ASSERT_FALSE(wrap_layers_remove(&disk, RECEIVER, &problems));
	CU_ASSERT_EQUAL(problems.count, 1);
	sentence_list_destroy(&problems);
}

static void test_defined(void)
{
	cleanup_free char *xml = NULL;
	char text[2 * PATH_MAX];
	size_t changed = 0;

	begin();
	snprintf(text, sizeof(text),
		 "<domain><devices><disk type='file' device='disk'>"
		 "<driver name='qemu' type='qcow2'/><source file='%s'>"
		 "<seclabel model='dac' relabel='no'/></source><target dev='vda'/></disk>"
		 "</devices></domain>",
		 image);
	CU_ASSERT_EQUAL_FATAL(wrap_domain_replace(text, &disk, 1, false, &xml, &changed), 0);
	CU_ASSERT_EQUAL(changed, 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(xml, raw));
	CU_ASSERT_PTR_NOT_NULL(strstr(xml, "type=\"raw\""));
	CU_ASSERT_PTR_NULL(strstr(xml, "seclabel"));
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"merged", test_merged},   {"interrupted", test_interrupted},
		{"refused", test_refused}, {"removed", test_removed},
		{"defined", test_defined},
	};
	int status;

	if (geteuid() != 0) {
		puts("needs root: a store belongs to the receiver's user");
		return 77;
	}
	status = unit_run("wrap layers", tests, sizeof(tests) / sizeof(tests[0]));
	clear();
	tempdir_remove();
	return status;
}
