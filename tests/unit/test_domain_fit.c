/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "engine/domain_fit.h"
#include "tests/unit/golden.h"
#include "tests/unit/unit.h"

static const char *const domains[] = {
	"arm",		 "busy",   "bytes",	  "cpu-lacking", "cpu-unheard",
	"devices",	 "kvm",	   "lab",	  "large",	 "networks",
	"newer-machine", "no-cpu", "passthrough", "secure-boot", "uefi",
};
static const char *const hosts[] = {"host-tcg", "host-kvm", "host-other-cpu", "host-silent"};

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static char *fixture_read(const char *name)
{
	const char *srcdir = getenv("srcdir");
	char path[1024], *text = calloc(1, 1 << 17);
	FILE *file;

	snprintf(path, sizeof(path), "%s/tests/fixtures/fit/%s.xml", srcdir != NULL ? srcdir : ".",
		 name);
	file = fopen(path, "r");
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	CU_ASSERT_NOT_EQUAL(fread(text, 1, (1 << 17) - 1, file), 0);
	fclose(file);
	return text;
}

static void print_list(FILE *out, const char *kind, const struct sentence_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		fprintf(out, "  %s: %s\n", kind, list->items[i]);
	}
}

static void check_print(FILE *out, const char *domain_name, const char *host)
{
	cleanup_free char *xml = fixture_read(domain_name);
	struct domain_fit fit = {0};

	fprintf(out, "%s\n", domain_name);
	CU_ASSERT_EQUAL(domain_fit_check(xml, host, "b1", &fit), 0);
	print_list(out, "refused", &fit.refusals);
	print_list(out, "warning", &fit.warnings);
	domain_fit_destroy(&fit);
}

static void test_golden(void)
{
	for (size_t i = 0; i < COUNT(hosts); i++) {
		cleanup_free char *host = fixture_read(hosts[i]);
		struct golden golden;
		char name[64];

		golden_begin(&golden);
		for (size_t j = 0; j < COUNT(domains); j++) {
			check_print(golden.file, domains[j], host);
		}
		snprintf(name, sizeof(name), "fit/%s.golden", hosts[i]);
		CU_ASSERT_TRUE(golden_end(&golden, name));
	}
}

static void test_query(void)
{
	cleanup_free char *xml = fixture_read("lab");
	struct domain_fit_query query;

	CU_ASSERT_EQUAL_FATAL(domain_fit_query(xml, &query), 0);
	CU_ASSERT_STRING_EQUAL(query.type, "qemu");
	CU_ASSERT_STRING_EQUAL(query.arch, "x86_64");
	CU_ASSERT_STRING_EQUAL(query.machine, "pc-q35-7.2");
	CU_ASSERT_STRING_EQUAL(query.cpu, "<cpu mode=\"custom\" match=\"exact\"><model>qemu64"
					  "</model></cpu>");
	domain_fit_query_destroy(&query);
	CU_ASSERT_EQUAL_FATAL(
		domain_fit_query("<domain><os><type>hvm</type></os></domain>", &query), 0);
	CU_ASSERT_STRING_EQUAL(query.machine, "");
	CU_ASSERT_PTR_NULL(query.cpu);
	CU_ASSERT_EQUAL(domain_fit_query("<domain><os/></domain>", &query), -EBADMSG);
	CU_ASSERT_EQUAL(domain_fit_query("<network/>", &query), -EBADMSG);
	CU_ASSERT_EQUAL(domain_fit_query("no XML", &query), -EBADMSG);
}

static void test_wrong(void)
{
	cleanup_free char *xml = fixture_read("lab");
	struct domain_fit fit = {0};

	CU_ASSERT_EQUAL(domain_fit_check(xml, "<capabilities/>", "b1", &fit), -EBADMSG);
	CU_ASSERT_EQUAL(domain_fit_check(xml, "", "b1", &fit), -EBADMSG);
	CU_ASSERT_EQUAL(domain_fit_check("", "<host/>", "b1", &fit), -EBADMSG);
	CU_ASSERT_EQUAL(domain_fit_check(xml, "<host/>", "b1", &fit), 0);
	CU_ASSERT_EQUAL(fit.refusals.count + fit.warnings.count, 0);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"golden", test_golden}, {"query", test_query}, {"wrong", test_wrong}};

	return unit_run("domain fit", tests, sizeof(tests) / sizeof(tests[0]));
}
