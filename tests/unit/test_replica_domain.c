/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "engine/replica_domain.h"
#include "proto/limits.h"
#include "tests/unit/firmware_fixture.h"
#include "tests/unit/golden.h"
#include "tests/unit/sentences.h"
#include "tests/unit/unit.h"

static const char *const fixtures[] = {
	"bios-loader",
	"billion-laughs",
	"declaration",
	"direct-kernel",
	"doctype-in-comment",
	"drives",
	"duplicates",
	"external-entity",
	"host-paths",
	"hostdev",
	"kernel-tricks",
	"many-kinds",
	"missing-disk",
	"name-in-text",
	"namespaces",
	"nested",
	"networks",
	"no-memory",
	"not-domain",
	"not-xml",
	"odd-bus",
	"other-name",
	"plain",
	"processing",
	"qemu-commandline",
	"root-namespace",
	"time-zone",
	"tuning",
	"uefi-auto",
	"uefi-manual",
	"undefined-entity",
	"windows",
	"wrong-values",
	"xen",
};

static const struct replica_domain_disk disks[] = {
	{"vda", "/srv/replica/a.example/web1-0b6f4b1c/layers/vda-3.qcow2"},
	{"vdb", "/srv/replica/a.example/web1-0b6f4b1c/layers/vdb-3.qcow2"},
};

#define FIXTURE_MAX (DOMAIN_XML_MAX + 4096)

static struct network_map map;

static struct replica_domain_options options_make(void)
{
	char error[NETWORK_MAP_ERROR_LEN];

	map.count = 0;
	CU_ASSERT_EQUAL_FATAL(
		network_map_parse(&map, "net:prod=dr,bridge:br0=br7,direct:eth0=net:dr", error), 0);
	return (struct replica_domain_options){
		.name = "web1", .disks = disks, .disk_count = 2, .networks = &map};
}

static char *fixture_read(const char *name, size_t *ret_len)
{
	const char *srcdir = getenv("srcdir");
	char path[1024], *text = calloc(1, FIXTURE_MAX);
	FILE *file;

	snprintf(path, sizeof(path), "%s/tests/fixtures/domain/%s.xml",
		 srcdir != NULL ? srcdir : ".", name);
	file = fopen(path, "r");
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	*ret_len = fread(text, 1, FIXTURE_MAX - 1, file);
	fclose(file);
	return text;
}

static void print_result(FILE *out, int result, const char *xml, const char *error,
			 const struct sentence_list *notes)
{
	for (size_t i = 0; i < notes->count; i++) {
		fprintf(out, "note: %s\n", notes->items[i]);
	}
	if (notes->left_out > 0) {
		fprintf(out, "note: and %zu more\n", notes->left_out);
	}
	if (result == 0) {
		fprintf(out, "%s", xml);
	} else {
		fprintf(out, "%s: %s\n", strerrorname_np(-result), error);
	}
}

static void make_print(FILE *out, const char *fixture, const struct replica_domain_options *options)
{
	cleanup_sentences struct sentence_list notes = {0};
	char error[DOMAIN_ERROR_LEN] = "";
	cleanup_free char *text = NULL;
	cleanup_free char *xml = NULL;
	size_t len;
	int result;

	text = fixture_read(fixture, &len);
	result = replica_domain_make(text, len, options, &xml, &notes, error);
	CU_ASSERT_EQUAL(result == 0, xml != NULL);
	print_result(out, result, xml, error, &notes);
}

static void test_golden(void)
{
	for (size_t i = 0; i < sizeof(fixtures) / sizeof(fixtures[0]); i++) {
		struct replica_domain_options options = options_make();
		struct golden golden;
		char name[128];

		golden_begin(&golden);
		make_print(golden.file, fixtures[i], &options);
		snprintf(name, sizeof(name), "domain/%s.golden", fixtures[i]);
		CU_ASSERT_TRUE(golden_end(&golden, name));
	}
}

static void golden_with(const char *fixture, const struct replica_domain_options *options,
			const char *name)
{
	struct golden golden;

	golden_begin(&golden);
	make_print(golden.file, fixture, options);
	CU_ASSERT_TRUE(golden_end(&golden, name));
}

static void test_variants(void)
{
	struct replica_domain_options options = options_make();
	struct replica_domain_test test = {.name = "web1-test",
					   .uuid = "11111111-2222-4333-8444-555555555555"};
	struct firmware_list firmwares;

	options.test = &test;
	golden_with("networks", &options, "domain/test-disconnected.golden");
	test.network = "drill";
	golden_with("networks", &options, "domain/test-isolated.golden");
	options = options_make();
	options.boot_directory = "/srv/boot";
	golden_with("direct-kernel", &options, "domain/boot-directory.golden");
	golden_with("kernel-tricks", &options, "domain/boot-directory-tricks.golden");
	options.nvram = "/srv/replica/a.example/web1-0b6f4b1c_VARS.fd";
	options.nvram_bytes = 540672;
	golden_with("uefi-auto", &options, "domain/nvram.golden");
	firmware_fixture_load(&firmwares);
	options.firmwares = &firmwares;
	golden_with("uefi-auto", &options, "domain/nvram-chosen.golden");
	options.nvram_bytes = 0;
	golden_with("uefi-manual", &options, "domain/nvram-not-come.golden");
	options.nvram_bytes = 67108864;
	golden_with("uefi-manual", &options, "domain/nvram-unsuited.golden");
	firmware_list_destroy(&firmwares);
}

