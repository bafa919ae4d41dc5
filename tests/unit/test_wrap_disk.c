/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What wrap does to files: headers, definitions, records, access. */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/sha256.h"
#include "engine/adopted_disks.h"
#include "engine/replica.h"
#include "engine/source_access.h"
#include "engine/source_image.h"
#include "engine/wrap_access.h"
#include "engine/wrap_domain.h"
#include "engine/wrap_file.h"
#include "engine/wrap_image.h"
#include "engine/wrap_record.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/unit.h"

#define MIB (1u << 20)

static const char definition[] = "<!-- ours -->\n"
				 "<domain type='kvm'>\n"
				 "  <name>web1</name>\n"
				 "  <devices>\n"
				 "    <disk type='file' device='disk'>\n"
				 "      <driver name='qemu' type='raw' cache='none'/>\n"
				 "      <source file='/srv/web1,a.img'/>\n"
				 "      <target dev='vda' bus='virtio'/>\n"
				 "    </disk>\n"
				 "    <disk type='block' device='disk'>\n"
				 "      <source dev='/dev/vg0/web1'/>\n"
				 "      <target dev='vdb' bus='virtio'/>\n"
				 "    </disk>\n"
				 "    <disk type='file' device='disk'>\n"
				 "      <driver name='qemu' type='raw'/>\n"
				 "      <source file='/srv/shared.img'/>\n"
				 "      <target dev='vdc'/>\n"
				 "      <shareable/>\n"
				 "    </disk>\n"
				 "    <disk type='file' device='cdrom'>\n"
				 "      <source file='/srv/a.iso'/>\n"
				 "      <target dev='sda'/>\n"
				 "    </disk>\n"
				 "    <disk type='file' device='disk'>\n"
				 "      <driver name='qemu' type='qcow2'/>\n"
				 "      <source file='/srv/c.qcow2'/>\n"
				 "      <target dev='vdd'/>\n"
				 "    </disk>\n"
				 "  </devices>\n"
				 "</domain>\n";

static struct wrap_disk disks[DISKS_MAX];

static void test_definition(void)
{
	char error[SOURCE_ERROR_LEN] = "";
	char *wrapped = NULL, *back = NULL, *again = NULL;
	size_t count = 0, changed = 0;

	CU_ASSERT_EQUAL(wrap_domain_raw(definition, disks, &count, error), 0);
	CU_ASSERT_EQUAL_FATAL(count, 2);
	CU_ASSERT_STRING_EQUAL(disks[0].raw, "/srv/web1,a.img");
	CU_ASSERT_FALSE(disks[0].block);
	CU_ASSERT_STRING_EQUAL(disks[1].raw, "/dev/vg0/web1");
	CU_ASSERT_TRUE(disks[1].block);
	snprintf(disks[0].header, sizeof(disks[0].header), "/srv/web1,a.img.vmreplica.qcow2");
	snprintf(disks[1].header, sizeof(disks[1].header), "/srv/web1-vdb.vmreplica.qcow2");
	CU_ASSERT_EQUAL(wrap_domain_replace(definition, disks, 2, true, &wrapped, &changed), 0);
	CU_ASSERT_EQUAL(changed, 2);
	CU_ASSERT_PTR_NOT_NULL(strstr(wrapped, "<!-- ours -->\n<domain"));
	CU_ASSERT_PTR_NOT_NULL(strstr(wrapped, "\n  <name>web1</name>\n"));
	CU_ASSERT_PTR_NULL(strstr(wrapped, "<?xml"));
	CU_ASSERT_PTR_NOT_NULL(strstr(wrapped, "type=\"qcow2\" cache=\"none\""));
	CU_ASSERT_PTR_NOT_NULL(strstr(wrapped, "<source file=\"/srv/web1-vdb.vmreplica.qcow2\"/>"));
	CU_ASSERT_PTR_NULL(strstr(wrapped, "/dev/vg0"));
	CU_ASSERT_EQUAL(wrap_domain_replace(wrapped, disks, 2, true, &again, &changed), 0);
	CU_ASSERT_EQUAL(changed, 0);
	CU_ASSERT_EQUAL(wrap_domain_replace(wrapped, disks, 2, false, &back, &changed), 0);
	CU_ASSERT_EQUAL(changed, 2);
	CU_ASSERT_EQUAL(wrap_domain_raw(back, disks, &count, error), 0);
	CU_ASSERT_EQUAL(count, 2);
	CU_ASSERT_PTR_NOT_NULL(strstr(back, "<source dev=\"/dev/vg0/web1\"/>"));
	CU_ASSERT_EQUAL(wrap_domain_qcow2(wrapped, disks, &count, error), 0);
	CU_ASSERT_EQUAL(count, 3);
	CU_ASSERT_EQUAL(wrap_domain_raw("<domain", disks, &count, error), -EBADMSG);
	free(wrapped);
	free(back);
	free(again);
}

