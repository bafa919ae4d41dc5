/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/definition_file.h"
#include "proto/limits.h"
#include "tempdir.h"
#include "unit.h"

static char path[TEMP_PATH_LEN + 64];

static const char *below(const char *name)
{
	snprintf(path, sizeof(path), "%s/%s", tempdir(), name);
	return path;
}

static void put(const char *name, const char *text)
{
	FILE *file = fopen(below(name), "w");

	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	fputs(text, file);
	fclose(file);
}

static void test_read(void)
{
	char *xml = NULL;
	size_t len = 0;

	CU_ASSERT_EQUAL(definition_file_read(below("none"), &xml, &len), -ENOENT);
	CU_ASSERT_EQUAL(definition_file_read(tempdir(), &xml, &len), -ENOENT);
	put("domain.xml", "<domain/>");
	CU_ASSERT_EQUAL_FATAL(definition_file_read(tempdir(), &xml, &len), 0);
	CU_ASSERT_EQUAL(len, 9);
	CU_ASSERT_STRING_EQUAL(xml, "<domain/>");
	free(xml);
	CU_ASSERT_EQUAL(truncate(below("domain.xml"), DOMAIN_XML_MAX + 1), 0);
	CU_ASSERT_EQUAL(definition_file_read(tempdir(), &xml, &len), -EFBIG);
	unlink(below("domain.xml"));
}

/* The receiver's user owns the store: what it puts there must neither lead elsewhere nor hold us.
 */
static void test_read_other_kinds(void)
{
	char *xml = NULL, link[TEMP_PATH_LEN + 64];
	size_t len;

	CU_ASSERT_EQUAL(symlink("/etc/passwd", below("domain.xml")), 0);
	CU_ASSERT_EQUAL(definition_file_read(tempdir(), &xml, &len), -EBADMSG);
	unlink(below("domain.xml"));
	CU_ASSERT_EQUAL(mkfifo(below("domain.xml"), 0600), 0);
	CU_ASSERT_EQUAL(definition_file_read(tempdir(), &xml, &len), -EBADMSG);
	unlink(below("domain.xml"));
	put("domain.xml", "<domain/>");
	snprintf(link, sizeof(link), "%s/link", tempdir());
	CU_ASSERT_EQUAL(symlink(tempdir(), link), 0);
	CU_ASSERT_NOT_EQUAL(definition_file_read(link, &xml, &len), 0);
	unlink(link);
	unlink(below("domain.xml"));
	CU_ASSERT_PTR_NULL(xml);
}

static void assert_holds(const char *wanted, mode_t mode)
{
	char text[64] = "";
	FILE *file = fopen(path, "r");
	struct stat st;

	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	CU_ASSERT_EQUAL(fread(text, 1, sizeof(text) - 1, file), strlen(wanted));
	CU_ASSERT_STRING_EQUAL(text, wanted);
	CU_ASSERT_EQUAL(fstat(fileno(file), &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 07777, mode);
	fclose(file);
}

static void test_write(void)
{
	bool changed = false;
	struct stat first, second;

	umask(077);
	put("web1.xml.new", "what a power cut left");
	below("web1.xml");
	CU_ASSERT_EQUAL(definition_file_write(path, DEFINITION_FILE_MODE, "one", &changed), 0);
	CU_ASSERT_TRUE(changed);
	assert_holds("one", 0644);
	CU_ASSERT_EQUAL(stat(path, &first), 0);
	CU_ASSERT_EQUAL(definition_file_write(path, DEFINITION_FILE_MODE, "one", &changed), 0);
	CU_ASSERT_FALSE(changed);
	CU_ASSERT_EQUAL(stat(path, &second), 0);
	CU_ASSERT_EQUAL(first.st_ino, second.st_ino);
	CU_ASSERT_EQUAL(definition_file_write(path, DEFINITION_FILE_MODE, "two", &changed), 0);
	CU_ASSERT_TRUE(changed);
	assert_holds("two", 0644);
	CU_ASSERT_EQUAL(access(below("web1.xml.new"), F_OK), -1);
	CU_ASSERT_EQUAL(
		definition_file_write(below("none/web1.xml"), DEFINITION_FILE_MODE, "x", &changed),
		-ENOENT);
	CU_ASSERT_EQUAL(definition_file_write("web1.xml", DEFINITION_FILE_MODE, "x", &changed),
			-EINVAL);
	unlink(below("web1.xml"));
}

/* A link in its place is replaced, not followed. */
static void test_write_over_a_link(void)
{
	bool changed = false;

	put("other", "mine");
	CU_ASSERT_EQUAL(chmod(path, 0644), 0);
	CU_ASSERT_EQUAL(symlink("other", below("web1.xml")), 0);
	CU_ASSERT_EQUAL(definition_file_write(path, DEFINITION_FILE_MODE, "ours", &changed), 0);
	assert_holds("ours", 0644);
	below("other");
	assert_holds("mine", 0644);
	unlink(path);
	unlink(below("web1.xml"));
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"read", test_read},
		{"read other kinds", test_read_other_kinds},
		{"write", test_write},
		{"write over a link", test_write_over_a_link},
	};
	int result;

	result = unit_run("definition file", tests, sizeof(tests) / sizeof(tests[0]));
	tempdir_remove();
	return result;
}
