/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a replica VM is given before its first boot. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "engine/replica_state.h"
#include "proto/vm_state.h"
#include "tempdir.h"
#include "unit.h"

#define UUID "0b6f4b1c-93a5-4f7e-8b1a-5d2f6c7e8a90"

static char store[TEMP_PATH_LEN], archive[TEMP_PATH_LEN], nvram[TEMP_PATH_LEN], tpms[TEMP_PATH_LEN];
static struct replica_state_places places = {.nvram = nvram, .uuid = UUID, .tpm_directory = tpms};
static char error[REPLICA_STATE_ERROR_LEN];

static bool holds(const char *path, const char *expected)
{
	char text[64] = "";
	cleanup_close int fd = open(path, O_RDONLY);
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && (st.st_mode & 07777) == 0600 &&
	       read(fd, text, sizeof(text) - 1) == (ssize_t)strlen(expected) &&
	       strcmp(text, expected) == 0;
}

static const char *tpm(char path[TEMP_PATH_LEN])
{
	return temp_path(path, "swtpm/" UUID "/tpm2/tpm2-00.permall");
}

static void archive_write(const char *variables, const char *seeds)
{
	struct vm_state state = {.count = 0};
	uint8_t *data;
	size_t len;
	cleanup_close int fd = open(archive, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (variables != NULL) {
		state.files[state.count++] = (struct vm_state_file){
			VM_STATE_NVRAM, (const uint8_t *)variables, strlen(variables)};
	}
	if (seeds != NULL) {
		state.files[state.count++] = (struct vm_state_file){
			VM_STATE_TPM_2_0, (const uint8_t *)seeds, strlen(seeds)};
	}
	CU_ASSERT_EQUAL_FATAL(vm_state_encode(&state, &data, &len), 0);
	CU_ASSERT_EQUAL_FATAL(write(fd, data, len), (ssize_t)len);
	free(data);
}

static void test_placed_and_replaced(void)
{
	char path[TEMP_PATH_LEN];
	struct stat st;

	archive_write("boot 1", "seeds 1");
	CU_ASSERT_EQUAL(replica_state_place(store, archive, &places, error), 0);
	CU_ASSERT_TRUE(holds(nvram, "boot 1"));
	CU_ASSERT_TRUE(holds(tpm(path), "seeds 1"));
	/* swtpm's user gets there, whatever our umask is */
	CU_ASSERT_EQUAL(stat(temp_path(path, "swtpm/" UUID), &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 07777, 0711);
	/* as libvirt leaves them, and what a crash left */
	CU_ASSERT_EQUAL(chmod(nvram, 0644), 0);
	temp_file(path, "web1_VARS.fd.new", "torn");
	archive_write("boot 2", NULL);
	CU_ASSERT_EQUAL(replica_state_place(store, archive, &places, error), 0);
	CU_ASSERT_TRUE(holds(nvram, "boot 2"));
	CU_ASSERT_TRUE(holds(tpm(path), "seeds 1")); /* better than none */
	archive_write(NULL, "seeds 3");
	CU_ASSERT_EQUAL(replica_state_place(store, archive, &places, error), 0);
	CU_ASSERT_TRUE(holds(nvram, "boot 2"));
	CU_ASSERT_TRUE(holds(tpm(path), "seeds 3"));
	CU_ASSERT_EQUAL(replica_state_place(store, "", &places, error), 0);
	CU_ASSERT_TRUE(holds(nvram, "boot 2"));
	CU_ASSERT_TRUE(holds(tpm(path), "seeds 3"));
	unlink(nvram);
	unlink(tpm(path));
	rmdir(temp_path(path, "swtpm/" UUID "/tpm2"));
	rmdir(temp_path(path, "swtpm/" UUID));
}

/* A failover's step that is repeated does not take away what the VM has written since. */
static void test_once_for_a_failover(void)
{
	static const char uefi[] = "<domain>\n  <uuid>" UUID "</uuid>\n  <os>\n    <nvram "
				   "template=\"/x\">/y</nvram>\n  </os>\n</domain>";
	static const char bios[] = "<domain>\n  <uuid>" UUID "</uuid>\n</domain>";
	char path[TEMP_PATH_LEN];

	archive_write("boot 1", NULL);
	CU_ASSERT_EQUAL(replica_state_prepare(store, archive, nvram, uefi, false, error), 0);
	CU_ASSERT_TRUE(holds(nvram, "boot 1"));
	temp_file(path, "web1_VARS.fd", "written by the VM");
	chmod(nvram, 0600);
	CU_ASSERT_EQUAL(replica_state_prepare(store, archive, nvram, uefi, false, error), 0);
	CU_ASSERT_TRUE(holds(nvram, "written by the VM"));
	replica_state_forget(nvram); /* cancelled */
	CU_ASSERT_EQUAL(access(nvram, F_OK), -1);
	archive_write("boot 2", NULL);
	CU_ASSERT_EQUAL(replica_state_prepare(store, archive, nvram, uefi, false, error), 0);
	CU_ASSERT_TRUE(holds(nvram, "boot 2"));
	replica_state_forget(nvram);
	replica_state_forget(nvram);
	/* a test's is always new */
	CU_ASSERT_EQUAL(replica_state_prepare(store, archive, nvram, uefi, true, error), 0);
	archive_write("boot 3", NULL);
	CU_ASSERT_EQUAL(replica_state_prepare(store, archive, nvram, uefi, true, error), 0);
	CU_ASSERT_TRUE(holds(nvram, "boot 3"));
	unlink(nvram);
	CU_ASSERT_EQUAL(replica_state_prepare(store, archive, nvram, bios, true, error), 0);
	CU_ASSERT_EQUAL(access(nvram, F_OK), -1);
}

/* The store is the receiver's user's: nothing in it leads root elsewhere. */
static void test_a_stranger_s_store(void)
{
	char path[TEMP_PATH_LEN], outside[TEMP_PATH_LEN];

	archive_write("boot 1", "seeds 1");
	CU_ASSERT_EQUAL(replica_state_place(store, "/etc/passwd", &places, error), -EINVAL);
	CU_ASSERT_EQUAL(
		replica_state_place(store, temp_path(path, "store/../outside/x"), &places, error),
		-EINVAL);
	CU_ASSERT_EQUAL(
		replica_state_place(store, temp_path(path, "store/gen-9/1.state"), &places, error),
		-ENOENT);
	rename(archive, temp_path(outside, "outside"));
	CU_ASSERT_EQUAL(symlink(outside, archive), 0);
	CU_ASSERT_EQUAL(replica_state_place(store, archive, &places, error), -ELOOP);
	unlink(archive);
	CU_ASSERT_EQUAL(mkfifo(archive, 0600), 0);
	CU_ASSERT_EQUAL(replica_state_place(store, archive, &places, error), -EBADMSG);
	unlink(archive);
	rename(outside, archive);
	CU_ASSERT_EQUAL(truncate(archive, 30), 0);
	CU_ASSERT_EQUAL(replica_state_place(store, archive, &places, error), -EBADMSG);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "is damaged"));
	CU_ASSERT_EQUAL(access(nvram, F_OK), -1);
	places.uuid = "../../etc";
	CU_ASSERT_EQUAL(replica_state_place(store, "", &places, error), -EINVAL);
	places.uuid = UUID;
}

static const struct unit_test tests[] = {
	{"placed and replaced", test_placed_and_replaced},
	{"once for a failover", test_once_for_a_failover},
	{"a stranger's store", test_a_stranger_s_store},
};

int main(void)
{
	char path[TEMP_PATH_LEN];
	int result;

	umask(077); /* the engine's */
	mkdir(temp_path(store, "store"), 0700);
	mkdir(temp_path(path, "store/gen-1"), 0700);
	mkdir(temp_path(tpms, "swtpm"), 0700);
	temp_path(archive, "store/gen-1/7.state");
	temp_path(nvram, "web1_VARS.fd");
	result = unit_run("replica_state", tests, sizeof(tests) / sizeof(tests[0]));
	unlink(archive);
	rmdir(temp_path(path, "store/gen-1"));
	rmdir(store);
	rmdir(tpms);
	tempdir_remove();
	return result;
}