/* A VM that comes home: what the other side never had is as it was here, what it changed is as it
 * has it. Then as a test's VM, which has nothing of this side but its networks; and with what was
 * kept here broken, or not there. */
static void test_home(void)
{
	static const char excluded[][DISK_NAME_MAX + 1] = {"vdc", "sdb", "vde"};
	static const struct replica_domain_disk three[] = {
		{"vda", "/srv/replica/b.example/web1-0b6f4b1c/vm-3/vda.qcow2"},
		{"vdb", "/srv/replica/b.example/web1-0b6f4b1c/vm-3/vdb.qcow2"},
		{"vde", "/srv/replica/b.example/web1-0b6f4b1c/vm-3/vde.qcow2"},
	};
	struct replica_domain_own own = {.excluded = excluded, .excluded_count = 3};
	struct replica_domain_options options = options_make();
	struct replica_domain_test test = {.name = "web1-test",
					   .uuid = "11111111-2222-4333-8444-555555555555"};
	char error[NETWORK_MAP_ERROR_LEN];
	cleanup_free char *text = fixture_read("home-own", &own.len);

	map.count = 0;
	CU_ASSERT_EQUAL_FATAL(network_map_parse(&map, "net:mapped=net-of-a", error), 0);
	own.xml = text;
	options.disks = three;
	options.disk_count = 3;
	options.own = &own;
	golden_with("home-peer", &options, "domain/home.golden");
	options.test = &test;
	golden_with("home-peer", &options, "domain/home-test.golden");
	options.test = NULL;
	own.len /= 2;
	golden_with("home-peer", &options, "domain/home-broken.golden");
	options.own = NULL;
	golden_with("home-peer", &options, "domain/home-without.golden");
}

/* Two tests of one VM at the same time of day, or one VM in two tests, never share a MAC. */
static void test_macs(void)
{
	struct replica_domain_options options = options_make();
	struct replica_domain_test test = {.name = "t",
					   .uuid = "11111111-2222-4333-8444-555555555555"};
	cleanup_sentences struct sentence_list notes = {0};
	cleanup_free char *one = NULL, *again = NULL, *other = NULL, *text = NULL;
	char error[DOMAIN_ERROR_LEN];
	size_t len;

	options.test = &test;
	text = fixture_read("networks", &len);
	CU_ASSERT_EQUAL(replica_domain_make(text, len, &options, &one, &notes, error), 0);
	CU_ASSERT_EQUAL(replica_domain_make(text, len, &options, &again, &notes, error), 0);
	test.uuid = "11111111-2222-4333-8444-555555555556";
	CU_ASSERT_EQUAL(replica_domain_make(text, len, &options, &other, &notes, error), 0);
	CU_ASSERT_STRING_EQUAL(one, again);
	for (const char *mac = one; (mac = strstr(mac, "52:54:00:")) != NULL; mac++) {
		char address[18];

		snprintf(address, sizeof(address), "%s", mac);
		CU_ASSERT_PTR_NULL(strstr(other, address));
		CU_ASSERT_PTR_NULL(strstr(mac + 1, address));
		CU_ASSERT_PTR_NULL(strstr(text, address));
	}
}

static void test_bounds(void)
{
	struct replica_domain_options options = options_make();
	cleanup_sentences struct sentence_list notes = {0};
	cleanup_free char *text = NULL, *xml = NULL;
	char error[DOMAIN_ERROR_LEN];
	size_t len;

	text = fixture_read("plain", &len);
	memset(text + len, ' ', DOMAIN_XML_MAX + 1 - len);
	CU_ASSERT_EQUAL(
		replica_domain_make(text, DOMAIN_XML_MAX + 1, &options, &xml, &notes, error),
		-E2BIG);
	CU_ASSERT_EQUAL(replica_domain_make(text, 0, &options, &xml, &notes, error), -E2BIG);
	text[len] = '\0';
	CU_ASSERT_EQUAL(replica_domain_make(text, len + 1, &options, &xml, &notes, error),
			-EBADMSG);
	for (size_t cut = 1; cut < len - 2; cut += 7) {
		CU_ASSERT_NOT_EQUAL(replica_domain_make(text, cut, &options, &xml, &notes, error),
				    0);
	}
	CU_ASSERT_PTR_NULL(xml);
	CU_ASSERT_EQUAL(replica_domain_make(text, len, &options, &xml, &notes, error), 0);
}

