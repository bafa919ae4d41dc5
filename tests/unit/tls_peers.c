/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/tls_peers.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "common/pki_sign.h"
#include "tests/unit/tempdir.h"

static void must(int ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "cannot go on: %s\n", what);
		exit(1);
	}
}

const char *peers_path(const char *pair, const char *suffix)
{
	static char paths[16][TEMP_PATH_LEN];
	static unsigned int next;
	char name[64];

	snprintf(name, sizeof(name), "%s%s", pair, suffix);
	return temp_path(paths[next++ % 16], name);
}

static void pair_make(const char *pair, const char *ca, struct pki_subject subject)
{
	char error[PKI_ERROR_LEN];
	EVP_PKEY *key, *ca_key;
	X509 *certificate, *ca_certificate;
	int64_t now_s = (int64_t)time(NULL);

	subject.common_name = pair;
	subject.usage = "critical,digitalSignature";
	if (subject.not_after_s == 0) {
		subject.not_before_s = now_s - 60;
		subject.not_after_s = now_s + 3600;
	}
	must(pki_certificate_read(peers_path(ca, ".crt"), &ca_certificate, error) == 0,
	     "CA certificate");
	must(pki_key_read(peers_path(ca, ".key"), &ca_key, error) == 0, "CA key");
	must(pki_key_make(&key, error) == 0, "key");
	must(pki_certificate_make(&subject, key, ca_certificate, ca_key, &certificate, error) == 0,
	     error);
	must(pki_pair_write(peers_path(pair, ".key"), key, peers_path(pair, ".crt"), certificate,
			    error) == 0,
	     error);
	X509_free(certificate);
	X509_free(ca_certificate);
	EVP_PKEY_free(key);
	EVP_PKEY_free(ca_key);
}

static void ca_make(const char *name)
{
	struct pki_subject subject = {.common_name = "one name for both CAs",
				      .usage = "critical,keyCertSign",
				      .ca = true,
				      .not_before_s = (int64_t)time(NULL) - 60,
				      .not_after_s = (int64_t)time(NULL) + 3600};
	char error[PKI_ERROR_LEN];
	EVP_PKEY *key;
	X509 *certificate;

	must(pki_key_make(&key, error) == 0, "key");
	must(pki_certificate_make(&subject, key, NULL, NULL, &certificate, error) == 0, error);
	must(pki_pair_write(peers_path(name, ".key"), key, peers_path(name, ".crt"), certificate,
			    error) == 0,
	     error);
	X509_free(certificate);
	EVP_PKEY_free(key);
}

void peers_make(void)
{
	const char *both = "serverAuth,clientAuth";
	int64_t past_s = (int64_t)time(NULL) - 3600;

	ca_make("ca");
	ca_make("other-ca");
	pair_make("a1", "ca",
		  (struct pki_subject){.names = "DNS:a1.a.example,DNS:a.example,IP:10.0.0.1",
				       .extended = both});
	pair_make(
		"b1", "ca",
		(struct pki_subject){.names = "DNS:b1.b.example,DNS:b.example", .extended = both});
	pair_make("loopback", "ca",
		  (struct pki_subject){.names = "DNS:b.example,IP:127.0.0.1", .extended = both});
	pair_make("foreign", "other-ca",
		  (struct pki_subject){.names = "DNS:a1.a.example", .extended = both});
	pair_make("expired", "ca",
		  (struct pki_subject){.names = "DNS:a1.a.example",
				       .extended = both,
				       .not_before_s = past_s - 3600,
				       .not_after_s = past_s});
	pair_make("wildcard", "ca",
		  (struct pki_subject){.names = "DNS:*.a.example", .extended = both});
	pair_make("partial", "ca",
		  (struct pki_subject){.names = "DNS:a*.a.example", .extended = both});
	pair_make("nameless", "ca", (struct pki_subject){.extended = both});
	pair_make("server-only", "ca",
		  (struct pki_subject){.names = "DNS:a1.a.example", .extended = "serverAuth"});
	pair_make("client-only", "ca",
		  (struct pki_subject){.names = "DNS:a1.a.example", .extended = "clientAuth"});
}

struct tls_context *peers_context(const char *pair)
{
	struct tls_files files = {.ca = peers_path("ca", ".crt"),
				  .certificate = peers_path(pair, ".crt"),
				  .key = peers_path(pair, ".key")};
	char error[TLS_ERROR_LEN];
	struct tls_context *context = tls_context_new(&files, error);

	must(context != NULL, error);
	return context;
}

/* Over TCP, because resets and half-closed connections behave as in the field there. */
static void tcp_pair(int fds[2])
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	must(bind(listener, (struct sockaddr *)&address, len) == 0 && listen(listener, 1) == 0 &&
		     getsockname(listener, (struct sockaddr *)&address, &len) == 0,
	     "listening on loopback");
	fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(connect(fds[0], (struct sockaddr *)&address, len) == 0, "connecting to loopback");
	fds[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	must(fds[1] >= 0, "accepting");
	close(listener);
}

static void *server_main(void *arg)
{
	struct peers *peers = arg;

	peers->server_result = tls_handshake_full(peers->server, 5000);
	return NULL;
}

void peers_connect_by(struct peers *peers, struct tls_context *client, struct tls_context *server,
		      const char *expected)
{
	pthread_t thread;
	int fds[2];

	tcp_pair(fds);
	peers->client = tls_client_new(client, fds[0], expected, NULL);
	peers->server = tls_server_new(server, fds[1]);
	tls_context_unref(client); /* connections hold their own reference */
	tls_context_unref(server);
	must(peers->client != NULL && peers->server != NULL, "connection");
	must(pthread_create(&thread, NULL, server_main, peers) == 0, "thread");
	peers->client_result = tls_handshake_full(peers->client, 5000);
	pthread_join(thread, NULL);
}

void peers_connect(struct peers *peers, const char *client_pair, const char *server_pair,
		   const char *expected)
{
	peers_connect_by(peers, peers_context(client_pair), peers_context(server_pair), expected);
}

void peers_free(struct peers *peers)
{
	tls_conn_free(peers->client);
	tls_conn_free(peers->server);
}
