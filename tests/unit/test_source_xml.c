/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "engine/source_xml.h"
#include "tests/unit/unit.h"

static const struct source_xml_disk disks[] = {
	{.name = "vda", .scratch = "/scratch/a&b'<1>.scratch"},
	{.name = "vdb", .scratch = "/scratch/b"},
};

/* The text, without the XML declaration, is wanted; frees it. */
static void assert_text(char *text, const char *wanted)
{
	const char *body = text;

	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	CU_ASSERT_STRING_EQUAL(body, wanted);
	if (strcmp(body, wanted) != 0) {
		fprintf(stderr, "got    %s\nwanted %s\n", body, wanted);
	}
	free(text);
}

static void test_backup(void)
{
	assert_text(
		source_xml_backup("/run/s.sock", NULL, disks + 1, 1),
		"<domainbackup mode=\"pull\"><server transport=\"unix\" socket=\"/run/s.sock\"/>"
		"<disks><disk name=\"vdb\" backup=\"yes\" type=\"file\" exportname=\"vdb\">"
		"<driver type=\"qcow2\"/><scratch file=\"/scratch/b\"/></disk></disks>"
		"</domainbackup>\n");
	assert_text(source_xml_backup("/run/s.sock", "since", disks, 1),
		    "<domainbackup mode=\"pull\"><incremental>since</incremental>"
		    "<server transport=\"unix\" socket=\"/run/s.sock\"/>"
		    "<disks><disk name=\"vda\" backup=\"yes\" type=\"file\" exportname=\"vda\" "
		    "exportbitmap=\"vmreplica\"><driver type=\"qcow2\"/>"
		    "<scratch file=\"/scratch/a&amp;b'&lt;1&gt;.scratch\"/></disk></disks>"
		    "</domainbackup>\n");
}

static void test_checkpoints(void)
{
	assert_text(source_xml_checkpoint("cut", disks, 2),
		    "<domaincheckpoint><name>cut</name><disks>"
		    "<disk name=\"vda\" checkpoint=\"bitmap\"/>"
		    "<disk name=\"vdb\" checkpoint=\"bitmap\"/></disks></domaincheckpoint>\n");
	assert_text(source_xml_redefine("cut", "before", 1234567890123, disks, 1,
					"<domain type='kvm'><name>a&amp;b</name></domain>"),
		    "<domaincheckpoint><name>cut</name><parent><name>before</name></parent>"
		    "<creationTime>1234567890123</creationTime><disks>"
		    "<disk name=\"vda\" checkpoint=\"bitmap\" bitmap=\"cut\"/></disks>"
		    "<domain type='kvm'><name>a&amp;b</name></domain></domaincheckpoint>\n");
	assert_text(source_xml_redefine("cut", NULL, 0, disks, 0, "<domain/>"),
		    "<domaincheckpoint><name>cut</name><creationTime>0</creationTime><disks/>"
		    "<domain/></domaincheckpoint>\n");
}

static void test_running_jobs(void)
{
	static const char ours[] = "<domainbackup mode='pull'><incremental>x</incremental>"
				   "<server transport='unix' socket='/run/v.sock'/></domainbackup>";
	static const char tcp[] = "<domainbackup mode='pull'><server transport='tcp' name='::1' "
				  "port='10800'/></domainbackup>";

	assert_text(source_xml_backup_socket(ours), "/run/v.sock");
	CU_ASSERT_PTR_NULL(source_xml_backup_socket(tcp));
	CU_ASSERT_PTR_NULL(source_xml_backup_socket("<domainbackup mode='push'/>"));
	CU_ASSERT_PTR_NULL(source_xml_backup_socket("not XML"));
	assert_text(source_xml_backup_describe(ours), "pull mode, NBD on /run/v.sock");
	assert_text(source_xml_backup_describe(tcp), "pull mode, NBD on ::1:10800");
	assert_text(source_xml_backup_describe("<domainbackup mode='push'/>"), "push mode");
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"backup", test_backup},
		{"checkpoints", test_checkpoints},
		{"running jobs", test_running_jobs},
	};

	return unit_run("source xml", tests, sizeof(tests) / sizeof(tests[0]));
}
