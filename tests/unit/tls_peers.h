/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Certificates, right and wrong ones, and two ends of a connection for the tests of TLS. */
#ifndef VMR_TESTS_TLS_PEERS_H
#define VMR_TESTS_TLS_PEERS_H

#include "common/tls.h"

/* Make all certificates below tempdir(). Names of pairs: "a1" (a1.a.example, a.example, 10.0.0.1),
 * "b1", "loopback" (127.0.0.1), "foreign" (another CA), "expired", "wildcard" (*.a.example), "partial" (a*.a.example),
 * "nameless", "server-only", "client-only". Ends the program when one cannot be made. */
void peers_make(void);

/* A context with the pair named, trusting our CA ("foreign" trusts ours too). Ends the program on
 * failure. */
struct tls_context *peers_context(const char *pair);
/* Path of a pair's file in a static buffer: suffix ".crt" or ".key". */
const char *peers_path(const char *pair, const char *suffix);

/* Both ends after a handshake, run at the same time. */
struct peers {
	struct tls_conn *client, *server;
	int client_result, server_result;
};
/* Connect a client with client_pair, expecting a name, to a server with server_pair; both conns are
 * to be freed. */
void peers_connect(struct peers *peers, const char *client_pair, const char *server_pair,
		   const char *expected);
/* The same with contexts of the caller's, whose references are taken. */
void peers_connect_by(struct peers *peers, struct tls_context *client, struct tls_context *server,
		      const char *expected);
void peers_free(struct peers *peers);

#endif