/* ---- headers ---- */

static void hash_file(const char *path, uint8_t digest[SHA256_LEN])
{
	char *data = malloc(4 * MIB);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = read(fd, data, 4 * MIB);

	CU_ASSERT(got >= 0);
	sha256_of(data, got > 0 ? (size_t)got : 0, digest);
	close(fd);
	free(data);
}

static void make_raw(char path[TEMP_PATH_LEN], const char *name, off_t size)
{
	temp_file(path, name, "a disk that somebody uses");
	CU_ASSERT_EQUAL(truncate(path, size), 0);
}

static void test_header(void)
{
	char raw[TEMP_PATH_LEN], header[TEMP_PATH_LEN], error[SOURCE_ERROR_LEN] = "";
	uint8_t before[SHA256_LEN], after[SHA256_LEN];
	struct stat was, is;
	struct source_image image;

	make_raw(raw, "a,disk.img", MIB);
	hash_file(raw, before);
	CU_ASSERT_EQUAL(stat(raw, &was), 0);
	CU_ASSERT_EQUAL(wrap_image_make(raw, MIB, temp_path(header, "h,1.qcow2"), error), 0);
	CU_ASSERT_STRING_EQUAL(error, "");
	CU_ASSERT_EQUAL(source_image_examine(header, &image), 0);
	CU_ASSERT_EQUAL(image.version, 3);
	CU_ASSERT_EQUAL(image.size_bytes, MIB);
	CU_ASSERT_TRUE(image.has_data_file);
	CU_ASSERT_TRUE(image.data_file_raw);
	CU_ASSERT_FALSE(image.has_backing);
	CU_ASSERT_STRING_EQUAL(image.data_file, raw);
	CU_ASSERT_TRUE(wrap_image_belongs(header, raw));
	/* once more, after an interruption */
	CU_ASSERT_EQUAL(wrap_image_make(raw, MIB, header, error), 0);
	hash_file(raw, after);
	CU_ASSERT_EQUAL(stat(raw, &is), 0);
	CU_ASSERT_EQUAL(memcmp(before, after, sizeof(before)), 0);
	CU_ASSERT_EQUAL(was.st_mtim.tv_nsec, is.st_mtim.tv_nsec);
	CU_ASSERT_EQUAL(was.st_ctim.tv_nsec, is.st_ctim.tv_nsec);
}

static void test_header_refusals(void)
{
	char raw[TEMP_PATH_LEN], other[TEMP_PATH_LEN], error[SOURCE_ERROR_LEN] = "";

	make_raw(raw, "odd.img", MIB + 1);
	CU_ASSERT_EQUAL(wrap_image_make(raw, MIB + 1, temp_path(other, "odd.qcow2"), error),
			-EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "truncate"));
	temp_file(other, "precious", "something else");
	CU_ASSERT_EQUAL(wrap_image_make(raw, MIB, other, error), -EEXIST);
	CU_ASSERT_FALSE(wrap_image_belongs(other, raw));
	CU_ASSERT_EQUAL(wrap_image_make(raw, MIB, "/nonexistent/h.qcow2", error), -EIO);
}

/* A header stays small: its tables never take more than 8 MiB up to 2 TiB. */
static void test_cluster_size(void)
{
	CU_ASSERT_EQUAL(wrap_image_cluster_bytes(MIB), 65536);
	CU_ASSERT_EQUAL(wrap_image_cluster_bytes(64ull << 30), 65536);
	CU_ASSERT_EQUAL(wrap_image_cluster_bytes(65ull << 30), 131072);
	CU_ASSERT_EQUAL(wrap_image_cluster_bytes(1ull << 40), 1u << 20);
	CU_ASSERT_EQUAL(wrap_image_cluster_bytes(1ull << 50), 2u << 20);
}

