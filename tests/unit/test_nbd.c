/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Against a real qemu-nbd on a qcow2 image with a dirty bitmap; skipped (77) where QEMU's tools are
 * missing. */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common/clock.h"
#include "common/nbd.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/unit.h"

#define MIB	   (1024ull * 1024)
#define DISK_BYTES (64 * MIB)

static char image[TEMP_PATH_LEN], socket_path[TEMP_PATH_LEN], error[NBD_ERROR_LEN];
static pid_t server;

static pid_t spawn(const char *const *argv)
{
	pid_t child = fork();

	if (child == 0) {
		execvp(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	return child;
}

static int command(const char *const *argv)
{
	int status = 0;

	waitpid(spawn(argv), &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static void server_start(bool read_only, const char *bitmap)
{
	const char *argv[16] = {"qemu-nbd",	  "--persistent",      "--shared=4",
				"--format=qcow2", "--export-name=vda", "--socket",
				socket_path,	  "--discard=unmap"};
	int count = 8;

	if (read_only) {
		argv[count++] = "--read-only";
	}
	if (bitmap != NULL) {
		argv[count++] = "--bitmap";
		argv[count++] = bitmap;
	}
	argv[count] = image;
	unlink(socket_path);
	server = spawn(argv);
	for (int i = 0; i < 500 && access(socket_path, F_OK) < 0; i++) {
		clock_sleep_ms(10);
	}
}

static void server_stop(void)
{
	kill(server, SIGTERM);
	waitpid(server, NULL, 0);
}

static struct nbd_disk *open_disk(const char *bitmap)
{
	struct nbd_disk *disk = NULL;

	/* The socket's file is there a moment before somebody listens. */
	for (int i = 0; i < 100; i++) {
		int r = nbd_disk_open(socket_path, "vda", bitmap, &disk, error);

		if (r == 0) {
			return disk;
		}
		clock_sleep_ms(20);
	}
	fprintf(stderr, "\n    %s\n", error);
	CU_FAIL_FATAL("the disk cannot be opened");
	return NULL;
}

static void fill(uint8_t *data, size_t len, unsigned int seed)
{
	for (size_t i = 0; i < len; i++) {
		data[i] = (uint8_t)(i * 7 + i / 512 + seed + 1);
	}
}

static void test_write_and_read(void)
{
	static uint8_t data[40 * MIB], back[40 * MIB];
	struct nbd_disk *disk;

	server_start(false, NULL);
	disk = open_disk(NULL);
	CU_ASSERT_EQUAL(nbd_disk_size(disk), DISK_BYTES);
	/* Longer than one request may be. */
	fill(data, sizeof(data), 1);
	CU_ASSERT_EQUAL(nbd_disk_write(disk, data, 4 * MIB, sizeof(data)), 0);
	CU_ASSERT_EQUAL(nbd_disk_read(disk, back, 4 * MIB, sizeof(back)), 0);
	CU_ASSERT_EQUAL(memcmp(data, back, sizeof(data)), 0);
	CU_ASSERT_EQUAL(nbd_disk_zero(disk, 5 * MIB, 30 * MIB), 0);
	CU_ASSERT_EQUAL(nbd_disk_read(disk, back, 4 * MIB, sizeof(back)), 0);
	memset(data + 1 * MIB, 0, 30 * MIB);
	CU_ASSERT_EQUAL(memcmp(data, back, sizeof(data)), 0);
	CU_ASSERT_EQUAL(nbd_disk_flush(disk), 0);
	CU_ASSERT_EQUAL(nbd_disk_read(disk, back, DISK_BYTES - 511, 512), -EINVAL);
	CU_ASSERT_EQUAL(nbd_disk_read(disk, back, UINT64_MAX, 512), -EINVAL);
	CU_ASSERT_EQUAL(nbd_disk_write(disk, back, DISK_BYTES, 1), -EINVAL);
	CU_ASSERT_EQUAL(nbd_disk_read(disk, back, 0, 0), -EINVAL);
	nbd_disk_close(disk);
	server_stop();
}

static void test_reads_in_flight(void)
{
	static uint8_t data[NBD_IN_FLIGHT_MAX + 1][64 * 1024], expected[64 * 1024];
	int64_t cookies[NBD_IN_FLIGHT_MAX + 1];
	struct nbd_disk *disk;

	server_start(false, NULL);
	disk = open_disk(NULL);
	for (unsigned int i = 0; i < NBD_IN_FLIGHT_MAX; i++) {
		fill(expected, sizeof(expected), i);
		CU_ASSERT_EQUAL(
			nbd_disk_write(disk, expected, i * sizeof(expected), sizeof(expected)), 0);
	}
	for (unsigned int i = 0; i < NBD_IN_FLIGHT_MAX; i++) {
		CU_ASSERT_EQUAL_FATAL(nbd_disk_read_start(disk, data[i], i * sizeof(expected),
							  sizeof(expected), &cookies[i]),
				      0);
	}
	CU_ASSERT_EQUAL(nbd_disk_read_start(disk, data[NBD_IN_FLIGHT_MAX], 0, 512,
					    &cookies[NBD_IN_FLIGHT_MAX]),
			-EBUSY);
	/* Waited for in another order than started. */
	for (unsigned int i = NBD_IN_FLIGHT_MAX; i-- > 0;) {
		CU_ASSERT_EQUAL(nbd_disk_wait(disk, cookies[i], 5000), 0);
		fill(expected, sizeof(expected), i);
		CU_ASSERT_EQUAL(memcmp(data[i], expected, sizeof(expected)), 0);
	}
	CU_ASSERT_EQUAL(nbd_disk_wait(disk, cookies[0], 5000), -EINVAL);
	CU_ASSERT_EQUAL(nbd_disk_read_start(disk, data, 0, 64 * MIB, &cookies[0]), -EINVAL);
	nbd_disk_close(disk);
	server_stop();
}

struct walk {
	struct nbd_extent extents[64];
	size_t count;
	size_t stop_after;
};

static int walk_cb(void *arg, const struct nbd_extent *extent)
{
	struct walk *walk = arg;

	if (walk->count < 64) {
		walk->extents[walk->count] = *extent;
	}
	walk->count++;
	return walk->stop_after > 0 && walk->count == walk->stop_after ? -ECANCELED : 1;
}

static bool extent_is(const struct nbd_extent *extent, uint64_t offset, uint64_t length, bool dirty,
		      bool zero)
{
	return extent->offset == offset && extent->length == length && extent->dirty == dirty &&
	       extent->zero == zero;
}

/* A fresh image, data at 0 (before the bitmap), data at 10 MiB and zeros at 20 MiB (after it). */
static void image_prepare(void)
{
	static uint8_t data[2 * MIB];
	struct nbd_disk *disk;

	unlink(image);
	CU_ASSERT_EQUAL_FATAL(command((const char *[]){"qemu-img", "create", "-q", "-f", "qcow2",
						       image, "64M", NULL}),
			      0);
	fill(data, sizeof(data), 3);
	server_start(false, NULL);
	disk = open_disk(NULL);
	CU_ASSERT_EQUAL(nbd_disk_write(disk, data, 0, sizeof(data)), 0);
	CU_ASSERT_EQUAL(nbd_disk_flush(disk), 0);
	nbd_disk_close(disk);
	server_stop();
	CU_ASSERT_EQUAL_FATAL(
		command((const char *[]){"qemu-img", "bitmap", "--add", image, "cut1", NULL}), 0);
	server_start(false, NULL);
	disk = open_disk(NULL);
	CU_ASSERT_EQUAL(nbd_disk_write(disk, data, 10 * MIB, 1 * MIB), 0);
	CU_ASSERT_EQUAL(nbd_disk_zero(disk, 1 * MIB, 1 * MIB), 0);
	CU_ASSERT_EQUAL(nbd_disk_flush(disk), 0);
	nbd_disk_close(disk);
	server_stop();
}

static void test_extents_with_bitmap(void)
{
	struct walk walk = {0};
	struct nbd_disk *disk;

	image_prepare();
	server_start(true, "cut1");
	disk = open_disk("cut1");
	CU_ASSERT_EQUAL(nbd_disk_extents(disk, 0, DISK_BYTES, walk_cb, &walk), 0);
	CU_ASSERT_EQUAL_FATAL(walk.count, 5);
	CU_ASSERT_TRUE(extent_is(&walk.extents[0], 0, 1 * MIB, false, false));
	CU_ASSERT_TRUE(extent_is(&walk.extents[1], 1 * MIB, 1 * MIB, true, true));
	CU_ASSERT_TRUE(extent_is(&walk.extents[2], 2 * MIB, 8 * MIB, false, true));
	CU_ASSERT_TRUE(extent_is(&walk.extents[3], 10 * MIB, 1 * MIB, true, false));
	CU_ASSERT_TRUE(extent_is(&walk.extents[4], 11 * MIB, 53 * MIB, false, true));
	/* A part is clipped to what was asked. */
	walk = (struct walk){0};
	CU_ASSERT_EQUAL(nbd_disk_extents(disk, 10 * MIB + 65536, 2 * MIB, walk_cb, &walk), 0);
	CU_ASSERT_EQUAL_FATAL(walk.count, 2);
	CU_ASSERT_TRUE(extent_is(&walk.extents[0], 10 * MIB + 65536, 1 * MIB - 65536, true, false));
	CU_ASSERT_TRUE(extent_is(&walk.extents[1], 11 * MIB, 1 * MIB + 65536, false, true));
	walk = (struct walk){.stop_after = 2};
	CU_ASSERT_EQUAL(nbd_disk_extents(disk, 0, DISK_BYTES, walk_cb, &walk), -ECANCELED);
	CU_ASSERT_EQUAL(walk.count, 2);
	CU_ASSERT_EQUAL(nbd_disk_extents(disk, DISK_BYTES, 1, walk_cb, &walk), -EINVAL);
	nbd_disk_close(disk);
	/* Without a bitmap all is dirty. */
	disk = open_disk(NULL);
	walk = (struct walk){0};
	CU_ASSERT_EQUAL(nbd_disk_extents(disk, 0, DISK_BYTES, walk_cb, &walk), 0);
	CU_ASSERT_EQUAL_FATAL(walk.count, 4);
	CU_ASSERT_TRUE(extent_is(&walk.extents[0], 0, 1 * MIB, true, false));
	CU_ASSERT_TRUE(extent_is(&walk.extents[1], 1 * MIB, 9 * MIB, true, true));
	nbd_disk_close(disk);
	server_stop();
}

static void test_open_refuses(void)
{
	struct nbd_disk *disk = NULL;
	char path[TEMP_PATH_LEN];

	CU_ASSERT_TRUE(nbd_disk_open(temp_path(path, "none.sock"), "vda", NULL, &disk, error) < 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "none.sock"));
	server_start(true, "cut1");
	nbd_disk_close(open_disk(NULL));
	CU_ASSERT_TRUE(nbd_disk_open(socket_path, "vdz", NULL, &disk, error) < 0);
	CU_ASSERT_EQUAL(nbd_disk_open(socket_path, "vda", "cut2", &disk, error), -ENOENT);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "no dirty bitmap cut2"));
	CU_ASSERT_PTR_NULL(disk);
	disk = open_disk(NULL);
	CU_ASSERT_TRUE(nbd_disk_write(disk, error, 0, 512) < 0); /* read-only */
	CU_ASSERT_TRUE(strlen(nbd_disk_error(disk)) > 0);
	nbd_disk_close(disk);
	nbd_disk_close(NULL);
	server_stop();
}

/* A server that stops answering, and one that dies: each request ends with an error, none hangs. */
static void test_server_goes(void)
{
	static uint8_t data[65536];
	struct walk walk = {0};
	struct nbd_disk *disk;
	int64_t cookie = -1;

	server_start(true, NULL);
	disk = open_disk(NULL);
	kill(server, SIGSTOP);
	CU_ASSERT_EQUAL(nbd_disk_read_start(disk, data, 0, sizeof(data), &cookie), 0);
	CU_ASSERT_EQUAL(nbd_disk_wait(disk, cookie, 50), -ETIMEDOUT);
	CU_ASSERT_PTR_NOT_NULL(strstr(nbd_disk_error(disk), "in time"));
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	CU_ASSERT_EQUAL(nbd_disk_wait(disk, cookie, 5000), -ENOTCONN);
	CU_ASSERT_EQUAL(nbd_disk_read(disk, data, 0, 512), -ENOTCONN);
	CU_ASSERT_EQUAL(nbd_disk_flush(disk), -ENOTCONN);
	CU_ASSERT_EQUAL(nbd_disk_extents(disk, 0, MIB, walk_cb, &walk), -ENOTCONN);
	CU_ASSERT_EQUAL(walk.count, 0);
	nbd_disk_close(disk);
}

/* Whichever request meets the dead server first, and those after it: none is taken for the server's
 * word about the image. A flush that failed would cost a resynchronization. */
static void test_server_dead(void)
{
	static uint8_t data[65536];
	struct walk walk = {0};

	for (int first = 0; first < 4; first++) {
		struct nbd_disk *disk;

		server_start(false, NULL);
		disk = open_disk(NULL);
		CU_ASSERT_EQUAL(nbd_disk_write(disk, data, 0, sizeof(data)), 0);
		kill(server, SIGKILL);
		waitpid(server, NULL, 0);
		for (int i = first; i < first + 4; i++) {
			int rc = i % 4 == 0   ? nbd_disk_flush(disk)
				 : i % 4 == 1 ? nbd_disk_extents(disk, 0, MIB, walk_cb, &walk)
				 : i % 4 == 2 ? nbd_disk_write(disk, data, 0, sizeof(data))
					      : nbd_disk_read(disk, data, 0, sizeof(data));

			CU_ASSERT_TRUE(rc == -ENOTCONN || rc == -EPIPE || rc == -ECONNRESET);
			if (rc != -ENOTCONN) {
				fprintf(stderr, "%d after %d: %d\n", i % 4, first, rc);
			}
		}
		nbd_disk_close(disk);
	}
	tempdir_remove();
}

static const struct unit_test tests[] = {
	{"write, zero, flush, read back", test_write_and_read},
	{"many reads in flight", test_reads_in_flight},
	{"extents, dirty and zero", test_extents_with_bitmap},
	{"what cannot be opened", test_open_refuses},
	{"a server that hangs or dies", test_server_goes},
	{"a dead server", test_server_dead},
};

int main(void)
{
	temp_path(image, "disk.qcow2");
	temp_path(socket_path, "nbd.sock");
	if (command((const char *[]){"qemu-img", "create", "-q", "-f", "qcow2", image, "64M",
				     NULL}) == 127 ||
	    command((const char *[]){"sh", "-c", "command -v qemu-nbd >/dev/null", NULL}) != 0) {
		tempdir_remove();
		return 77;
	}
	return unit_run("nbd", tests, sizeof(tests) / sizeof(tests[0]));
}