/* One element with count attributes, or namespaces, that nobody knows. */
static int make_crowded(char *text, const char *prefix, unsigned int count)
{
	struct replica_domain_options options = options_make();
	cleanup_sentences struct sentence_list notes = {0};
	cleanup_free char *xml = NULL;
	char error[DOMAIN_ERROR_LEN], *end = text;

	end += sprintf(end, "<domain type='kvm'><name>web1</name><memory>1</memory><os>"
			    "<type>hvm</type></os><devices><panic");
	for (unsigned int i = 0; i < count; i++) {
		end += sprintf(end, " %s%u%s'u'", prefix, i, i % 2 == 0 ? "=" : " = ");
	}
	end += sprintf(end, "/></devices></domain>");
	return replica_domain_make(text, (size_t)(end - text), &options, &xml, &notes, error);
}

/* So many attributes that comparing each with each would take long are refused at once. */
static void test_many_attributes(void)
{
	cleanup_free char *text = malloc(DOMAIN_XML_MAX);
	int64_t begin_ms = clock_monotonic_ms();

	CU_ASSERT_EQUAL(make_crowded(text, "a", DOMAIN_XML_ATTRIBUTES_MAX), 0);
	CU_ASSERT_EQUAL(make_crowded(text, "a", DOMAIN_XML_ATTRIBUTES_MAX + 1), -E2BIG);
	CU_ASSERT_EQUAL(make_crowded(text, "a", 70000), -E2BIG);
	CU_ASSERT_EQUAL(make_crowded(text, "xmlns:n", DOMAIN_XML_ATTRIBUTES_MAX), 0);
	CU_ASSERT_EQUAL(make_crowded(text, "xmlns:n", DOMAIN_XML_ATTRIBUTES_MAX + 1), -E2BIG);
	CU_ASSERT_EQUAL(make_crowded(text, "xmlns:n", 50000), -E2BIG);
	CU_ASSERT(clock_monotonic_ms() - begin_ms < 2000);
}

/* Many elements, each of them known, in all sizes round the bound. */
static void test_many_elements(void)
{
	static const char head[] = "<domain type='kvm'><name>web1</name><memory>1</memory><os>"
				   "<type>hvm</type></os><devices>";
	struct replica_domain_options options = options_make();
	cleanup_free char *text = malloc(DOMAIN_XML_MAX);

	for (int over = -1; over <= 1; over++) {
		cleanup_sentences struct sentence_list notes = {0};
		cleanup_free char *xml = NULL;
		char error[DOMAIN_ERROR_LEN], *end = text + sprintf(text, "%s", head);
		int result;

		for (int i = 6; i < (int)DOMAIN_XML_ELEMENTS_MAX + over; i++) {
			end += sprintf(end, i % 2 == 0 ? "<panic/>" : "<memballoon/>");
		}
		end += sprintf(end, "</devices></domain>");
		result = replica_domain_make(text, (size_t)(end - text), &options, &xml, &notes,
					     error);
		CU_ASSERT_EQUAL(result, over > 0 ? -E2BIG : 0);
	}
}

/* VirtualDomain's own way: grep for <name>, strip round it. And what is made is made of itself. */
static void test_result(void)
{
	struct replica_domain_options options = options_make();
	cleanup_sentences struct sentence_list notes = {0}, none = {0};
	cleanup_free char *text = NULL, *xml = NULL, *again = NULL;
	char error[DOMAIN_ERROR_LEN];
	size_t len;

	text = fixture_read("name-in-text", &len);
	CU_ASSERT_EQUAL_FATAL(replica_domain_make(text, len, &options, &xml, &notes, error), 0);
	CU_ASSERT_EQUAL(strncmp(xml, "<domain type=\"kvm\">\n", 20), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(xml, "\n  <name>web1</name>\n"));
	CU_ASSERT_PTR_NULL(strstr(strstr(xml, "<name>") + 1, "<name>"));
	free(text);
	free(xml);
	text = fixture_read("plain", &len);
	CU_ASSERT_EQUAL_FATAL(replica_domain_make(text, len, &options, &xml, &none, error), 0);
	CU_ASSERT_EQUAL(none.count, 0);
	map.count = 0;
	CU_ASSERT_EQUAL(replica_domain_make(xml, strlen(xml), &options, &again, &none, error), 0);
	CU_ASSERT_STRING_EQUAL(xml, again);
	CU_ASSERT_EQUAL(none.count, 0);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"golden", test_golden},
		{"variants", test_variants},
		{"home", test_home},
		{"MACs", test_macs},
		{"bounds", test_bounds},
		{"many elements", test_many_elements},
		{"many attributes", test_many_attributes},
		{"result", test_result},
	};

	return unit_run("replica domain", tests, sizeof(tests) / sizeof(tests[0]));
}
