/* SPDX-License-Identifier: GPL-2.0-or-later */
/* After a failed flush nothing of a layer is read from memory: neither of the store's own files nor
 * of a VM's disk that a link names, nor of the raw disk which that one wraps. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "receiver/image.h"
#include "tempdir.h"
#include "unit.h"

#define FILE_BYTES (1u << 20)
#define PAGE	   4096u

static int dir_fd = -1;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* How many pages of the file the kernel has in memory. */
static unsigned int resident(const char *name)
{
	static unsigned char pages[FILE_BYTES / PAGE];
	int fd = openat(dir_fd, name, O_RDONLY);
	void *map = mmap(NULL, FILE_BYTES, PROT_READ, MAP_SHARED, fd, 0);
	unsigned int count = 0;

	if (map == MAP_FAILED || mincore(map, FILE_BYTES, pages) < 0) {
		die(name);
	}
	for (size_t i = 0; i < sizeof(pages); i++) {
		count += pages[i] & 1u;
	}
	munmap(map, FILE_BYTES);
	close(fd);
	return count;
}

/* A file whose pages are all in memory, and not yet on the disk. */
static void file_make(const char *name, const void *head, size_t head_len)
{
	cleanup_free uint8_t *data = calloc(1, FILE_BYTES);
	int fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_TRUNC, 0600);

	if (data == NULL) {
		die(name);
	}
	memset(data, 7, FILE_BYTES);
	memcpy(data, head, head_len);
	if (write(fd, data, FILE_BYTES) != FILE_BYTES || resident(name) != FILE_BYTES / PAGE) {
		die(name);
	}
	close(fd);
}

/* A qcow2 header with an extension of another kind, then the name of a data file. */
static size_t header_make(uint8_t header[1024], const char *data_path)
{
	static const uint8_t begin[8] = {'Q', 'F', 'I', 0xfb, 0, 0, 0, 3};
	static const uint8_t backing[16] = {0xe2, 0x79, 0x2a, 0xca, 0,	 0,   0, 5,
					    'q',  'c',	'o',  'w',  '2', 'x', 0, 0};
	const size_t len = strlen(data_path);

	memset(header, 0, 1024);
	memcpy(header, begin, sizeof(begin));
	header[79] = 4;	   /* its data is in another file */
	header[103] = 112; /* its own length */
	memcpy(header + 112, backing, sizeof(backing));
	memcpy(header + 128, "DATA", 4);
	header[134] = (uint8_t)(len >> 8);
	header[135] = (uint8_t)len;
	memcpy(header + 136, data_path, len);
	return 136 + len;
}

static void layer_drop(const char *file, bool adopted)
{
	struct store store = {.dir_fd = dir_fd};
	struct manifest_layer layer = {.adopted = adopted};
	struct manifest_disk disk = {.layers = &layer, .layer_count = 1};
	struct manifest_image image = {.disks = &disk, .disk_count = 1};

	snprintf(layer.file, sizeof(layer.file), "%s", file);
	image_drop_caches(&store, &image);
}

static void test_own(void)
{
	file_make("layer", "QFI\xfb", 4);
	layer_drop("layer", false);
	CU_ASSERT_EQUAL(resident("layer"), 0);
	layer_drop("missing", false);
}

static void test_link(void)
{
	file_make("disk", "QFI\xfb", 4);
	CU_ASSERT_EQUAL(symlinkat("disk", dir_fd, "link"), 0);
	layer_drop("link", false); /* no link is ours unless it was adopted */
	CU_ASSERT_EQUAL(resident("disk"), FILE_BYTES / PAGE);
	layer_drop("link", true);
	CU_ASSERT_EQUAL(resident("disk"), 0);
}

static void test_data_file(void)
{
	char path[TEMP_PATH_LEN];
	uint8_t header[1024];

	file_make("raw", "x", 1);
	file_make("wrapped", header, header_make(header, temp_path(path, "raw")));
	layer_drop("wrapped", false); /* a layer of the store has none, whatever it says */
	CU_ASSERT_EQUAL(resident("raw"), FILE_BYTES / PAGE);
	CU_ASSERT_EQUAL(symlinkat("wrapped", dir_fd, "wrap-link"), 0);
	layer_drop("wrap-link", true);
	CU_ASSERT_EQUAL(resident("raw"), 0);
	CU_ASSERT_EQUAL(resident("wrapped"), 0);
}

/* What lies in a disk's place must neither hold nor hurt us. */
static void test_odd(void)
{
	char path[TEMP_PATH_LEN];
	uint8_t header[1024];

	CU_ASSERT_EQUAL(mkfifo(temp_path(path, "fifo"), 0600), 0);
	layer_drop("fifo", true);
	file_make("odd", header, header_make(header, path));
	layer_drop("odd", true);
	CU_ASSERT_EQUAL(resident("odd"), 0);
	header_make(header, path);
	header[132] = 0xff; /* a name of 4 GiB */
	file_make("odd", header, 200);
	layer_drop("odd", true);
	CU_ASSERT_EQUAL(resident("odd"), 0);
}

/* A tmpfs is nothing but the cache. */
static bool drops_pages(void)
{
	int fd;

	file_make("probe", "x", 1);
	fd = openat(dir_fd, "probe", O_RDONLY);
	fsync(fd);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	close(fd);
	return resident("probe") == 0;
}

static const struct unit_test tests[] = {
	{"a layer of the store", test_own},
	{"a disk by its link", test_link},
	{"the raw disk of a wrapped one", test_data_file},
	{"what is no disk", test_odd},
};

int main(void)
{
	int rc;

	dir_fd = open(tempdir(), O_RDONLY | O_DIRECTORY);
	if (dir_fd < 0) {
		return 1;
	}
	if (!drops_pages()) {
		fprintf(stderr, "the file system of %s is nothing but the cache\n", tempdir());
		tempdir_remove();
		return 77;
	}
	rc = unit_run("image_cache", tests, sizeof(tests) / sizeof(tests[0]));
	tempdir_remove();
	return rc;
}
