/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looks at a block device under a header. */
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

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

int main(void)
{
	static const struct unit_test tests[] = {
		{"device", test_device},
	};
	int failed;

	failed = unit_run("wrap device", tests, sizeof(tests) / sizeof(tests[0]));
	tempdir_remove();
	return failed;
}
