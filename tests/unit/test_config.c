/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "common/config.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/unit.h"

static char error[CONFIG_ERROR_LEN];

static int load(const char *text, struct config *config)
{
	char path[TEMP_PATH_LEN];

	error[0] = '\0';
	return config_load(temp_file(path, "vmreplica.conf", text), config, error);
}

/* text must be refused, and the error must hold both parts. */
static void assert_refused(const char *text, const char *where, const char *what)
{
	struct config config = {0};

	CU_ASSERT_EQUAL(load(text, &config), -EINVAL);
	CU_ASSERT_PTR_NULL(config.site);
	if (strstr(error, where) == NULL || strstr(error, what) == NULL) {
		fprintf(stderr, "\n    error is: %s\n", error);
		CU_FAIL("the error does not name place and reason");
	}
}

static void test_defaults(void)
{
	struct config config;
	char host[256] = "";

	CU_ASSERT_EQUAL_FATAL(load("[site]\nname = a.example\n", &config), 0);
	gethostname(host, sizeof(host) - 1);
	host[strcspn(host, ".")] = '\0';
	CU_ASSERT_STRING_EQUAL(config.site, "a.example");
	CU_ASSERT_STRING_EQUAL(config.node, host);
	CU_ASSERT_STRING_EQUAL(config.replication_address, "");
	CU_ASSERT_STRING_EQUAL(config.listen, "::");
	CU_ASSERT_EQUAL(config.port, RECEIVER_PORT);
	CU_ASSERT_EQUAL(config.broker_port, BROKER_PORT);
	CU_ASSERT_EQUAL(config.relay, RELAY_AUTO);
	CU_ASSERT_PTR_NOT_NULL(strstr(config.tls_crl, "/pki/crl.pem"));
	CU_ASSERT_EQUAL(config.tls_crl_check, TLS_CRL_WARN);
	CU_ASSERT_STRING_EQUAL(config.boot_directory, "");
	CU_ASSERT_EQUAL(config.scratch_reserve_bytes, 2ull << 30);
	CU_ASSERT_EQUAL(config.scratch_cap_bytes, 8ull << 30);
	CU_ASSERT_EQUAL(config.spool_cap_bytes, 4ull << 30);
	CU_ASSERT_EQUAL(config.storage_reserve_bytes, 1ull << 30);
	CU_ASSERT_STRING_EQUAL(config.log_level, "notice");
	CU_ASSERT_FALSE(config.standalone);
	CU_ASSERT_TRUE(config.start_on_silence);
	config_destroy(&config);
}

static void test_everything(void)
{
	struct config config;

	CU_ASSERT_EQUAL_FATAL(load("# a comment\n"
				   "[site]\nname = a.example\t# this site\n"
				   "[node]\nname = a1\nreplication-address = 10.0.0.1\nport = "
				   "9000\n  listen = 0.0.0.0\n"
				   "[broker]\nport: 9001\nrelay = never ; not here\n"
				   "[tls]\nca = /x/ca\ncertificate = /x/crt\nkey = /x/key\n"
				   "[replica]\nboot-directory = /boot/vms\n"
				   "[scratch]\ndirectory = /s\nreserve = 1M\ncap = 100\n"
				   "[store]\nspool-cap = 3k\nreserve = 5\n"
				   "[log]\ndirectory =\nlevel = debug\n"
				   "[standalone]\nenabled = Yes",
				   &config),
			      0);
	CU_ASSERT_STRING_EQUAL(config.site, "a.example");
	CU_ASSERT_STRING_EQUAL(config.node, "a1");
	CU_ASSERT_STRING_EQUAL(config.replication_address, "10.0.0.1");
	CU_ASSERT_EQUAL(config.port, 9000);
	CU_ASSERT_STRING_EQUAL(config.listen, "0.0.0.0");
	CU_ASSERT_EQUAL(config.broker_port, 9001);
	CU_ASSERT_EQUAL(config.relay, RELAY_NEVER);
	CU_ASSERT_STRING_EQUAL(config.tls_ca, "/x/ca");
	CU_ASSERT_STRING_EQUAL(config.tls_certificate, "/x/crt");
	CU_ASSERT_STRING_EQUAL(config.tls_key, "/x/key");
	CU_ASSERT_STRING_EQUAL(config.scratch_directory, "/s");
	CU_ASSERT_STRING_EQUAL(config.boot_directory, "/boot/vms");
	CU_ASSERT_EQUAL(config.scratch_reserve_bytes, 1048576);
	CU_ASSERT_EQUAL(config.scratch_cap_bytes, 100);
	CU_ASSERT_EQUAL(config.spool_cap_bytes, 3072);
	CU_ASSERT_EQUAL(config.storage_reserve_bytes, 5);
	CU_ASSERT_STRING_EQUAL(config.log_directory, "");
	CU_ASSERT_STRING_EQUAL(config.log_level, "debug");
	CU_ASSERT_TRUE(config.standalone);
	config_destroy(&config);
}

