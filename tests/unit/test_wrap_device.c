/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looks at a block device under a header; and which headers a wrap that fails may remove. */
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "engine/wrap_header.h"
#include "engine/wrap_record.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/unit.h"

#define MIB (1u << 20)

/* A loop device over path, which root alone can have; NULL = not here. To free. */
static char *loop_device(const char *path)
{
	char command[TEMP_PATH_LEN + 64], device[64] = "";
	FILE *pipe;

	snprintf(command, sizeof(command), "losetup --find --show %s 2>/dev/null", path);
	pipe = popen(command, "r"); /* NOLINT(cert-env33-c): a test's own file */
	if (pipe != NULL && fgets(device, sizeof(device), pipe) != NULL) {
		device[strcspn(device, "\n")] = '\0';
	}
	if (pipe != NULL) {
		pclose(pipe);
	}
	return device[0] != '\0' ? strdup(device) : NULL;
}

static void poke(const char *path, off_t offset)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	CU_ASSERT_EQUAL(pwrite(fd, "x", 1, offset), 1);
	close(fd);
}

static void drop_device(const char *device)
{
	int fd = open(device, O_RDONLY | O_CLOEXEC);

	CU_ASSERT_EQUAL(ioctl(fd, LOOP_CLR_FD, 0), 0);
	close(fd);
}

/* One byte in a place that no sample holds: while the VM is off the kernel's counters tell, and a
 * start is doubted whatever was written, or not. */
static void test_device(void)
{
	char raw[TEMP_PATH_LEN], header[TEMP_PATH_LEN];
	struct wrap_record record = {.state = WRAP_CLOSED}, read;
	const struct wrap_notes notes = {0};
	char *device;

	temp_file(raw, "device.img", "a disk");
	CU_ASSERT_EQUAL(truncate(raw, 64 * (off_t)MIB), 0);
	device = loop_device(raw);
	if (device == NULL) {
		printf("no loop device here: skipped\n");
		return;
	}
	temp_path(header, "device.qcow2");
	wrap_look(device, &record.look);
	CU_ASSERT_TRUE(record.look.known && record.look.device && record.look.counters.known);
	CU_ASSERT_EQUAL(wrap_record_write(header, &record, &notes), 0);
	wrap_record_read(header, &read, NULL);
	CU_ASSERT_EQUAL(memcmp(&read.look, &record.look, sizeof(read.look)), 0);
	CU_ASSERT_EQUAL(wrap_record_event(header, device, WRAP_EVENT_OFF, "a1", &read), 0);
	CU_ASSERT_EQUAL(read.state, WRAP_CLOSED);
	CU_ASSERT_EQUAL(wrap_record_event(header, device, WRAP_EVENT_LAST, "a1", &read), 0);
	CU_ASSERT_EQUAL(read.state, WRAP_CLOSED);
	poke(device, 3 * MIB + 65536 + 5);
	CU_ASSERT_EQUAL(wrap_record_event(header, device, WRAP_EVENT_OFF, "a1", &read), 0);
	CU_ASSERT_EQUAL(read.state, WRAP_DOUBT);
	CU_ASSERT_EQUAL(wrap_record_write(header, &record, &notes), 0);
	CU_ASSERT_EQUAL(wrap_record_event(header, device, WRAP_EVENT_START, "a1", &read), 0);
	CU_ASSERT_EQUAL(read.state, WRAP_DOUBT);
	drop_device(device);
	free(device);
}

/* A second wrap, of another node's definition, that fails: the header that the first has made is in
 * use there, and stays with its record. */
static void test_taken_back(void)
{
	struct wrap_disk disks[2] = {{.name = "vda", .size_bytes = MIB},
				     {.name = "vdb", .size_bytes = MIB}};
	struct wrap_disk first;
	char error[SOURCE_ERROR_LEN] = "", path[TEMP_PATH_LEN];

	for (size_t i = 0; i < 2; i++) {
		temp_file(path, i == 0 ? "old.img" : "new.img", "a disk");
		CU_ASSERT_EQUAL(truncate(path, MIB), 0);
		snprintf(disks[i].raw, sizeof(disks[i].raw), "%s", path);
		snprintf(disks[i].header, sizeof(disks[i].header), "%s" WRAP_HEADER_SUFFIX, path);
	}
	first = disks[0];
	CU_ASSERT_EQUAL(wrap_header_make(&first, error), 0);
	CU_ASSERT_TRUE(first.made);
	CU_ASSERT_EQUAL(wrap_header_make(&disks[0], error), 0);
	CU_ASSERT_EQUAL(wrap_header_make(&disks[1], error), 0);
	CU_ASSERT_EQUAL_FATAL(wrap_header_keep_made(disks, 2), 1);
	CU_ASSERT_STRING_EQUAL(disks[0].name, "vdb");
	CU_ASSERT_EQUAL(wrap_header_remove(&disks[0]), 1);
	CU_ASSERT_EQUAL(wrap_header_remove(&disks[0]), 0);
	CU_ASSERT_EQUAL(wrap_header_keep_made(&first, 1), 1);
	CU_ASSERT_EQUAL(access(first.header, F_OK), 0);
	snprintf(path, sizeof(path), "%.480s" WRAP_RECORD_SUFFIX, first.header);
	CU_ASSERT_EQUAL(access(path, F_OK), 0);
	/* one of another size is made anew, and is as little this wrap's own */
	first.made = false;
	first.size_bytes = 2ul * MIB;
	CU_ASSERT_EQUAL(truncate(first.raw, 2 * (off_t)MIB), 0);
	CU_ASSERT_EQUAL(wrap_header_make(&first, error), 0);
	CU_ASSERT_EQUAL(wrap_header_keep_made(&first, 1), 0);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"device", test_device},
		{"taken back", test_taken_back},
	};
	int failed;

	failed = unit_run("wrap device", tests, sizeof(tests) / sizeof(tests[0]));
	tempdir_remove();
	return failed;
}
