/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A receiver that was taken over writes headers and links that lead to another VM's disk. */
#include "engine/image_chain.h"

#include <endian.h>
#include <errno.h>
#include <stdint.h>
#include <sys/acl.h>
#include <sys/stat.h>

#include "engine/source_access.h"
#include "tempdir.h"
#include "unit.h"

#define RECEIVER   61234567u /* no such user: what others may not read is closed to it */
#define HEADER_LEN 4096
#define BACKING_AT 1024

static char error[SOURCE_ERROR_LEN];

static size_t extension(uint8_t *header, size_t at, uint32_t type, const char *text)
{
	uint32_t len = (uint32_t)strlen(text), big = htobe32(len);

	type = htobe32(type);
	memcpy(header + at, &type, 4);
	memcpy(header + at + 4, &big, 4);
	memcpy(header + at + 8, text, len);
	return at + 8 + (len + 7) / 8 * 8;
}

static void put(uint8_t *header, size_t at, uint64_t value, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		header[at + i] = (uint8_t)(value >> 8 * (len - 1 - i));
	}
}

/* A header as QEMU reads it; NULL: without. Readable for others. Returns its path. */
static const char *image(char path[TEMP_PATH_LEN], const char *name, const char *backing,
			 const char *format, const char *data)
{
	uint8_t header[HEADER_LEN] = {'Q', 'F', 'I', 0xfb};
	size_t at = 104;
	FILE *file = fopen(temp_path(path, name), "we");

	put(header, 4, 3, 4);
	put(header, 24, 1 << 20, 8);
	put(header, 72, data != NULL ? 4 : 0, 8);
	put(header, 88, data != NULL ? 2 : 0, 8);
	put(header, 100, 104, 4);
	if (backing != NULL) {
		put(header, 8, BACKING_AT, 8);
		put(header, 16, strlen(backing), 4);
		memcpy(header + BACKING_AT, backing, strlen(backing));
	}
	at = format != NULL ? extension(header, at, 0xe2792acau, format) : at;
	at = data != NULL ? extension(header, at, 0x44415441u, data) : at;
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	CU_ASSERT_EQUAL(fwrite(header, sizeof(header), 1, file), 1);
	CU_ASSERT_EQUAL(fclose(file), 0);
	CU_ASSERT_EQUAL(chmod(path, 0644), 0);
	return path;
}

static int check(const char *path)
{
	error[0] = '\0';
	return image_chain_check(path, RECEIVER, RECEIVER, error);
}

/* Relative and absolute names, a raw template at the end, an adopted disk by its link. */
static void test_sound(void)
{
	char base[TEMP_PATH_LEN], layer[TEMP_PATH_LEN], top[TEMP_PATH_LEN], disk[TEMP_PATH_LEN],
		link[TEMP_PATH_LEN];
	bool granted;

	image(base, "base.qcow2", NULL, NULL, NULL);
	image(layer, "layer.qcow2", "base.qcow2", "qcow2", NULL);
	CU_ASSERT_EQUAL(check(image(top, "top.qcow2", layer, "qcow2", NULL)), 0);
	CU_ASSERT_STRING_EQUAL(error, "");
	temp_file(disk, "template.raw", "no header");
	CU_ASSERT_EQUAL(chmod(disk, 0644), 0);
	CU_ASSERT_EQUAL(check(image(top, "top.qcow2", "template.raw", "raw", NULL)), 0);
	/* the old primary's disk, which this engine lent */
	image(disk, "disk.qcow2", NULL, NULL, NULL);
	CU_ASSERT_EQUAL(chmod(disk, 0600), 0);
	CU_ASSERT_EQUAL(symlink(disk, temp_path(link, "adopted.qcow2")), 0);
	image(top, "top.qcow2", "adopted.qcow2", "qcow2", NULL);
	CU_ASSERT_EQUAL(check(top), -EPERM);
	CU_ASSERT_EQUAL(source_access_grant_image(disk, RECEIVER, &granted), 0);
	CU_ASSERT_EQUAL(check(top), 0);
	CU_ASSERT_EQUAL(source_access_revoke_image(disk, RECEIVER), 0);
	CU_ASSERT_EQUAL(check(top), -EPERM);
}

/* A replica with all the points that there may be: each layer names the one below from a directory
 * of its own. */
static void test_long(void)
{
	char path[TEMP_PATH_LEN], name[64], backing[64], link[TEMP_PATH_LEN];
	const unsigned int layers = IMAGE_CHAIN_MAX - 1;

	CU_ASSERT_EQUAL(mkdir(temp_path(path, "generation-1"), 0755), 0);
	for (unsigned int i = 0; i < layers; i++) {
		snprintf(name, sizeof(name), "generation-1/layer-%u.qcow2", i);
		snprintf(backing, sizeof(backing), "../generation-1/layer-%u.qcow2", i - 1);
		image(path, name, i == 0 ? NULL : backing, "qcow2", NULL);
	}
	CU_ASSERT_EQUAL(check(path), 0);
	CU_ASSERT_STRING_EQUAL(error, "");
	/* ".." of a directory that is a link is not where its name stands */
	CU_ASSERT_EQUAL(mkdir(temp_path(path, "elsewhere"), 0755), 0);
	CU_ASSERT_EQUAL(mkdir(temp_path(path, "elsewhere/inner"), 0755), 0);
	image(path, "other.qcow2", NULL, NULL, NULL);
	image(path, "elsewhere/other.qcow2", NULL, NULL, NULL);
	CU_ASSERT_EQUAL(chmod(path, 0600), 0);
	CU_ASSERT_EQUAL(symlink("elsewhere/inner", temp_path(link, "inner")), 0);
	CU_ASSERT_EQUAL(check(image(path, "top.qcow2", "inner/../other.qcow2", "qcow2", NULL)),
			-EPERM);
	CU_ASSERT_EQUAL(check(image(path, "top.qcow2", "other.qcow2", "qcow2", NULL)), 0);
}

