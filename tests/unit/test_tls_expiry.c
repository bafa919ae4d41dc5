/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/tls_expiry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/pki.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/unit.h"

#define DAY_MS (24ll * 3600 * 1000)
#define NOW_MS 1795341600000 /* 2026-11-22 */

static char text[TLS_ERROR_LEN];

static enum tls_expiry_verdict judge(int certificate_days, int authority_days, int list_days)
{
	const struct tls_expiry expiry = {.certificate_ms = NOW_MS + certificate_days * DAY_MS,
					  .authority_ms = NOW_MS + authority_days * DAY_MS,
					  .list_ms =
						  list_days == 0 ? 0 : NOW_MS + list_days * DAY_MS,
					  .lists = list_days != 0,
					  .crl_check = TLS_CRL_WARN};

	return tls_expiry_judge(&expiry, NOW_MS, text);
}

static void says(const char *words)
{
	if (strstr(text, words) == NULL) {
		printf("\n    no \"%s\" in: %s\n", words, text);
		CU_FAIL("it does not say so");
	}
}

static void test_judge(void)
{
	struct tls_expiry expiry = {.certificate_ms = NOW_MS + 365 * DAY_MS,
				    .crl_check = TLS_CRL_REQUIRE};

	CU_ASSERT_EQUAL(judge(30, 3650, 0), TLS_EXPIRY_WELL);
	CU_ASSERT_STRING_EQUAL(text, "");
	CU_ASSERT_EQUAL(judge(29, 3650, 7), TLS_EXPIRY_SOON);
	says("the certificate expires on 2026-12-21, in 29 days: vmreplica pki renew");
	CU_ASSERT_EQUAL(judge(-1, 3650, 7), TLS_EXPIRY_OVER);
	says("the certificate has expired on 2026-11-21");
	CU_ASSERT_EQUAL(judge(300, 12, 7), TLS_EXPIRY_SOON);
	says("its authority's certificate expires on 2026-12-04");
	CU_ASSERT_EQUAL(judge(300, 3650, -2), TLS_EXPIRY_OVER);
	says("a revocation list was to be renewed by 2026-11-20");
	CU_ASSERT_EQUAL(judge(5, 6, -2), TLS_EXPIRY_OVER); /* all of it */
	says("the certificate expires");
	says("authority's certificate expires");
	says("revocation list");
	CU_ASSERT_EQUAL(tls_expiry_judge(&expiry, NOW_MS, text), TLS_EXPIRY_OVER);
	says("there is no revocation list");
	expiry.crl_check = TLS_CRL_WARN; /* none is wanted */
	CU_ASSERT_EQUAL(tls_expiry_judge(&expiry, NOW_MS, text), TLS_EXPIRY_WELL);
}

static void must(int rc, const char *what)
{
	if (rc != 0) {
		fprintf(stderr, "cannot go on: %s\n", what);
		exit(1);
	}
}

/* Real files: an authority, a certificate of days, a list that holds for a week. */
static struct tls_expiry loaded(const char *directory, int days, int authority_days, bool list)
{
	static const char *const names[] = {"a.example", NULL};
	const struct pki_request request = {
		.node = "a1.a.example", .dns_names = names, .days = days};
	char path[TEMP_PATH_LEN], ca[TEMP_PATH_LEN + 32], certificate[TEMP_PATH_LEN + 32],
		key[TEMP_PATH_LEN + 32], crl[TEMP_PATH_LEN + 32];
	char error[PKI_ERROR_LEN] = "", why[TLS_ERROR_LEN] = "";
	struct tls_files files = {.ca = ca, .certificate = certificate, .key = key, .crl = crl};
	struct tls_context *context;
	struct tls_expiry expiry;

	temp_path(path, directory);
	must(pki_init(path, "test", authority_days, error), error);
	must(pki_issue(path, &request, error), error);
	if (list) {
		must(pki_revoke(path, NULL, 7, error), error);
	}
	snprintf(ca, sizeof(ca), "%s/ca.crt", path);
	snprintf(certificate, sizeof(certificate), "%s/a1.a.example.crt", path);
	snprintf(key, sizeof(key), "%s/a1.a.example.key", path);
	snprintf(crl, sizeof(crl), "%s/crl.pem", path);
	context = tls_context_new(&files, why);
	must(context == NULL, why);
	tls_context_expiry(context, &expiry);
	tls_context_unref(context);
	return expiry;
}

