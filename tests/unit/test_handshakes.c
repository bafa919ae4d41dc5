/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Handshakes that must fail, in both roles: each is refused with one clear line. */
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/pki.h"
#include "common/pki_sign.h"
#include "common/tls.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/tls_peers.h"
#include "tests/unit/unit.h"

#define BOTH	 "serverAuth,clientAuth"
#define EXPECTED "b1.b.example"
#define NAMES	 "DNS:b1.b.example,DNS:b.example"
#define DAY_S	 86400

static unsigned int refused; /* handshakes */

/* ---- certificates that are wrong in one way each ---- */

struct recipe {
	const char *name;
	const char *names, *extended;
	const char *issuer;	  /* a pair of peers_make, or "" for itself */
	const char *usage;	  /* NULL: digitalSignature */
	int begin_days, end_days; /* from now; both 0: it holds now */
	bool is_weak, is_sha1;
	/* What our side says of it, NULL where it is good enough for that role. */
	const char *as_client, *as_server;
};

static const struct recipe recipes[] = {
	{"right", NAMES, BOTH, "ca", NULL, 0, 0, false, false, NULL, NULL},
	{"expired", NAMES, BOTH, "ca", NULL, -2, -1, false, false, "expired; renew it",
	 "expired; renew it"},
	{"not yet valid", NAMES, BOTH, "ca", NULL, 1, 2, false, false, "check both clocks",
	 "check both clocks"},
	{"another authority's", NAMES, BOTH, "other-ca", NULL, 0, 0, false, false,
	 "not from the CA that we trust", "not from the CA that we trust"},
	{"its own", NAMES, BOTH, "", NULL, 0, 0, false, false, "not from the CA that we trust",
	 "not from the CA that we trust"},
	{"issued by a node", NAMES, BOTH, "a1", NULL, 0, 0, false, false,
	 "not from the CA that we trust", "not from the CA that we trust"},
	{"nameless", NULL, BOTH, "ca", NULL, 0, 0, false, false, "no DNS name", "no DNS name"},
	{"an address only", "IP:10.0.0.9", BOTH, "ca", NULL, 0, 0, false, false, "no DNS name",
	 "no DNS name"},
	{"another's", "DNS:b2.b.example", BOTH, "ca", NULL, 0, 0, false, false, NULL,
	 "it is for b2.b.example, not for " EXPECTED},
	{"a wildcard", "DNS:*.b.example", BOTH, "ca", NULL, 0, 0, false, false,
	 "a wildcard certificate cannot identify a node", NULL},
	{"a wildcard of another site", "DNS:*.c.example", BOTH, "ca", NULL, 0, 0, false, false,
	 "a wildcard certificate cannot identify a node", "not for " EXPECTED},
	{"a wildcard beside a name", NAMES ",DNS:*.b.example", BOTH, "ca", NULL, 0, 0, false, false,
	 "a wildcard certificate cannot identify a node", NULL},
	{"a partial wildcard", "DNS:b*.b.example", BOTH, "ca", NULL, 0, 0, false, false,
	 "malformed", "not for " EXPECTED},
	{"a wildcard for all", "DNS:*", BOTH, "ca", NULL, 0, 0, false, false, "malformed",
	 "not for " EXPECTED},
	{"a name that is none", "DNS:b1.b.example/x", BOTH, "ca", NULL, 0, 0, false, false,
	 "malformed", "not for " EXPECTED},
	{"for servers only", NAMES, "serverAuth", "ca", NULL, 0, 0, false, false,
	 "issue it for server and client", NULL},
	{"for clients only", NAMES, "clientAuth", "ca", NULL, 0, 0, false, false, NULL,
	 "issue it for server and client"},
	{"for signing code", NAMES, "codeSigning", "ca", NULL, 0, 0, false, false,
	 "issue it for server and client", "issue it for server and client"},
	{"whose key may not sign", NAMES, BOTH, "ca", "critical,keyCertSign", 0, 0, false, false,
	 "issue it for server and client", "issue it for server and client"},
	{"with a weak key", NAMES, BOTH, "ca", NULL, 0, 0, true, false, "too weak", "too weak"},
	{"signed by SHA-1", NAMES, BOTH, "ca", NULL, 0, 0, false, true, "too weak", "too weak"},
};
#define RECIPE_COUNT (sizeof(recipes) / sizeof(recipes[0]))

static void must_be(bool good, const char *what)
{
	if (!good) {
		fprintf(stderr, "cannot make %s\n", what);
		exit(1);
	}
}

static void pair_of(const struct recipe *recipe, char pair[32])
{
	snprintf(pair, 32, "recipe-%zu", (size_t)(recipe - recipes));
}