/* ---- records ---- */

static void poke(const char *path, off_t offset)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	CU_ASSERT_EQUAL(pwrite(fd, "x", 1, offset), 1);
	close(fd);
}

static void test_record(void)
{
	char raw[TEMP_PATH_LEN], header[TEMP_PATH_LEN];
	const struct wrap_notes notes = {.granted = true, .uid = 64055};
	struct wrap_record record = {.state = WRAP_CLOSED}, read;
	struct wrap_notes kept;

	make_raw(raw, "record.img", MIB);
	temp_path(header, "record.qcow2");
	wrap_record_read(header, &read, &kept);
	CU_ASSERT_EQUAL(read.state, WRAP_NONE);
	wrap_look(raw, &record.look);
	CU_ASSERT_TRUE(record.look.known);
	CU_ASSERT_EQUAL(record.look.size_bytes, MIB);
	CU_ASSERT_EQUAL(wrap_record_write(header, &record, &notes), 0);
	wrap_record_read(header, &read, &kept);
	CU_ASSERT_EQUAL(read.state, WRAP_CLOSED);
	CU_ASSERT_EQUAL(memcmp(&read.look, &record.look, sizeof(read.look)), 0);
	CU_ASSERT_TRUE(kept.granted);
	CU_ASSERT_EQUAL(kept.uid, 64055);
	CU_ASSERT_EQUAL(wrap_record_event(header, raw, WRAP_EVENT_START, "a1", &read), 0);
	CU_ASSERT_EQUAL(read.state, WRAP_OPEN);
	CU_ASSERT_EQUAL(wrap_record_event(header, raw, WRAP_EVENT_END, "a1", &read), 0);
	CU_ASSERT_EQUAL(read.state, WRAP_CLOSED);
	poke(raw, 5);
	CU_ASSERT_EQUAL(wrap_record_event(header, raw, WRAP_EVENT_START, "a1", &read), 0);
	CU_ASSERT_EQUAL(read.state, WRAP_DOUBT);
	wrap_record_read(header, &read, &kept); /* what wrap noted is kept through all of it */
	CU_ASSERT_EQUAL(read.state, WRAP_DOUBT);
	CU_ASSERT_TRUE(kept.granted);
}

static void test_damaged_record(void)
{
	char header[TEMP_PATH_LEN], path[TEMP_PATH_LEN];
	struct wrap_record record;

	temp_path(header, "damaged.qcow2");
	temp_file(path, "damaged.qcow2.witness", "{\"format\": 1, \"state\": \"closed\"}");
	wrap_record_read(header, &record, NULL);
	CU_ASSERT_EQUAL(record.state, WRAP_NONE);
	temp_file(path, "damaged.qcow2.witness", "{\"format\": 2, \"state\": \"open\"}");
	wrap_record_read(header, &record, NULL);
	CU_ASSERT_EQUAL(record.state, WRAP_NONE);
	temp_file(path, "damaged.qcow2.witness", "{\"format\": 1, \"state\"");
	wrap_record_read(header, &record, NULL);
	CU_ASSERT_EQUAL(record.state, WRAP_NONE);
}

/* The ends of a disk and places between them: what a new file system or another image changes. */
static void test_look(void)
{
	static const off_t places[] = {0, 65535, 1 << 20, 4 * (off_t)MIB - 65536,
				       4 * (off_t)MIB - 1};
	char raw[TEMP_PATH_LEN];
	struct wrap_look before, after;

	make_raw(raw, "look.img", 4 * MIB);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		wrap_look(raw, &before);
		poke(raw, places[i]);
		wrap_look(raw, &after);
		CU_ASSERT_TRUE(before.known && after.known);
		CU_ASSERT_NOT_EQUAL(memcmp(before.digest, after.digest, sizeof(before.digest)), 0);
	}
	wrap_look("/nonexistent", &after);
	CU_ASSERT_FALSE(after.known);
}

/* ---- definitions' files ---- */

