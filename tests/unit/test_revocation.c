/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Revocation from `vmreplica pki revoke` to the connection that is refused or ended. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/pki.h"
#include "common/tls_store.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/tls_peers.h"
#include "tests/unit/unit.h"

#define CLIENT "a1.a.example"
#define SERVER "b1.b.example"

static char error[TLS_ERROR_LEN];

static void site_init(const char *name)
{
	struct pki_request client = {.node = CLIENT, .days = 30};
	struct pki_request server = {.node = SERVER, .days = 30};
	char path[TEMP_PATH_LEN];

	temp_path(path, name);
	CU_ASSERT_EQUAL_FATAL(pki_init(path, "vmreplica test CA", 30, error), 0);
	CU_ASSERT_EQUAL_FATAL(pki_issue(path, &client, error), 0);
	CU_ASSERT_EQUAL_FATAL(pki_issue(path, &server, error), 0);
}

/* tempdir/directory/file, in one of many static buffers. */
static const char *in(const char *directory, const char *file)
{
	static char paths[64][2 * TEMP_PATH_LEN];
	static size_t next;
	char path[TEMP_PATH_LEN];
	char *found = paths[next++ % 64];

	snprintf(found, sizeof(paths[0]), "%s/%s", temp_path(path, directory), file);
	return found;
}

static struct tls_files files_of(const char *node, const char *crl, enum tls_crl_check check)
{
	char name[64];
	struct tls_files files = {.ca = in("ca", "ca.crt"), .crl = crl, .crl_check = check};

	snprintf(name, sizeof(name), "%s.crt", node);
	files.certificate = in("ca", name);
	snprintf(name, sizeof(name), "%s.key", node);
	files.key = in("ca", name);
	return files;
}

static struct tls_context *context(const char *node, const char *crl, enum tls_crl_check check)
{
	struct tls_files files = files_of(node, crl, check);
	struct tls_context *made;

	error[0] = '\0';
	made = tls_context_new(&files, error);
	CU_ASSERT_PTR_NOT_NULL_FATAL(made);
	return made;
}

/* What the server, which has the list, makes of the client. */
static int judged(const char *crl, enum tls_crl_check check)
{
	struct peers peers;
	int result;

	peers_connect_by(&peers, context(CLIENT, NULL, TLS_CRL_OFF), context(SERVER, crl, check),
			 SERVER);
	result = peers.server_result;
	snprintf(error, sizeof(error), "%s", tls_error(peers.server));
	peers_free(&peers);
	return result;
}

static void test_lists(void)
{
	const char *list = in("ca", "crl.pem");

	site_init("ca");
	CU_ASSERT_EQUAL(judged(list, TLS_CRL_WARN), 0); /* there is none */
	CU_ASSERT_EQUAL(judged(list, TLS_CRL_REQUIRE), -EKEYREJECTED);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "put a current revocation list"));
	CU_ASSERT_EQUAL_FATAL(pki_revoke(in("ca", ""), NULL, 30, error), 0);
	CU_ASSERT_EQUAL(judged(list, TLS_CRL_REQUIRE), 0);
	CU_ASSERT_EQUAL_FATAL(pki_revoke(in("ca", ""), NULL, -2, error), 0); /* stale */
	CU_ASSERT_EQUAL(judged(list, TLS_CRL_WARN), 0);
	CU_ASSERT_EQUAL(judged(list, TLS_CRL_REQUIRE), -EKEYREJECTED);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "expired"));
}

/* Another authority's list says nothing of ours; with ours beside it in a directory both count. */
static void test_several(void)
{
	char path[TEMP_PATH_LEN], lists[TEMP_PATH_LEN], command[8 * TEMP_PATH_LEN];

	CU_ASSERT_EQUAL_FATAL(pki_init(temp_path(path, "other"), "vmreplica other CA", 30, error),
			      0);
	CU_ASSERT_EQUAL_FATAL(pki_revoke(path, NULL, 30, error), 0);
	CU_ASSERT_EQUAL(judged(in("other", "crl.pem"), TLS_CRL_WARN), 0);
	CU_ASSERT_EQUAL(judged(in("other", "crl.pem"), TLS_CRL_REQUIRE), -EKEYREJECTED);
	temp_path(lists, "lists");
	CU_ASSERT_EQUAL_FATAL(mkdir(lists, 0700), 0);
	CU_ASSERT_EQUAL(judged(lists, TLS_CRL_REQUIRE), -EKEYREJECTED);
	CU_ASSERT_EQUAL_FATAL(pki_revoke(in("ca", ""), NULL, 30, error), 0);
	snprintf(command, sizeof(command), "cat %s %s > %s/all.pem", in("other", "crl.pem"),
		 in("ca", "crl.pem"), lists);
	CU_ASSERT_EQUAL_FATAL(system(command), 0);
	CU_ASSERT_EQUAL(judged(lists, TLS_CRL_REQUIRE), 0);
}