static void recipe_sign(const struct recipe *recipe, EVP_PKEY *key, X509 *ca, EVP_PKEY *ca_key,
			X509 **ret_certificate)
{
	int64_t now_s = (int64_t)time(NULL);
	bool now = recipe->begin_days == 0 && recipe->end_days == 0;
	struct pki_subject subject = {
		.common_name = EXPECTED, /* says nothing */
		.names = recipe->names,
		.extended = recipe->extended,
		.usage = recipe->usage == NULL ? "critical,digitalSignature" : recipe->usage,
		.not_before_s = now_s + (now ? -60 : (int64_t)recipe->begin_days * DAY_S),
		.not_after_s = now_s + (now ? 3600 : (int64_t)recipe->end_days * DAY_S)};
	char error[PKI_ERROR_LEN];

	must_be(pki_certificate_make(&subject, key, ca, ca_key, ret_certificate, error) == 0,
		recipe->name);
	if (recipe->is_sha1) {
		must_be(X509_sign(*ret_certificate, ca_key, EVP_sha1()) > 0, recipe->name);
	}
}

static void recipe_make(const struct recipe *recipe)
{
	char error[PKI_ERROR_LEN], pair[32];
	EVP_PKEY *ca_key = NULL, *key = NULL;
	X509 *ca = NULL, *certificate;

	pair_of(recipe, pair);
	if (recipe->issuer[0] != '\0') {
		must_be(pki_certificate_read(peers_path(recipe->issuer, ".crt"), &ca, error) == 0 &&
				pki_key_read(peers_path(recipe->issuer, ".key"), &ca_key, error) ==
					0,
			"the issuer");
	}
	if (recipe->is_weak) {
		key = EVP_RSA_gen(1024);
	} else {
		must_be(pki_key_make(&key, error) == 0, "a key");
	}
	recipe_sign(recipe, key, ca, ca_key, &certificate);
	must_be(pki_pair_write(peers_path(pair, ".key"), key, peers_path(pair, ".crt"), certificate,
			       error) == 0,
		"the files");
	X509_free(certificate);
	X509_free(ca);
	EVP_PKEY_free(key);
	EVP_PKEY_free(ca_key);
}

/* One end of a connection that it does not want: what it says, and that nobody is known by it. */
static void assert_refused(struct tls_conn *conn, int result, const char *words, const char *of)
{
	const char *error = tls_error(conn);

	refused++;
	CU_ASSERT_TRUE(result < 0 && result != -EAGAIN);
	CU_ASSERT_PTR_NULL(tls_peer_names(conn));
	if (strstr(error, words) == NULL || strchr(error, '\n') != NULL) {
		fprintf(stderr, "\n    %s: %s\n", of, error);
		CU_FAIL("the line does not say why");
	}
}

/* A peer that holds its key to a level of its own: it shows what we would never. */
static SSL_CTX *stranger_with(const char *pair)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_method());

	must_be(ctx != NULL, "a context");
	SSL_CTX_set_security_level(ctx, 0);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	must_be(pair == NULL || (SSL_CTX_use_certificate_file(ctx, peers_path(pair, ".crt"),
							      SSL_FILETYPE_PEM) == 1 &&
				 SSL_CTX_use_PrivateKey_file(ctx, peers_path(pair, ".key"),
							     SSL_FILETYPE_PEM) == 1),
		"the stranger's files");
	return ctx;
}

struct meeting {
	struct tls_conn *ours;
	SSL *theirs;
	int fds[2];
	int result; /* of our handshake */
};

/* Run the handshake of a stranger by ctx with us; we_serve says which role is ours. */
static void meet(struct meeting *meeting, SSL_CTX *ctx, struct tls_context *us, bool we_serve)
{
	int rounds = 0;

	must_be(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, meeting->fds) ==
			0,
		"sockets");
	meeting->ours = we_serve ? tls_server_new(us, meeting->fds[0])
				 : tls_client_new(us, meeting->fds[0], EXPECTED, NULL);
	meeting->theirs = SSL_new(ctx);
	must_be(meeting->ours != NULL && meeting->theirs != NULL, "the ends");
	SSL_set_fd(meeting->theirs, meeting->fds[1]);
	if (we_serve) {
		SSL_set_connect_state(meeting->theirs);
	} else {
		SSL_set_accept_state(meeting->theirs);
	}
	do {
		SSL_do_handshake(meeting->theirs);
		meeting->result = tls_handshake(meeting->ours);
	} while (meeting->result == -EAGAIN && ++rounds < 20);
}

static void meeting_end(struct meeting *meeting)
{
	tls_conn_free(meeting->ours);
	SSL_free(meeting->theirs);
	close(meeting->fds[1]);
}

static void judge_recipe(const struct recipe *recipe, struct tls_context *us, bool we_serve)
{
	const char *words = we_serve ? recipe->as_client : recipe->as_server;
	struct meeting meeting;
	SSL_CTX *ctx;
	char pair[32];

	pair_of(recipe, pair);
	ctx = stranger_with(pair);
	meet(&meeting, ctx, us, we_serve);
	if (words != NULL) {
		assert_refused(meeting.ours, meeting.result, words, recipe->name);
		CU_ASSERT_EQUAL(meeting.result, -EKEYREJECTED);
	} else if (meeting.result != 1) {
		fprintf(stderr, "\n    %s: %s\n", recipe->name, tls_error(meeting.ours));
		CU_FAIL("it should be let in");
	}
	meeting_end(&meeting);
	SSL_CTX_free(ctx);
}