static void test_typo_names_line(void)
{
	assert_refused("[site]\nname = a.example\n\n[broker]\nprot = 1\n",
		       "vmreplica.conf:5:", "'prot'");
	assert_refused("[site]\nname = a.example\n[broker]\nprot = 1\n",
		       ":4:", "[broker] knows port, relay");
	assert_refused("[sight]\nname = a.example\n", ":2:", "unknown section [sight]");
	assert_refused("name = a.example\n", ":1:", "unknown section");
	/* An indented typo must not pass as the continuation of the line above. */
	assert_refused("[site]\nname = a.example\n[node]\nport = 1\n  prot = 2\n", ":5:", "'prot'");
}

static void test_syntax_names_line(void)
{
	assert_refused("[site]\nname = a.example\nrubbish\n", ":3:", "neither");
	assert_refused("[site\nname = a.example\n", ":1:", "neither");
}

static void test_values(void)
{
	assert_refused("[site]\nname = *.example\n", ":2:", "DNS name");
	assert_refused("[site]\nname = a.example\n[node]\nport = 0\n", ":4:", "65535");
	assert_refused("[site]\nname = a.example\n[node]\nport = 65536\n", ":4:", "65535");
	assert_refused("[site]\nname = a.example\n[node]\nport = 80x\n", ":4:", "65535");
	assert_refused("[site]\nname = a.example\n[broker]\nrelay = maybe\n",
		       ":4:", "never, auto, always");
	assert_refused("[site]\nname = a.example\n[tls]\nca = ca.crt\n", ":4:", "absolute");
	assert_refused("[site]\nname = a.example\n[scratch]\ncap = 2X\n", ":4:", "2G");
	assert_refused("[site]\nname = a.example\n[log]\nlevel = loud\n", ":4:", "notice");
	assert_refused("[site]\nname = a.example\n[standalone]\nenabled = ja\n",
		       ":4:", "yes or no");
	assert_refused("[site]\nname = a.example\nname = b.example\n", ":3:", "line 2");
	assert_refused("[node]\nname = a1\n", "vmreplica.conf", "[site] name is missing");
}

static void test_long_line(void)
{
	char text[2000] = "[site]\nname = a.example\n[log]\ndirectory = /";

	memset(text + strlen(text), 'x', 1000);
	strcat(text, "\n");
	assert_refused(text, ":4:", "too long");
}

static void test_missing_file(void)
{
	struct config config = {0};
	char path[TEMP_PATH_LEN];

	CU_ASSERT_EQUAL(config_load(temp_path(path, "nowhere.conf"), &config, error), -ENOENT);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "nowhere.conf"));
	CU_ASSERT_STRING_EQUAL(config.site, "");
	CU_ASSERT_EQUAL(config.port, RECEIVER_PORT);
	config_destroy(&config);
	CU_ASSERT_EQUAL(config_load(tempdir(), &config, error), -EIO);
}

static int pair_count_cb(void *arg, const char *section, const char *name, const char *value,
			 int line)
{
	int *count = arg;

	CU_ASSERT_STRING_EQUAL(section, "");
	CU_ASSERT_EQUAL(line, 2 * (*count + 1));
	CU_ASSERT_STRING_EQUAL(name, *count == 0 ? "vm" : "peer");
	CU_ASSERT_STRING_EQUAL(value, *count == 0 ? "web1" : "10.0.0.1:8650");
	(*count)++;
	return *count == 2 ? -ECANCELED : 0;
}

static void test_pairs(void)
{
	char path[TEMP_PATH_LEN];
	int count = 0;

	temp_file(path, "web1.conf", "# one\nvm = web1\n\npeer = 10.0.0.1:8650\nlater = 1\n");
	CU_ASSERT_EQUAL(config_read_pairs(path, pair_count_cb, &count, error), -ECANCELED);
	CU_ASSERT_EQUAL(count, 2);
}

static void test_relay_and_site(void)
{
	enum relay_mode mode;
	char site[32];

	for (enum relay_mode m = RELAY_NEVER; m <= RELAY_ALWAYS; m++) {
		CU_ASSERT_EQUAL(relay_mode_from_string(relay_mode_to_string(m), &mode), 0);
		CU_ASSERT_EQUAL(mode, m);
	}
	CU_ASSERT_EQUAL(relay_mode_from_string("", &mode), -EINVAL);
	config_site_short("a.example", site, sizeof(site));
	CU_ASSERT_STRING_EQUAL(site, "a");
	config_site_short("plain", site, 4);
	CU_ASSERT_STRING_EQUAL(site, "pla");
}

static void test_cleanup(void)
{
	tempdir_remove();
	CU_ASSERT_EQUAL(access(tempdir(), F_OK), -1);
}

static const struct unit_test tests[] = {
	{"defaults", test_defaults},
	{"every setting, comments, both separators", test_everything},
	{"a typo is an error with its line", test_typo_names_line},
	{"broken syntax is an error with its line", test_syntax_names_line},
	{"values out of range", test_values},
	{"a line too long for the reader", test_long_line},
	{"a missing file leaves the defaults", test_missing_file},
	{"pairs with their lines", test_pairs},
	{"relay modes and a site's short name", test_relay_and_site},
	{"files are removed", test_cleanup},
};

UNIT_MAIN("config", tests)
