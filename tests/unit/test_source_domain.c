/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/source_domain.h"
#include "engine/wrap_image.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/unit.h"

#define NO_SOURCE ""

static struct source_domain domain;
static char error[SOURCE_ERROR_LEN];

/* An image of 1 MiB: qcow2 of that version, or (0) nothing but a byte. Returns its path. */
static const char *make_image(const char *name, int version)
{
	static char path[TEMP_PATH_LEN];
	unsigned char header[104] = {'Q', 'F', 'I', 0xfb, 0, 0, 0, (unsigned char)version};
	FILE *file = fopen(temp_path(path, name), "we");

	header[29] = 0x10; /* 1 MiB, big endian at 24 */
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	CU_ASSERT_EQUAL(fwrite(header, 1, version != 0 ? sizeof(header) : 1, file),
			version != 0 ? sizeof(header) : 1);
	CU_ASSERT_EQUAL(fclose(file), 0);
	return path;
}

static int parse(const char *disks, const char *const *exclude)
{
	char xml[16384];

	snprintf(xml, sizeof(xml),
		 "<domain type='qemu'><name>web1</name><devices>%s</devices>"
		 "<seclabel type='dynamic' model='dac' relabel='yes'><label>+64055:+109</label>"
		 "</seclabel></domain>",
		 disks);
	source_domain_destroy(&domain);
	return source_domain_parse(xml, exclude, &domain, error);
}

/* One disk "vda" of these parts. */
static const char *problem_of(const char *attributes, const char *driver, const char *image,
			      const char *extra)
{
	char disk[4096];

	snprintf(disk, sizeof(disk),
		 "<disk %s><driver name='qemu' type='%s'/>%s%s%s<target dev='vda'/>%s</disk>",
		 attributes, driver, image[0] != '\0' ? "<source file='" : "", image,
		 image[0] != '\0' ? "' index='2'/>" : "", extra);
	CU_ASSERT_EQUAL_FATAL(parse(disk, NULL), 0);
	CU_ASSERT_EQUAL_FATAL(domain.count, 1);
	return domain.disks[0].problem != NULL ? domain.disks[0].problem : "";
}

#define FILE_DISK		 "type='file' device='disk'"
#define ASSERT_TELLS(text, part) CU_ASSERT_PTR_NOT_NULL(strstr(text, part))

static void test_a_good_disk(void)
{
	const char *path = make_image("good", 3);

	CU_ASSERT_STRING_EQUAL(problem_of(FILE_DISK, "qcow2", path, ""), "");
	CU_ASSERT_STRING_EQUAL(domain.disks[0].name, "vda");
	CU_ASSERT_STRING_EQUAL(domain.disks[0].path, path);
	CU_ASSERT_STRING_EQUAL(domain.disks[0].format, "qcow2");
	CU_ASSERT_EQUAL(domain.disks[0].size_bytes, 1u << 20);
	CU_ASSERT_STRING_EQUAL(domain.nodes[0], "libvirt-2-format");
	CU_ASSERT_TRUE(source_disk_is_replicated(&domain.disks[0]));
	CU_ASSERT_TRUE(domain.has_owner && domain.uid == 64055 && domain.gid == 109);
}

static void test_problems_tell_what_to_do(void)
{
	const char *path = make_image("image", 3);

	ASSERT_TELLS(problem_of(FILE_DISK, "raw", path, ""), "vmreplica wrap web1 ");
	ASSERT_TELLS(problem_of(FILE_DISK, "vmdk", path, ""), "convert it to qcow2");
	ASSERT_TELLS(problem_of(FILE_DISK, "qcow2", path, "<shareable/>"), "shareable");
	ASSERT_TELLS(problem_of(FILE_DISK, "qcow2", path, "<transient/>"), "transient");
	ASSERT_TELLS(problem_of(FILE_DISK, "qcow2", path, "<encryption format='luks'/>"),
		     "encrypted");
	ASSERT_TELLS(problem_of("type='network' device='disk'", "qcow2", NO_SOURCE, ""),
		     "network disk");
	ASSERT_TELLS(problem_of("type='volume' device='disk'", "qcow2", NO_SOURCE, ""), "'volume'");
	ASSERT_TELLS(problem_of("type='block' device='lun'", "qcow2", path, ""), "SCSI");
	ASSERT_TELLS(problem_of(FILE_DISK, "qcow2", NO_SOURCE, ""), "no image");
	ASSERT_TELLS(problem_of(FILE_DISK, "qcow2", "/nowhere/at/all", ""), "No such file");
	CU_ASSERT_FALSE(source_disk_is_replicated(&domain.disks[0]));
}

static void test_images_are_looked_into(void)
{
	ASSERT_TELLS(problem_of(FILE_DISK, "qcow2", make_image("old", 2), ""), "compat=1.1");
	ASSERT_TELLS(problem_of(FILE_DISK, "qcow2", make_image("no", 0), ""), "not a qcow2 image");
}