static void test_certificates(void)
{
	struct tls_context *us = peers_context("a1");

	for (size_t i = 0; i < RECIPE_COUNT; i++) {
		recipe_make(&recipes[i]);
		judge_recipe(&recipes[i], us, true);
		judge_recipe(&recipes[i], us, false);
	}
	tls_context_unref(us);
}

/* ---- protocols ---- */

struct dialect {
	const char *name;
	int min, max;		  /* versions */
	const char *ciphersuites; /* of TLS 1.3; NULL: OpenSSL's */
	bool no_certificate;
	const char *as_client, *as_server;
};

static const struct dialect dialects[] = {
	{"TLS 1.3", TLS1_3_VERSION, TLS1_3_VERSION, NULL, false, NULL, NULL},
	{"TLS 1.2", TLS1_2_VERSION, TLS1_2_VERSION, NULL, false, "TLS 1.3", "TLS 1.3"},
	{"TLS 1.1", TLS1_1_VERSION, TLS1_1_VERSION, NULL, false, "TLS 1.3", "TLS 1.3"},
	{"TLS 1.0", TLS1_VERSION, TLS1_VERSION, NULL, false, "TLS 1.3", "TLS 1.3"},
	{"CCM alone", TLS1_3_VERSION, TLS1_3_VERSION, "TLS_AES_128_CCM_SHA256", false, "cipher",
	 "handshake"},
	{"no certificate", TLS1_3_VERSION, TLS1_3_VERSION, NULL, true, "shows no certificate",
	 "does not speak TLS 1.3"},
};

static void test_dialects(void)
{
	struct tls_context *us = peers_context("a1");

	for (size_t i = 0; i < 2 * sizeof(dialects) / sizeof(dialects[0]); i++) {
		const struct dialect *dialect = &dialects[i / 2];
		bool we_serve = i % 2 == 0;
		const char *words = we_serve ? dialect->as_client : dialect->as_server;
		SSL_CTX *ctx = stranger_with(dialect->no_certificate ? NULL : "b1");
		struct meeting meeting;

		SSL_CTX_set_min_proto_version(ctx, dialect->min);
		SSL_CTX_set_max_proto_version(ctx, dialect->max);
		must_be(dialect->ciphersuites == NULL ||
				SSL_CTX_set_ciphersuites(ctx, dialect->ciphersuites) == 1,
			"a ciphersuite");
		meet(&meeting, ctx, us, we_serve);
		if (words != NULL) {
			assert_refused(meeting.ours, meeting.result, words, dialect->name);
		} else {
			CU_ASSERT_EQUAL(meeting.result, 1);
		}
		meeting_end(&meeting);
		SSL_CTX_free(ctx);
	}
	tls_context_unref(us);
}

/* ---- no TLS at all ---- */

static const struct {
	const char *name, *bytes;
	size_t len;
} noises[] = {
	{"HTTP", "GET / HTTP/1.0\r\n\r\n", 18},
	{"an SSLv2 hello", "\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10\x01\x00\x80", 14},
	{"a record that is too long", "\x16\x03\x01\xff\xff\x01\x00", 7},
	{"application data first", "\x17\x03\x03\x00\x05hello", 10},
	{"an alert first", "\x15\x03\x03\x00\x02\x02\x28", 7},
	{"a finished first", "\x16\x03\x03\x00\x04\x14\x00\x00\x00", 9},
	{"an empty hello", "\x16\x03\x01\x00\x04\x01\x00\x00\x00", 9},
	{"a hello of 16 MiB", "\x16\x03\x01\x00\x04\x01\xff\xff\xff", 9},
	{"zeros", "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16},
};

/* Each is heard by a server and by a client of ours, and then the other end closes. */
static void test_noise(void)
{
	struct tls_context *us = peers_context("a1");

	for (size_t i = 0; i < 2 * sizeof(noises) / sizeof(noises[0]); i++) {
		struct tls_conn *conn;
		int fds[2];

		must_be(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0, "sockets");
		conn = i % 2 == 0 ? tls_server_new(us, fds[0])
				  : tls_client_new(us, fds[0], EXPECTED, NULL);
		CU_ASSERT_EQUAL(write(fds[1], noises[i / 2].bytes, noises[i / 2].len),
				(ssize_t)noises[i / 2].len);
		shutdown(fds[1], SHUT_WR);
		assert_refused(conn, tls_handshake_full(conn, 2000), " ", noises[i / 2].name);
		tls_conn_free(conn);
		close(fds[1]);
	}
	tls_context_unref(us);
}

static void test_count(void)
{
	printf(" %u handshakes were refused", refused);
	CU_ASSERT_TRUE(refused >= 50);
	tempdir_remove();
}

static const struct unit_test tests[] = {
	{"certificates, shown by clients and by servers", test_certificates},
	{"versions and ciphers", test_dialects},
	{"what is no TLS", test_noise},
	{"so many", test_count},
};

int main(void)
{
	peers_make();
	return unit_run("handshakes", tests, sizeof(tests) / sizeof(tests[0]));
}