static bool is_about(int64_t ms, int days)
{
	int64_t left_ms = ms - clock_wall_ms();

	return left_ms > (days - 1) * DAY_MS && left_ms <= days * DAY_MS + 60000;
}

static void test_files(void)
{
	struct tls_expiry expiry = loaded("one", 20, 400, false);

	CU_ASSERT_TRUE(is_about(expiry.certificate_ms, 20));
	CU_ASSERT_TRUE(is_about(expiry.authority_ms, 400));
	CU_ASSERT_EQUAL(expiry.lists, 0);
	CU_ASSERT_EQUAL(tls_expiry_judge(&expiry, clock_wall_ms(), text), TLS_EXPIRY_SOON);
	says("the certificate expires on");
	CU_ASSERT_EQUAL(tls_expiry_judge(&expiry, clock_wall_ms() + 25 * DAY_MS, text),
			TLS_EXPIRY_OVER);
	expiry = loaded("two", 10, 15, true);
	CU_ASSERT_EQUAL(expiry.lists, 1);
	CU_ASSERT_TRUE(is_about(expiry.list_ms, 7));
	CU_ASSERT_EQUAL(tls_expiry_judge(&expiry, clock_wall_ms(), text), TLS_EXPIRY_SOON);
	says("authority's certificate expires");
	CU_ASSERT_EQUAL(tls_expiry_judge(&expiry, clock_wall_ms() + 8 * DAY_MS, text),
			TLS_EXPIRY_OVER);
	says("a revocation list was to be renewed");
	expiry = loaded("three", 200, 400, true);
	CU_ASSERT_EQUAL(tls_expiry_judge(&expiry, clock_wall_ms(), text), TLS_EXPIRY_WELL);
}

/* Each peer once a day. */
static void test_notes(void)
{
	static struct tls_expiry_notes notes;
	char name[32];

	tls_expiry_notes_init(&notes);
	CU_ASSERT_FALSE(tls_expiry_notes_due(&notes, "a1.a.example", 0, NOW_MS, text));
	CU_ASSERT_FALSE(
		tls_expiry_notes_due(&notes, "a1.a.example", NOW_MS + 31 * DAY_MS, NOW_MS, text));
	CU_ASSERT_TRUE(
		tls_expiry_notes_due(&notes, "a1.a.example", NOW_MS + 5 * DAY_MS, NOW_MS, text));
	says("the certificate of a1.a.example expires on 2026-11-27, in 5 days: renew it there");
	CU_ASSERT_FALSE(tls_expiry_notes_due(&notes, "a1.a.example", NOW_MS + 5 * DAY_MS,
					     NOW_MS + 1000, text));
	CU_ASSERT_TRUE(
		tls_expiry_notes_due(&notes, "a2.a.example", NOW_MS + 5 * DAY_MS, NOW_MS, text));
	CU_ASSERT_TRUE(tls_expiry_notes_due(&notes, "a1.a.example", NOW_MS + 5 * DAY_MS,
					    NOW_MS + DAY_MS, text));
	for (unsigned i = 0; i < 2 * TLS_EXPIRY_NOTES; i++) { /* more than are kept */
		snprintf(name, sizeof(name), "n%u.example", i);
		CU_ASSERT_TRUE(tls_expiry_notes_due(&notes, name, NOW_MS + 2 * DAY_MS,
						    NOW_MS + DAY_MS + i, text));
	}
	tls_expiry_notes_destroy(&notes);
}

static const struct unit_test tests[] = {
	{"what is said", test_judge},
	{"of files", test_files},
	{"of peers", test_notes},
};

int main(void)
{
	int rc;

	log_open("test", NULL, "error", false);
	rc = unit_run("TLS expiry", tests, sizeof(tests) / sizeof(tests[0]));
	tempdir_remove();
	return rc;
}