static void test_revoked(void)
{
	const char *list = in("ca", "crl.pem"), *certificate = in("ca", CLIENT ".crt");
	struct tls_context *before, *after;
	struct peers peers;
	char byte = 0;

	before = context(SERVER, list, TLS_CRL_WARN);
	peers_connect_by(&peers, context(CLIENT, NULL, TLS_CRL_OFF), tls_context_ref(before),
			 SERVER);
	CU_ASSERT_EQUAL_FATAL(peers.server_result, 0);
	CU_ASSERT_EQUAL(tls_conn_recheck(peers.server, before, error), 0);
	CU_ASSERT_EQUAL(pki_revoke(in("ca", ""), in("ca", "ca.key"), 30, error), -EBADMSG);
	CU_ASSERT_EQUAL_FATAL(pki_revoke(in("ca", ""), certificate, 30, error), 0);
	CU_ASSERT_EQUAL(pki_revoke(in("ca", ""), certificate, 30, error), -EEXIST);
	/* The standing connection: by the new list it is over, and a last word gets through. */
	after = context(SERVER, list, TLS_CRL_WARN);
	CU_ASSERT_EQUAL(tls_conn_recheck(peers.server, after, error), -EKEYREJECTED);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "revoked"));
	CU_ASSERT_EQUAL(tls_conn_recheck(peers.server, after, error), -EKEYREJECTED);
	CU_ASSERT_EQUAL(tls_write_full(peers.server, "x", 1, 1000), 0);
	CU_ASSERT_EQUAL(tls_read_full(peers.client, &byte, 1, 1000), 0);
	/* The client's own judgement of the server, whose certificate still holds. */
	CU_ASSERT_EQUAL(tls_conn_recheck(peers.client, after, error), 0);
	peers_free(&peers);
	tls_context_unref(before);
	tls_context_unref(after);
	CU_ASSERT_EQUAL(judged(list, TLS_CRL_WARN), -EKEYREJECTED);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "revoked"));
	CU_ASSERT_EQUAL(judged(list, TLS_CRL_OFF), 0);
	/* A stale list still names whom it names. */
	CU_ASSERT_EQUAL_FATAL(pki_revoke(in("ca", ""), NULL, -2, error), 0);
	CU_ASSERT_EQUAL(judged(list, TLS_CRL_WARN), -EKEYREJECTED);
}

/* The node gets another certificate, for the same names, which no list names. */
static void test_renewed(void)
{
	struct pki_info old, new;

	CU_ASSERT_EQUAL_FATAL(pki_revoke(in("ca", ""), NULL, 30, error), 0);
	CU_ASSERT_EQUAL_FATAL(pki_show(in("ca", CLIENT ".crt"), &old, error), 0);
	CU_ASSERT_EQUAL(pki_renew(in("ca", ""), "nobody.a.example", 60, error), -ENOENT);
	CU_ASSERT_EQUAL(pki_renew(in("ca", ""), "../a1", 60, error), -EINVAL);
	CU_ASSERT_EQUAL_FATAL(pki_renew(in("ca", ""), CLIENT, 60, error), 0);
	CU_ASSERT_EQUAL_FATAL(pki_show(in("ca", CLIENT ".crt"), &new, error), 0);
	CU_ASSERT_STRING_EQUAL(new.names, old.names);
	CU_ASSERT_TRUE(new.not_after_ms > old.not_after_ms);
	CU_ASSERT_EQUAL(pki_check(in("ca", "ca.crt"), in("ca", CLIENT ".crt"),
				  in("ca", CLIENT ".key"), error),
			0);
	CU_ASSERT_EQUAL(judged(in("ca", "crl.pem"), TLS_CRL_REQUIRE), 0);
}

static void test_damaged(void)
{
	struct tls_files files = files_of(SERVER, in("ca", "damaged.pem"), TLS_CRL_WARN);
	char command[4 * TEMP_PATH_LEN];

	snprintf(command, sizeof(command), "head -c 200 %s > %s", in("ca", "crl.pem"), files.crl);
	CU_ASSERT_EQUAL_FATAL(system(command), 0);
	CU_ASSERT_PTR_NULL(tls_context_new(&files, error));
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "damaged.pem holds no revocation list"));
	snprintf(command, sizeof(command), "echo nothing > %s", files.crl);
	CU_ASSERT_EQUAL_FATAL(system(command), 0);
	CU_ASSERT_PTR_NULL(tls_context_new(&files, error));
}

/* A daemon's store notices another list, in a directory too, and keeps what it has when one is
 * damaged. */