/* A header that wrap made over a raw disk is replicated; other images with data files are not. */
static void test_wrapped_disks(void)
{
	char raw[TEMP_PATH_LEN], header[TEMP_PATH_LEN], other[TEMP_PATH_LEN], command[3 * PATH_MAX];

	temp_file(raw, "wrapped.img", "");
	CU_ASSERT_EQUAL(truncate(raw, 1 << 20), 0);
	CU_ASSERT_EQUAL(wrap_image_make(raw, 1 << 20, temp_path(header, "wrapped.qcow2"), error), 0);
	CU_ASSERT_STRING_EQUAL(problem_of(FILE_DISK, "qcow2", header, ""), "");
	CU_ASSERT_STRING_EQUAL(domain.disks[0].data_path, raw);
	CU_ASSERT_EQUAL(domain.disks[0].size_bytes, 1 << 20);
	CU_ASSERT_TRUE(source_disk_is_replicated(&domain.disks[0]));
	CU_ASSERT_EQUAL(truncate(raw, 4096), 0);
	ASSERT_TELLS(problem_of(FILE_DISK, "qcow2", header, ""), "shorter than its header");
	CU_ASSERT_EQUAL(unlink(raw), 0);
	ASSERT_TELLS(problem_of(FILE_DISK, "qcow2", header, ""), "cannot be read");
	snprintf(command, sizeof(command), "qemu-img create -q -f qcow2 -o data_file=%s.data %s 1M",
		 temp_path(other, "own.qcow2"), other);
	CU_ASSERT_EQUAL(system(command), 0);
	ASSERT_TELLS(problem_of(FILE_DISK, "qcow2", other, ""), "data_file_raw=on");
}

static void test_what_holds_no_writes_is_left_out(void)
{
	CU_ASSERT_EQUAL(
		parse("<disk type='file' device='cdrom'><target dev='sda'/></disk>"
		      "<disk type='file' device='floppy'><target dev='fda'/></disk>"
		      "<disk type='file' device='disk'><target dev='vda'/><readonly/></disk>"
		      "<controller type='usb'/>",
		      NULL),
		0);
	CU_ASSERT_EQUAL(domain.count, 0);
}

static void test_excluded_disks_have_no_problem(void)
{
	static const char *const exclude[] = {"vdb", "vdz", NULL};

	CU_ASSERT_EQUAL(parse("<disk type='file' device='disk'><target dev='vda'/></disk>"
			      "<disk type='network' device='disk'><target dev='vdb'/></disk>",
			      exclude),
			0);
	CU_ASSERT_EQUAL_FATAL(domain.count, 2);
	CU_ASSERT_FALSE(domain.disks[0].excluded);
	CU_ASSERT_TRUE(domain.disks[1].excluded);
	CU_ASSERT_PTR_NULL(domain.disks[1].problem);
	CU_ASSERT_FALSE(source_disk_is_replicated(&domain.disks[1]));
}

static void test_names_that_cannot_travel(void)
{
	CU_ASSERT_EQUAL(parse("<disk type='file' device='disk'/>"
			      "<disk type='file' device='disk'><target dev='../x'/></disk>"
			      "<disk type='file' device='disk'>"
			      "<target dev='vdaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'/></disk>",
			      NULL),
			0);
	CU_ASSERT_EQUAL_FATAL(domain.count, 3);
	CU_ASSERT_STRING_EQUAL(domain.disks[0].name, "disk0");
	ASSERT_TELLS(domain.disks[0].problem, "no target name");
	ASSERT_TELLS(domain.disks[1].problem, "not usable");
	ASSERT_TELLS(domain.disks[2].problem, "not usable");
}

static void test_definitions_that_are_not_understood(void)
{
	source_domain_destroy(&domain);
	CU_ASSERT_EQUAL(source_domain_parse("", NULL, &domain, error), -EBADMSG);
	CU_ASSERT_EQUAL(source_domain_parse("<domain><devices>", NULL, &domain, error), -EBADMSG);
	CU_ASSERT_EQUAL(source_domain_parse("<domain/>", NULL, &domain, error), -EBADMSG);
	CU_ASSERT_EQUAL(domain.count, 0);
}

static void test_too_many_disks(void)
{
	static const char one[] = "<disk device='disk'><target dev='vda'/></disk>";
	char disks[(DISKS_MAX + 1) * sizeof(one)] = "";

	for (unsigned int i = 0; i < DISKS_MAX; i++) {
		strcat(disks, one);
	}
	CU_ASSERT_EQUAL(parse(disks, NULL), 0);
	CU_ASSERT_EQUAL(domain.count, DISKS_MAX);
	strcat(disks, one);
	CU_ASSERT_EQUAL(parse(disks, NULL), -E2BIG);
}

static void test_changes_of_disks_are_seen(void)
{
	struct source_domain before;
	const char *path = make_image("image", 3);

	problem_of(FILE_DISK, "qcow2", path, "");
	before = domain;
	domain = (struct source_domain){0};
	problem_of(FILE_DISK, "qcow2", path, "");
	CU_ASSERT_TRUE(source_domain_same_disks(&before, &domain));
	domain.disks[0].size_bytes++;
	CU_ASSERT_FALSE(source_domain_same_disks(&before, &domain));
	problem_of(FILE_DISK, "qcow2", make_image("other", 3), "");
	CU_ASSERT_FALSE(source_domain_same_disks(&before, &domain));
	CU_ASSERT_EQUAL(parse("", NULL), 0);
	CU_ASSERT_FALSE(source_domain_same_disks(&before, &domain));
	source_domain_destroy(&before);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"a good disk", test_a_good_disk},
		{"problems tell what to do", test_problems_tell_what_to_do},
		{"images are looked into", test_images_are_looked_into},
		{"wrapped disks", test_wrapped_disks},
		{"what holds no writes is left out", test_what_holds_no_writes_is_left_out},
		{"excluded disks have no problem", test_excluded_disks_have_no_problem},
		{"names that cannot travel", test_names_that_cannot_travel},
		{"definitions that are not understood", test_definitions_that_are_not_understood},
		{"too many disks", test_too_many_disks},
		{"changes of disks are seen", test_changes_of_disks_are_seen},
	};
	int status = unit_run("source domain", tests, sizeof(tests) / sizeof(tests[0]));

	source_domain_destroy(&domain);
	tempdir_remove();
	return status;
}
