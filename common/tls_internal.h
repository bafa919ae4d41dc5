/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What tls*.c share and nobody else sees. */
#ifndef VMR_COMMON_TLS_INTERNAL_H
#define VMR_COMMON_TLS_INTERNAL_H

#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <pthread.h>

#include "common/tls.h"

#define TLS_PEER_ADDRESS_LEN 80
#define TLS_PEER_NAMES_MAX   32
#define TLS_CHAIN_MAX	     4 /* certificates that a peer sends, its own included */

struct tls_context {
	int references; /* atomic */
	SSL_CTX *ctx;
	enum tls_crl_check crl_check;
	int64_t warned_ms; /* atomic: when a missing list was logged last, monotonic; 0 = never */
};

struct tls_conn {
	struct tls_context *context; /* one reference; under the lock once the handshake is done */
	SSL *ssl;		     /* owned */
	BIO *bio;		     /* owned by ssl */
	int fd;			     /* owned */
	pthread_mutex_t lock;	     /* a reader and a writer thread take turns on ssl */
	bool server, ready;	     /* ready: the handshake is done */
	bool revoked;		     /* what tls_conn_recheck found last */
	int failed;	  /* the error that ended the connection; all later calls return it */
	int write_failed; /* the same for writing alone: what the peer had said can still be read */
	size_t owed;	  /* accepted by tls_write but not flushed when it returned -EAGAIN */
	short wants;
	char *expected;	   /* owned: client, the name that the peer must carry */
	char **peer_names; /* owned, NULL-terminated */
	char peer_address[TLS_PEER_ADDRESS_LEN];
	char refusal[TLS_ERROR_LEN]; /* why the verify callback said no */
	char error[TLS_ERROR_LEN];
};

/* Numeric address and port of fd's peer, or "local". */
void tls_socket_peer(int fd, char buf[TLS_PEER_ADDRESS_LEN]);
/* No delay, keepalive, user timeout: a peer that is gone is noticed in half a minute. Not for Unix
 * sockets. */
void tls_socket_tune(int fd);

/* Under the lock, after an OpenSSL call on conn returned result <= 0: -EAGAIN with conn->wants set,
 * 0 when the peer said goodbye, else a negative errno, which is kept in conn->failed with a
 * sentence in conn->error. */
int tls_conn_judge(struct tls_conn *conn, int result);

/* Under the lock, after the socket failed below OpenSSL: as above. */
int tls_conn_broken(struct tls_conn *conn);

/* The verify callback: explains a refusal in conn->refusal and refuses client certificates with a
 * wildcard or without a DNS name. */
int tls_verify_cb(int ok, X509_STORE_CTX *store);
/* DNS SANs as a NULL-terminated list. 0, -EBADMSG for a name that is not one (NUL, odd characters),
 * -ENOMEM. */
int tls_certificate_names(const X509 *certificate, char ***ret_names);
void tls_names_free(char **names); /* NULL allowed */

/* Read the revocation lists of files into ctx and turn their use on. False with a sentence in error
 * when one is damaged or cannot be read. */
bool tls_crl_load(struct tls_context *ctx, const struct tls_files *files,
		  char error[TLS_ERROR_LEN]);
/* Is code, found while conn's peer was judged, only the want of a current list, and is that no
 * reason to refuse? Then it has been logged (now and then). */
bool tls_crl_tolerates(struct tls_conn *conn, int code);

#endif