static void test_file(void)
{
	char path[TEMP_PATH_LEN], kept[TEMP_PATH_LEN];
	char *text = NULL;
	struct stat status;

	temp_file(path, "web1.xml", "old");
	temp_path(kept, "web1.xml.before-wrap");
	CU_ASSERT_EQUAL(chmod(path, 0640), 0);
	CU_ASSERT_EQUAL(wrap_file_replace(path, ".before-wrap", "new"), 0);
	CU_ASSERT_EQUAL_FATAL(wrap_file_read(path, &text), 0);
	CU_ASSERT_STRING_EQUAL(text, "new");
	free(text);
	CU_ASSERT_EQUAL(stat(path, &status), 0);
	CU_ASSERT_EQUAL(status.st_mode & 07777, 0640);
	CU_ASSERT_EQUAL_FATAL(wrap_file_read(kept, &text), 0);
	CU_ASSERT_STRING_EQUAL(text, "old");
	free(text);
	CU_ASSERT_EQUAL(wrap_file_replace("/nonexistent/a.xml", ".b", "new"), -ENOENT);
}

/* ---- access ---- */

static void test_conf(void)
{
	CU_ASSERT_FALSE(wrap_access_conf_allows("", "/dev/vg0/a"));
	CU_ASSERT_FALSE(
		wrap_access_conf_allows("#cgroup_device_acl = [ \"/dev/vg0/a\" ]\n", "/dev/vg0/a"));
	CU_ASSERT_TRUE(wrap_access_conf_allows("cgroup_device_acl = [\n \"/dev/null\", # one\n"
					       " '/dev/vg0/a'\n]\n",
					       "/dev/vg0/a"));
	CU_ASSERT_FALSE(
		wrap_access_conf_allows("cgroup_device_acl = [ \"/dev/vg0/ab\" ]\n", "/dev/vg0/a"));
	CU_ASSERT_FALSE(wrap_access_conf_allows("cgroup_device_acl = [ # \"/dev/vg0/a\"\n]\n",
						"/dev/vg0/a"));
	/* neither a namespace nor a list of devices of its own: nothing to be told */
	CU_ASSERT_TRUE(wrap_access_conf_allows(
		"namespaces = []\ncgroup_controllers = [ \"cpu\" ]\n", "/dev/vg0/a"));
	CU_ASSERT_FALSE(wrap_access_conf_allows("namespaces = []\n", "/dev/vg0/a"));
}

static void test_rule(void)
{
	char rule[512];

	wrap_access_rule("/dev/vg0/web1", 64055, rule, sizeof(rule));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(rule, "\nSUBSYSTEM==\"block\", SYMLINK==\"vg0/web1\", OWNER=\"64055\"\n"));
	wrap_access_rule("/dev/loop3", 5, rule, sizeof(rule));
	CU_ASSERT_PTR_NOT_NULL(strstr(rule, "KERNEL==\"loop3\", OWNER=\"5\"\n"));
}

static void test_grant(void)
{
	char raw[TEMP_PATH_LEN];
	const uid_t someone = 54321;
	struct stat before, after;
	bool granted = false;
	int result;

	make_raw(raw, "grant.img", 4096);
	CU_ASSERT_EQUAL(chmod(raw, 0600), 0);
	CU_ASSERT_EQUAL(stat(raw, &before), 0);
	result = source_access_grant_image(raw, someone, &granted);
	if (result == -ENOTSUP) {
		printf("no ACLs here; ");
		return;
	}
	CU_ASSERT_EQUAL(result, 0);
	CU_ASSERT_TRUE(granted);
	CU_ASSERT_EQUAL(source_access_grant_image(raw, someone, &granted), 0);
	CU_ASSERT_FALSE(granted);			    /* it may already */
	CU_ASSERT_EQUAL(chown(raw, getuid(), getgid()), 0); /* as libvirt relabels */
	CU_ASSERT_EQUAL(source_access_grant_image(raw, someone, &granted), 0);
	CU_ASSERT_FALSE(granted);
	CU_ASSERT_EQUAL(source_access_revoke_image(raw, someone), 0);
	CU_ASSERT_EQUAL(stat(raw, &after), 0);
	CU_ASSERT_EQUAL(after.st_mode, before.st_mode); /* nothing is left to the group */
	CU_ASSERT_EQUAL(source_access_revoke_image(raw, someone), 0);
}