static void test_store(void)
{
	struct tls_files files = files_of(SERVER, in("watched", ""), TLS_CRL_WARN);
	struct tls_context *first, *second, *third;
	struct tls_store *store = tls_store_new(&files);
	char command[4 * TEMP_PATH_LEN], path[TEMP_PATH_LEN];
	uint64_t generation;

	CU_ASSERT_EQUAL_FATAL(mkdir(temp_path(path, "watched"), 0700), 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(store);
	generation = tls_store_generation(store);
	first = tls_store_get(store, error);
	CU_ASSERT_PTR_NOT_NULL(first);
	CU_ASSERT_EQUAL(tls_store_generation(store), generation);
	snprintf(command, sizeof(command), "cp %s %s/1.pem", in("ca", "crl.pem"), files.crl);
	CU_ASSERT_EQUAL_FATAL(system(command), 0);
	CU_ASSERT_NOT_EQUAL(tls_store_generation(store), generation);
	second = tls_store_get(store, error);
	CU_ASSERT_PTR_NOT_EQUAL(second, first);
	snprintf(command, sizeof(command), "head -c 200 %s > %s/2.pem", in("ca", "crl.pem"),
		 files.crl);
	CU_ASSERT_EQUAL_FATAL(system(command), 0);
	third = tls_store_get(store, error);
	CU_ASSERT_PTR_EQUAL(third, second);
	tls_context_unref(first);
	tls_context_unref(second);
	tls_context_unref(third);
	tls_store_free(store);
	snprintf(command, sizeof(command), "rm -r %s", tempdir());
	CU_ASSERT_EQUAL(system(command), 0);
}

/* Of a directory: what is no list is left out, also when the others have been read already; a list
 * that broke off is not, and an empty file may be one. */
static void test_foreign(void)
{
	struct tls_files files = files_of(SERVER, in("mixed", ""), TLS_CRL_REQUIRE);
	char command[8 * TEMP_PATH_LEN], path[TEMP_PATH_LEN];

	CU_ASSERT_EQUAL_FATAL(mkdir(temp_path(path, "mixed"), 0700), 0);
	CU_ASSERT_EQUAL_FATAL(mkdir(in("mixed", "old"), 0700), 0);
	snprintf(command, sizeof(command), "cp %s %s/1.pem && echo nothing > %s/README",
		 in("ca", "crl.pem"), files.crl, files.crl);
	CU_ASSERT_EQUAL_FATAL(system(command), 0);
	CU_ASSERT_EQUAL(judged(files.crl, TLS_CRL_REQUIRE), 0);
	snprintf(command, sizeof(command), "head -c 200 %s/1.pem > %s/2.pem", files.crl, files.crl);
	CU_ASSERT_EQUAL_FATAL(system(command), 0);
	CU_ASSERT_PTR_NULL(tls_context_new(&files, error));
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "2.pem"));
	CU_ASSERT_EQUAL(truncate(in("mixed", "2.pem"), 0), 0);
	CU_ASSERT_PTR_NULL(tls_context_new(&files, error));
	CU_ASSERT_EQUAL(unlink(in("mixed", "2.pem")), 0);
	CU_ASSERT_EQUAL(judged(files.crl, TLS_CRL_REQUIRE), 0);
}

/* What could not be loaded is tried again when a file is another than then, and not before. */
static void test_failed_once(void)
{
	struct tls_files files = files_of(SERVER, in("failing", ""), TLS_CRL_WARN);
	struct tls_store *store = tls_store_new(&files);
	const char *list = in("failing", "1.pem");
	struct stat st;
	struct timespec times[2];
	struct tls_context *context;
	char command[4 * TEMP_PATH_LEN], path[TEMP_PATH_LEN];

	CU_ASSERT_EQUAL_FATAL(mkdir(temp_path(path, "failing"), 0700), 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(store);
	snprintf(command, sizeof(command), "head -c 200 %s > %s", in("ca", "crl.pem"), list);
	CU_ASSERT_EQUAL_FATAL(system(command), 0);
	CU_ASSERT_PTR_NULL(tls_store_get(store, error));
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "1.pem"));
	CU_ASSERT_EQUAL_FATAL(stat(list, &st), 0);
	snprintf(command, sizeof(command), "cat %s > %s", in("ca", "crl.pem"), list);
	CU_ASSERT_EQUAL_FATAL(system(command), 0);
	times[0] = times[1] = st.st_mtim; /* whole, and by its stamp the same: it is not read */
	CU_ASSERT_EQUAL_FATAL(utimensat(AT_FDCWD, list, times, 0), 0);
	error[0] = '\0';
	CU_ASSERT_PTR_NULL(tls_store_get(store, error));
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "1.pem"));
	times[1].tv_sec++;
	CU_ASSERT_EQUAL_FATAL(utimensat(AT_FDCWD, list, times, 0), 0);
	context = tls_store_get(store, error);
	CU_ASSERT_PTR_NOT_NULL_FATAL(context);
	tls_context_unref(context);
	tls_store_free(store);
}

static const struct unit_test tests[] = {
	{"no list, a current one, a stale one", test_lists},
	{"lists of several authorities", test_several},
	{"a revoked certificate, new and while connected", test_revoked},
	{"a renewed certificate", test_renewed},
	{"damaged lists", test_damaged},
	{"what is no list among lists", test_foreign},
	{"what could not be loaded is not read again", test_failed_once},
	{"a store sees that lists have changed", test_store},
};

int main(void)
{
	int result = unit_run("revocation", tests, sizeof(tests) / sizeof(tests[0]));

	tempdir_remove();
	return result;
}