/* The disk of another VM, which QEMU may read and the receiver may not. */
static void test_astray(void)
{
	char other[TEMP_PATH_LEN], link[TEMP_PATH_LEN], top[TEMP_PATH_LEN], middle[TEMP_PATH_LEN];

	image(other, "other-vm.qcow2", NULL, NULL, NULL);
	CU_ASSERT_EQUAL(chmod(other, 0600), 0);
	CU_ASSERT_EQUAL(check(image(top, "top.qcow2", other, "qcow2", NULL)), -EPERM);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, other));
	CU_ASSERT_EQUAL(check(image(top, "top.qcow2", "other-vm.qcow2", "raw", NULL)), -EPERM);
	image(middle, "middle.qcow2", "./other-vm.qcow2", "qcow2", NULL);
	CU_ASSERT_EQUAL(check(image(top, "top.qcow2", middle, "qcow2", NULL)), -EPERM);
	CU_ASSERT_EQUAL(symlink(other, temp_path(link, "layer-link.qcow2")), 0);
	CU_ASSERT_EQUAL(check(link), -EPERM);
	CU_ASSERT_EQUAL(check(image(top, "top.qcow2", link, "qcow2", NULL)), -EPERM);
	CU_ASSERT_EQUAL(check(image(top, "top.qcow2", NULL, NULL, other)), -EPERM);
	CU_ASSERT_EQUAL(check(image(top, "top.qcow2", NULL, NULL, "")), -EPERM);
	CU_ASSERT_EQUAL(chmod(other, 0604), 0);
	CU_ASSERT_EQUAL(check(image(top, "top.qcow2", NULL, NULL, other)), 0);
}

/* What QEMU would not take for a file, and what it would have to guess. */
static void test_names(void)
{
	char base[TEMP_PATH_LEN], top[TEMP_PATH_LEN], fifo[TEMP_PATH_LEN];
	static const char *const protocols[] = {"nbd://10.0.0.1/web1", "json:{\"driver\":\"file\"}",
						"file:base.qcow2", "fat:rw:directory"};

	image(base, "base.qcow2", NULL, NULL, NULL);
	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
		CU_ASSERT_EQUAL(check(image(top, "top.qcow2", protocols[i], "qcow2", NULL)),
				-EPERM);
		CU_ASSERT_EQUAL(check(image(top, "top.qcow2", NULL, NULL, protocols[i])), -EPERM);
	}
	CU_ASSERT_EQUAL(check(image(top, "top.qcow2", "base.qcow2", NULL, NULL)), -EINVAL);
	CU_ASSERT_EQUAL(check(image(top, "top.qcow2", "base.qcow2", "vmdk", NULL)), -EINVAL);
	CU_ASSERT_EQUAL(check(image(top, "top.qcow2", "nowhere", "qcow2", NULL)), -ENOENT);
	CU_ASSERT_EQUAL(check(temp_file(top, "text", "x")), -EINVAL);
	CU_ASSERT_EQUAL(check(tempdir()), -EINVAL);
	CU_ASSERT_EQUAL(mkfifo(temp_path(fifo, "fifo"), 0644), 0);
	CU_ASSERT_EQUAL(check(image(top, "top.qcow2", "fifo", "raw", NULL)), -EINVAL);
	CU_ASSERT_EQUAL(check(image(top, "top.qcow2", "top.qcow2", "qcow2", NULL)), -ELOOP);
}

static void test_below(void)
{
	CU_ASSERT_TRUE(image_chain_is_below("/srv/replica/s/gen-1/vda.qcow2", "/srv/replica/s"));
	CU_ASSERT_FALSE(image_chain_is_below("/srv/replica/s2/vda.qcow2", "/srv/replica/s"));
	CU_ASSERT_FALSE(image_chain_is_below("/srv/replica/s", "/srv/replica/s"));
	CU_ASSERT_FALSE(image_chain_is_below("/srv/replica/s/../o/vda.qcow2", "/srv/replica/s"));
	CU_ASSERT_FALSE(image_chain_is_below("srv/replica/s/vda.qcow2", "srv/replica/s"));
	CU_ASSERT_EQUAL(image_chain_check_store("/etc/shadow", "/srv/replica/s", error), -EBADMSG);
}

/* What tempdir_remove does not go into. */
static int remove_directories(void)
{
	char command[2 * TEMP_PATH_LEN];

	snprintf(command, sizeof(command), "rm -rf %s/generation-1 %s/elsewhere", tempdir(),
		 tempdir());
	return system(command);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"sound chains", test_sound}, {"long chains", test_long},
		{"led astray", test_astray},  {"names", test_names},
		{"below", test_below},
	};
	int status = unit_run("image chain", tests, sizeof(tests) / sizeof(tests[0]));

	status |= remove_directories() != 0;
	tempdir_remove();
	return status;
}
