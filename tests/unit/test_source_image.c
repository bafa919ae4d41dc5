/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>

#include "engine/source_image.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/unit.h"

/* A qcow2 header of version 3 with feature bits and one extension, behind an unknown one. */
static const char *write_wrapped(const char *name, uint64_t incompatible, uint64_t autoclear,
				 const char *data_file)
{
	static char path[TEMP_PATH_LEN];
	uint8_t header[512] = {'Q', 'F', 'I', 0xfb, 0, 0, 0, 3};
	uint32_t length = htobe32(104), type = htobe32(0x44415441u), other = htobe32(0x6803f857u);
	uint32_t len = htobe32((uint32_t)strlen(data_file)), three = htobe32(3);
	FILE *file = fopen(temp_path(path, name), "we");

	incompatible = htobe64(incompatible);
	autoclear = htobe64(autoclear);
	memcpy(header + 72, &incompatible, sizeof(incompatible));
	memcpy(header + 88, &autoclear, sizeof(autoclear));
	memcpy(header + 100, &length, sizeof(length));
	memcpy(header + 104, &other, sizeof(other));
	memcpy(header + 108, &three, sizeof(three));
	memcpy(header + 120, &type, sizeof(type));
	memcpy(header + 124, &len, sizeof(len));
	memcpy(header + 128, data_file, strlen(data_file));
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	CU_ASSERT_EQUAL(fwrite(header, 1, sizeof(header), file), sizeof(header));
	CU_ASSERT_EQUAL(fclose(file), 0);
	return path;
}

static void test_data_file(void)
{
	struct source_image image;

	CU_ASSERT_EQUAL(source_image_examine(write_wrapped("raw", 4, 2, "/srv/a.img"), &image), 0);
	CU_ASSERT_TRUE(image.has_data_file);
	CU_ASSERT_TRUE(image.data_file_raw);
	CU_ASSERT_STRING_EQUAL(image.data_file, "/srv/a.img");
	CU_ASSERT_EQUAL(source_image_examine(write_wrapped("own", 4, 0, "/srv/a.img"), &image), 0);
	CU_ASSERT_TRUE(image.has_data_file);
	CU_ASSERT_FALSE(image.data_file_raw);
	CU_ASSERT_EQUAL(source_image_examine(write_wrapped("plain", 0, 0, "/srv/a.img"), &image),
			0);
	CU_ASSERT_FALSE(image.has_data_file);
	CU_ASSERT_STRING_EQUAL(image.data_file, "");
}

/* A qcow2 header of length bytes in the file of that name. */
static const char *write_header(const char *name, uint32_t version, uint64_t size, uint32_t crypt,
				size_t length)
{
	static char path[TEMP_PATH_LEN];
	uint8_t header[104] = {'Q', 'F', 'I', 0xfb};
	uint32_t version_be = htobe32(version), crypt_be = htobe32(crypt);
	uint64_t size_be = htobe64(size);
	FILE *file = fopen(temp_path(path, name), "we");

	memcpy(header + 4, &version_be, sizeof(version_be));
	memcpy(header + 24, &size_be, sizeof(size_be));
	memcpy(header + 32, &crypt_be, sizeof(crypt_be));
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	CU_ASSERT_EQUAL(fwrite(header, 1, length, file), length);
	CU_ASSERT_EQUAL(fclose(file), 0);
	return path;
}

static void test_versions_of_qcow2(void)
{
	struct source_image image;

	CU_ASSERT_EQUAL(source_image_examine(write_header("v3", 3, 1ull << 40, 0, 104), &image), 0);
	CU_ASSERT_EQUAL(image.version, 3);
	CU_ASSERT_EQUAL(image.size_bytes, 1ull << 40);
	CU_ASSERT_FALSE(image.encrypted);
	CU_ASSERT_EQUAL(source_image_examine(write_header("v2", 2, 4096, 0, 104), &image), 0);
	CU_ASSERT_EQUAL(image.version, 2);
	CU_ASSERT_EQUAL(image.size_bytes, 4096);
}

static void test_encryption(void)
{
	struct source_image image;

	CU_ASSERT_EQUAL(source_image_examine(write_header("luks", 3, 4096, 2, 104), &image), 0);
	CU_ASSERT_TRUE(image.encrypted);
}

static void test_other_files(void)
{
	struct source_image image = {.version = 77};
	char path[TEMP_PATH_LEN];

	/* A header that is cut off reads as zeros behind its end. */
	CU_ASSERT_EQUAL(source_image_examine(write_header("cut", 3, 4096, 0, 20), &image), 0);
	CU_ASSERT_EQUAL(image.size_bytes, 0);
	CU_ASSERT_EQUAL(source_image_examine(temp_file(path, "raw", "just text"), &image), 0);
	CU_ASSERT_EQUAL(image.version, 0);
	CU_ASSERT_EQUAL(image.size_bytes, 9);
	image.version = 77;
	CU_ASSERT_EQUAL(source_image_examine(temp_path(path, "nothing"), &image), -ENOENT);
	CU_ASSERT_EQUAL(mkfifo(temp_path(path, "fifo"), 0600), 0);
	CU_ASSERT_EQUAL(source_image_examine(path, &image), -EINVAL);
	CU_ASSERT_EQUAL(source_image_examine(tempdir(), &image), -EINVAL);
	CU_ASSERT_EQUAL(image.version, 77);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"versions of qcow2", test_versions_of_qcow2},
		{"encryption", test_encryption},
		{"other files", test_other_files},
		{"data file", test_data_file},
	};
	int status = unit_run("source image", tests, sizeof(tests) / sizeof(tests[0]));

	tempdir_remove();
	return status;
}