/* The store that names it goes: both files are the old primary's alone again. */
static void lending_ends(const char *header, const char *raw)
{
	char store[TEMP_PATH_LEN], path[TEMP_PATH_LEN], other[TEMP_PATH_LEN];
	bool granted = false;

	make_raw(other, "kept.img", MIB);
	CU_ASSERT_EQUAL(chmod(other, 0600), 0);
	CU_ASSERT_EQUAL(source_access_grant_image(other, 54321, &granted), 0);
	adopted_disks_take_back(temp_path(store, "no-store"), 54321); /* nothing there */
	CU_ASSERT_EQUAL_FATAL(mkdir(temp_path(store, "store"), 0700), 0);
	CU_ASSERT_EQUAL(mkdir(temp_path(path, "store/gen-1"), 0700), 0);
	CU_ASSERT_EQUAL(symlink(header, temp_path(path, "store/gen-1/vda-1.qcow2")), 0);
	adopted_disks_take_back(store, 54320); /* somebody else */
	CU_ASSERT_EQUAL(source_access_grant_image(header, 54321, &granted), 0);
	CU_ASSERT_FALSE(granted);
	adopted_disks_take_back(store, 54321);
	CU_ASSERT_EQUAL(source_access_grant_image(header, 54321, &granted), 0);
	CU_ASSERT_TRUE(granted);
	CU_ASSERT_EQUAL(source_access_grant_image(raw, 54321, &granted), 0);
	CU_ASSERT_TRUE(granted);
	CU_ASSERT_EQUAL(source_access_grant_image(other, 54321, &granted), 0);
	CU_ASSERT_FALSE(granted);
	CU_ASSERT_EQUAL(unlink(path), 0);
	CU_ASSERT_EQUAL(rmdir(temp_path(path, "store/gen-1")), 0);
	CU_ASSERT_EQUAL(rmdir(store), 0);
}

