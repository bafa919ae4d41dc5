/* SPDX-License-Identifier: GPL-2.0-or-later */
/* OpenSSL's failures as our codes and sentences. */
#include "tls_internal.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "tls_bio.h"

/* A peer's alert about our certificate; the reason codes are SSL_AD_REASON_OFFSET plus the alert
 * (RFC 8446, 6.2). */
static bool tls_alert_is_about_certificate(int reason)
{
	switch (reason - SSL_AD_REASON_OFFSET) {
	case SSL_AD_BAD_CERTIFICATE:
	case SSL_AD_UNSUPPORTED_CERTIFICATE:
	case SSL_AD_CERTIFICATE_REVOKED:
	case SSL_AD_CERTIFICATE_EXPIRED:
	case SSL_AD_CERTIFICATE_UNKNOWN:
	case SSL_AD_UNKNOWN_CA:
	case SSL_AD_ACCESS_DENIED:
	case SSL_AD_CERTIFICATE_REQUIRED:
	/* What OpenSSL sends when the verify callback refuses by a rule of its own. */
	case SSL_AD_HANDSHAKE_FAILURE:
		return true;
	default:
		return false;
	}
}

static int tls_protocol_error(struct tls_conn *conn, unsigned long code)
{
	int reason = ERR_GET_REASON(code);
	const char *text = ERR_reason_error_string(code);

	if (reason == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
		snprintf(conn->error, sizeof(conn->error), "%s closed the connection",
			 conn->peer_address);
		return -ECONNRESET;
	}
	if (tls_alert_is_about_certificate(reason)) {
		snprintf(conn->error, sizeof(conn->error),
			 "%s refuses our certificate: %s; see its log and 'vmreplica pki show'",
			 conn->peer_address, text != NULL ? text : "no reason given");
		return -EKEYREJECTED;
	}
	if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) {
		snprintf(conn->error, sizeof(conn->error), "%s shows no certificate",
			 conn->peer_address);
		return -EKEYREJECTED;
	}
	if (reason == SSL_R_UNSUPPORTED_PROTOCOL || reason == SSL_R_TLSV1_ALERT_PROTOCOL_VERSION ||
	    reason == SSL_R_WRONG_SSL_VERSION) {
		snprintf(conn->error, sizeof(conn->error), "%s does not speak TLS 1.3",
			 conn->peer_address);
		return -EPROTO;
	}
	snprintf(conn->error, sizeof(conn->error), "TLS with %s failed: %s", conn->peer_address,
		 text != NULL ? text : "unknown error");
	return -EPROTO;
}

/* Whatever ended the socket, the connection is over. Above all its own ETIMEDOUT (TCP_USER_TIMEOUT)
 * must not be taken for "nothing has come yet": a sender then waited for ever on a dead line. */
static int tls_socket_error(struct tls_conn *conn, int saved)
{
	snprintf(conn->error, sizeof(conn->error), "the connection to %s broke: %s",
		 conn->peer_address, saved != 0 ? strerror(saved) : "closed by the peer");
	return -ECONNRESET;
}

int tls_conn_broken(struct tls_conn *conn)
{
	conn->failed = tls_socket_error(conn, tls_bio_errno(conn->bio));
	return conn->failed;
}

int tls_conn_judge(struct tls_conn *conn, int result)
{
	int code = SSL_get_error(conn->ssl, result);
	unsigned long queued = ERR_peek_error();
	int r;

	switch (code) {
	case SSL_ERROR_WANT_READ:
		conn->wants = POLLIN;
		return -EAGAIN;
	case SSL_ERROR_WANT_WRITE:
		conn->wants = POLLOUT;
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	default:
		break;
	}
	if (conn->refusal[0] != '\0') {
		snprintf(conn->error, sizeof(conn->error), "%s", conn->refusal);
		r = -EKEYREJECTED;
	} else if (queued != 0) {
		r = tls_protocol_error(conn, queued);
	} else {
		r = tls_socket_error(conn, tls_bio_errno(conn->bio));
	}
	ERR_clear_error();
	conn->failed = r;
	return r;
}
