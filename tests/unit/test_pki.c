/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "common/clock.h"
#include "common/pki.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/unit.h"

static char error[PKI_ERROR_LEN];

static mode_t mode_of(const char *name)
{
	char path[TEMP_PATH_LEN];
	struct stat st;

	return stat(temp_path(path, name), &st) == 0 ? st.st_mode & 07777 : 0;
}

static int issue(const char *node, const char *const *names, const char *const *addresses, int days)
{
	struct pki_request request = {
		.node = node, .dns_names = names, .addresses = addresses, .days = days};

	error[0] = '\0';
	return pki_issue(tempdir(), &request, error);
}

static int check(const char *certificate, const char *key)
{
	char ca_path[TEMP_PATH_LEN], certificate_path[TEMP_PATH_LEN], key_path[TEMP_PATH_LEN];

	error[0] = '\0';
	return pki_check(temp_path(ca_path, "ca.crt"), temp_path(certificate_path, certificate),
			 temp_path(key_path, key), error);
}

static void test_no_ca_yet(void)
{
	CU_ASSERT_EQUAL(issue("a1.a.example", NULL, NULL, 30), -ENOENT);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "pki init"));
}

static void test_init(void)
{
	struct pki_info info;
	char path[TEMP_PATH_LEN];

	CU_ASSERT_EQUAL_FATAL(pki_init(tempdir(), "vmreplica test CA", 30, error), 0);
	CU_ASSERT_EQUAL(mode_of("ca.crt"), 0644);
	CU_ASSERT_EQUAL(mode_of("ca.key"), 0600);
	CU_ASSERT_EQUAL_FATAL(pki_show(temp_path(path, "ca.crt"), &info, error), 0);
	CU_ASSERT_TRUE(info.is_ca);
	CU_ASSERT_STRING_EQUAL(info.subject, "CN=vmreplica test CA");
	CU_ASSERT_STRING_EQUAL(info.issuer, info.subject);
	CU_ASSERT_EQUAL(pki_init(tempdir(), "another", 30, error), -EEXIST);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "kept"));
	CU_ASSERT_EQUAL(pki_init(tempdir(), "", 30, error), -EINVAL);
	CU_ASSERT_EQUAL(pki_init(tempdir(), "x", 0, error), -EINVAL);
}

static void test_issue_and_show(void)
{
	const char *const names[] = {"a.example", "a1.a.example", NULL};
	const char *const addresses[] = {"10.0.0.1", "fd00::1", NULL};
	struct pki_info info;
	char path[TEMP_PATH_LEN];
	int64_t now_ms = clock_wall_ms();

	CU_ASSERT_EQUAL_FATAL(issue("a1.a.example", names, addresses, 10), 0);
	CU_ASSERT_EQUAL(mode_of("a1.a.example.key"), 0600);
	CU_ASSERT_EQUAL_FATAL(pki_show(temp_path(path, "a1.a.example.crt"), &info, error), 0);
	CU_ASSERT_STRING_EQUAL(info.names,
			       "DNS:a1.a.example, DNS:a.example, IP:10.0.0.1, IP:fd00::1");
	CU_ASSERT_STRING_EQUAL(info.issuer, "CN=vmreplica test CA");
	CU_ASSERT_TRUE(info.server_auth && info.client_auth);
	CU_ASSERT_FALSE(info.is_ca || info.has_wildcard);
	CU_ASSERT_TRUE(info.not_before_ms < now_ms);
	CU_ASSERT_TRUE(info.not_after_ms > now_ms + 9ll * 86400000 &&
		       info.not_after_ms < now_ms + 11ll * 86400000);
	CU_ASSERT_EQUAL(check("a1.a.example.crt", "a1.a.example.key"), 0);
	CU_ASSERT_EQUAL(issue("a1.a.example", names, addresses, 10), -EEXIST);
}

static void test_issue_refuses_names(void)
{
	static const char *const wrong[] = {"",		  "*.a.example", "a..b", "-a", "a b",
					    "a,DNS:evil", "../a",	 "a.",	 "a/b"};
	const char *const wildcard[] = {"*.a.example", NULL}, *const address[] = {"10.0.0", NULL};
	char longer[300];

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		CU_ASSERT_EQUAL(issue(wrong[i], NULL, NULL, 10), -EINVAL);
	}
	memset(longer, 'a', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	CU_ASSERT_EQUAL(issue(longer, NULL, NULL, 10), -EINVAL);
	CU_ASSERT_EQUAL(issue("n1.a.example", wildcard, NULL, 10), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "wildcards"));
	CU_ASSERT_EQUAL(issue("n1.a.example", NULL, address, 10), -EINVAL);
	CU_ASSERT_EQUAL(mode_of("n1.a.example.key"), 0);
}

static void test_check(void)
{
	CU_ASSERT_EQUAL_FATAL(issue("old.a.example", NULL, NULL, -2), 0);
	CU_ASSERT_EQUAL_FATAL(issue("a2.a.example", NULL, NULL, 2), 0);
	CU_ASSERT_EQUAL(check("old.a.example.crt", "old.a.example.key"), -EKEYEXPIRED);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "expired"));
	CU_ASSERT_EQUAL(check("a2.a.example.crt", "old.a.example.key"), -EKEYREJECTED);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "is not the key"));
	/* The CA's own certificate identifies no node. */
	CU_ASSERT_EQUAL(check("ca.crt", "ca.key"), -EKEYREJECTED);
	CU_ASSERT_EQUAL(check("none.crt", "a2.a.example.key"), -ENOENT);
	CU_ASSERT_EQUAL(check("a2.a.example.crt", "none.key"), -ENOENT);
	CU_ASSERT_EQUAL(check("a2.a.example.key", "a2.a.example.key"), -EBADMSG);
}

static void test_foreign_ca(void)
{
	char other[TEMP_PATH_LEN], ca[TEMP_PATH_LEN + 16], certificate[TEMP_PATH_LEN],
		key[TEMP_PATH_LEN];

	CU_ASSERT_EQUAL_FATAL(pki_init(temp_path(other, "other"), "vmreplica test CA", 30, error),
			      0);
	snprintf(ca, sizeof(ca), "%s/ca.crt", other);
	/* The same name, another key: the signature decides. */
	CU_ASSERT_EQUAL(pki_check(ca, temp_path(certificate, "a2.a.example.crt"),
				  temp_path(key, "a2.a.example.key"), error),
			-EKEYREJECTED);
	unlink(ca);
	snprintf(ca, sizeof(ca), "%s/ca.key", other);
	unlink(ca);
	rmdir(other);
	tempdir_remove();
}

static const struct unit_test tests[] = {
	{"issuing without a CA says how to make one", test_no_ca_yet},
	{"a CA, once", test_init},
	{"a node's certificate and what it shows", test_issue_and_show},
	{"names that are none", test_issue_refuses_names},
	{"expired, wrong key, no node", test_check},
	{"another CA of the same name", test_foreign_ca},
};

UNIT_MAIN("pki", tests)