/* As uid would open it to read; only root can try. */
static bool may_read(const char *path, uid_t uid)
{
	int fd;

	if (geteuid() != 0) {
		return true;
	}
	setfsuid(uid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	setfsuid(0);
	if (fd >= 0) {
		close(fd);
	}
	return fd >= 0;
}

/* For reverse replication the receiver needs both, and what it writes is no foreign change. */
static void test_lending(void)
{
	char raw[TEMP_PATH_LEN], header[TEMP_PATH_LEN], xml[TEMP_PATH_LEN], error[SOURCE_ERROR_LEN];
	char text[4096];
	const struct adopted_users users = {.receiver = 54321, .qemu = 54322};
	struct source_defined_disk *lent = NULL;
	struct wrap_record record = {.state = WRAP_CLOSED};
	const struct wrap_notes notes = {0};
	bool granted = true;
	size_t count = 0;

	make_raw(raw, "lent.img", MIB);
	CU_ASSERT_EQUAL(chmod(raw, 0600), 0);
	CU_ASSERT_EQUAL(wrap_image_make(raw, MIB, temp_path(header, "lent.qcow2"), error), 0);
	wrap_look(raw, &record.look);
	CU_ASSERT_EQUAL(wrap_record_write(header, &record, &notes), 0);
	snprintf(text, sizeof(text),
		 "<domain><name>web1</name><devices><disk type='file' device='disk'>"
		 "<driver type='qcow2'/><source file='%s'/><target dev='vda'/></disk></devices>"
		 "</domain>",
		 header);
	temp_file(xml, "lent.xml", text);
	if (adopted_disks_lend(xml, NULL, &users, &lent, &count, error) == -ENOTSUP) {
		printf("no ACLs here; ");
		return;
	}
	CU_ASSERT_EQUAL(count, 1);
	source_defined_disks_free(lent, count);
	CU_ASSERT_TRUE(may_read(header, users.qemu) && may_read(raw, users.qemu));
	CU_ASSERT_TRUE(geteuid() != 0 || !may_read(raw, 54323));
	CU_ASSERT_EQUAL(source_access_grant_image(raw, 54321, &granted), 0);
	CU_ASSERT_FALSE(granted);
	poke(raw, 77);
	CU_ASSERT_EQUAL(wrap_record_event(header, raw, WRAP_EVENT_START, "a1", &record), 0);
	CU_ASSERT_EQUAL(record.state, WRAP_OPEN);
	lending_ends(header, raw);
}

/* The settings' exclude_disks holds for what a replica begins with, too. */
static void test_lending_excluded(void)
{
	char vda[TEMP_PATH_LEN], vdb[TEMP_PATH_LEN], header_a[TEMP_PATH_LEN];
	char header_b[TEMP_PATH_LEN], error[SOURCE_ERROR_LEN];
	char text[4096], excluded[1][DISK_NAME_MAX + 1] = {"vdb"};
	struct replica replica = {.settings = {.exclude_disks = excluded, .exclude_count = 1}};
	const struct adopted_users users = {.receiver = 54321, .qemu = 54322};
	struct replica_adopt *adopt = &replica.adopt;
	bool granted = false;

	make_raw(vda, "adopt-a.img", MIB);
	make_raw(vdb, "adopt-b.img", MIB);
	CU_ASSERT_EQUAL(chmod(vda, 0600), 0);
	CU_ASSERT_EQUAL(chmod(vdb, 0600), 0);
	CU_ASSERT_EQUAL(wrap_image_make(vda, MIB, temp_path(header_a, "adopt-a.qcow2"), error), 0);
	CU_ASSERT_EQUAL(wrap_image_make(vdb, MIB, temp_path(header_b, "adopt-b.qcow2"), error), 0);
	snprintf(text, sizeof(text),
		 "<domain><name>web1</name><devices><disk type='file' device='disk'>"
		 "<driver type='qcow2'/><source file='%s'/><target dev='vda'/></disk>"
		 "<disk type='file' device='disk'><driver type='qcow2'/><source file='%s'/>"
		 "<target dev='vdb'/></disk></devices></domain>",
		 header_a, header_b);
	temp_file(adopt->definition, "adopt.xml", text);
	temp_path(replica.directory, "adopting");
	CU_ASSERT_EQUAL(replica_adopt_lend(&replica, &users, error, sizeof(error)), 0);
	CU_ASSERT_EQUAL(adopt->count, 0); /* the settings do not order it */
	adopt->wanted = true;
	if (replica_adopt_lend(&replica, &users, error, sizeof(error)) == -ENOTSUP) {
		printf("no ACLs here; ");
		return;
	}
	CU_ASSERT_EQUAL_FATAL(adopt->count, 1);
	CU_ASSERT_STRING_EQUAL(adopt->disks[0].name, "vda");
	CU_ASSERT_EQUAL(source_access_grant_image(vda, 54321, &granted), 0);
	CU_ASSERT_FALSE(granted); /* it has been */
	CU_ASSERT_EQUAL(source_access_grant_image(vdb, 54321, &granted), 0);
	CU_ASSERT_TRUE(granted); /* only now */
	replica_adopt_destroy(&replica);
}

static void test_security(void)
{
	struct source_security security;

	CU_ASSERT_EQUAL(source_security_parse(
				"<capabilities><host><secmodel><model>apparmor</model></secmodel>"
				"<secmodel><model>dac</model><doi>0</doi>"
				"<baselabel type='kvm'>+64055:+109</baselabel></secmodel></host>"
				"</capabilities>",
				&security),
			0);
	CU_ASSERT_EQUAL(security.uid, 64055);
	CU_ASSERT_EQUAL(security.gid, 109);
	CU_ASSERT_TRUE(security.apparmor);
	CU_ASSERT_FALSE(security.selinux);
	CU_ASSERT_EQUAL(source_security_parse("<capabilities><host/></capabilities>", &security),
			-EBADMSG);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"definition", test_definition},
		{"header", test_header},
		{"header refusals", test_header_refusals},
		{"cluster size", test_cluster_size},
		{"record", test_record},
		{"damaged record", test_damaged_record},
		{"look", test_look},
		{"file", test_file},
		{"libvirt's configuration", test_conf},
		{"udev rule", test_rule},
		{"grant", test_grant},
		{"lending", test_lending},
		{"lending leaves excluded disks out", test_lending_excluded},
		{"security", test_security},
	};
	int status = unit_run("wrap disk", tests, sizeof(tests) / sizeof(tests[0]));

	tempdir_remove();
	return status;
}
