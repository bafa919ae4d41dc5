/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Would a VM that comes home start here: with what was kept of it, without, and with a disk of its
 * own that is not there any more. What libvirt says of the host is played. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/definition_file.h"
#include "engine/replica.h"
#include "engine/replica_fit.h"
#include "engine/source_host.h"
#include "tempdir.h"
#include "unit.h"

#define ID "0b0e7d1c-5a4f-4c59-9d3e-2f1a6c7b8d90"
#define HEAD                                                                                       \
	"<domain type='kvm'><name>web1</name><memory>1</memory><os><type>hvm</type></os>"          \
	"<devices><disk type='file' device='disk'><source file='/x'/>"                             \
	"<target dev='vda' bus='virtio'/></disk>"
#define TAIL "</devices></domain>"

static const struct config config = {.node = (char *)(uintptr_t) "a1",
				     .boot_directory = (char *)(uintptr_t) ""};
static struct engine engine = {.config = &config};
static struct replica replica;
static char excluded[1][DISK_NAME_MAX + 1] = {"vdc"};
static bool lost;

int source_host_describe(struct source_connection *connection, const struct domain_fit_query *query,
			 char **ret_xml, char error[SOURCE_ERROR_LEN])
{
	(void)connection;
	(void)query;
	(void)ret_xml;
	strcpy(error, "played");
	return -ENOTCONN;
}

static void keep(const char *text)
{
	char path[PATH_LEN_MAX];
	bool changed;

	snprintf(path, sizeof(path), "%s/b.example", tempdir());
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/b.example/web1-0b0e7d1c.xml.own", tempdir());
	if (text == NULL) {
		unlink(path);
		return;
	}
	CU_ASSERT_EQUAL(definition_file_write(path, DEFINITION_FILE_MODE_PRIVATE, text, &changed),
			0);
}

static void look(struct domain_fit *fit)
{
	static const char *const disks[] = {"vda"};
	struct kept_definition kept;
	struct replica_fit request = {
		.config = &config,
		.vm = "web1",
		.xml = HEAD TAIL,
		.xml_len = sizeof(HEAD TAIL) - 1,
		.disks = disks,
		.disk_count = 1,
		.kept = &kept,
	};

	replica.engine = &engine;
	strcpy(replica.settings.vm, "web1");
	strcpy(replica.settings.relationship, ID);
	strcpy(replica.settings.peer, "b.example");
	snprintf(replica.settings.storage, sizeof(replica.settings.storage), "%s", tempdir());
	replica.settings.exclude_disks = excluded;
	replica.settings.exclude_count = 1;
	kept_definition_take(&kept, &replica);
	replica_fit_run(&request, fit);
	lost = kept.is_lost;
	kept_definition_destroy(&kept);
}

static bool says(const struct sentence_list *list, const char *words)
{
	for (size_t i = 0; i < list->count; i++) {
		if (strstr(list->items[i], words) != NULL) {
			return true;
		}
	}
	return false;
}

static void test_lost(void)
{
	struct domain_fit fit = {0};

	keep(NULL);
	strcpy(replica.settings.vm_resource, "web1");
	look(&fit);
	CU_ASSERT(lost);
	CU_ASSERT(says(&fit.warnings, "does not come home"));
	CU_ASSERT(says(&fit.warnings, "b.example/web1-0b0e7d1c.xml.own"));
	CU_ASSERT_EQUAL(fit.refusals.count, 0);
	domain_fit_destroy(&fit);
}

/* A replica that never was anything else has lost nothing. */
static void test_never(void)
{
	struct domain_fit fit = {0};

	keep(NULL);
	replica.settings.vm_resource[0] = '\0';
	look(&fit);
	CU_ASSERT_FALSE(lost);
	CU_ASSERT_FALSE(says(&fit.warnings, "come home"));
	domain_fit_destroy(&fit);
}

static void test_kept(void)
{
	struct domain_fit fit = {0};

	strcpy(replica.settings.vm_resource, "web1");
	keep(HEAD "<disk type='file' device='disk'><source file='/etc/passwd'/>"
		  "<target dev='vdc' bus='virtio'/></disk>"
		  "<disk type='file' device='cdrom'><source file='/none' startupPolicy='optional'/>"
		  "<target dev='sda' bus='sata'/></disk>" TAIL);
	look(&fit);
	CU_ASSERT_FALSE(lost);
	CU_ASSERT_FALSE(says(&fit.warnings, "own definition")); /* nothing is missing */
	CU_ASSERT_EQUAL(fit.refusals.count, 0);
	domain_fit_destroy(&fit);
}

/* Said before the VM is stopped on the other side: behind that it would be off on both. */
static void test_disk_gone(void)
{
	struct domain_fit fit = {0};

	strcpy(replica.settings.vm_resource, "web1");
	keep(HEAD "<disk type='block' device='disk'><source dev='/dev/vg/none'/>"
		  "<target dev='vdc' bus='virtio'/></disk>" TAIL);
	look(&fit);
	CU_ASSERT_EQUAL(fit.refusals.count, 1);
	CU_ASSERT(says(&fit.refusals, "/dev/vg/none is not on a1"));
	CU_ASSERT(says(&fit.refusals, "has for vdc"));
	domain_fit_destroy(&fit);
}

static const struct unit_test tests[] = {
	{"lost", test_lost},
	{"never", test_never},
	{"kept", test_kept},
	{"a disk is gone", test_disk_gone},
};

int main(void)
{
	int result = unit_run("replica-fit", tests, sizeof(tests) / sizeof(tests[0]));

	tempdir_remove();
	return result;
}
