/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When certificates and revocation lists run out: told 30 days ahead, of one's own and of peers'.
 */
#ifndef VMR_COMMON_TLS_EXPIRY_H
#define VMR_COMMON_TLS_EXPIRY_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/tls.h"

#define TLS_EXPIRY_WARN_MS (30ll * 24 * 3600 * 1000)

/* What was loaded; wall clock, 0 = there is none. */
struct tls_expiry {
	int64_t certificate_ms; /* the own one's end */
	int64_t authority_ms;	/* its authority's: of several that hold its name the last */
	int64_t list_ms;	/* when the list that is to be renewed first, is */
	unsigned int lists;	/* revocation lists */
	enum tls_crl_check crl_check;
};

enum tls_expiry_verdict {
	TLS_EXPIRY_WELL,
	TLS_EXPIRY_SOON, /* within TLS_EXPIRY_WARN_MS */
	TLS_EXPIRY_OVER, /* a certificate has expired, a list is stale or missing */
};

void tls_context_expiry(struct tls_context *context, struct tls_expiry *ret_expiry);
/* The worst, and a sentence for each that is not well, with what to do; "" when all is. Pure. */
enum tls_expiry_verdict tls_expiry_judge(const struct tls_expiry *expiry, int64_t now_ms,
					 char text[TLS_ERROR_LEN]);
/* The end of the verified peer's certificate; 0 before the handshake ends. Any thread. */
int64_t tls_peer_not_after_ms(const struct tls_conn *conn);

/* Which peers' certificates were told of: each once a day. Any thread. */
#define TLS_EXPIRY_NOTES 64
struct tls_expiry_notes {
	pthread_mutex_t lock;
	struct {
		char name[256];
		int64_t told_ms; /* wall clock; 0 = free */
	} notes[TLS_EXPIRY_NOTES];
};
void tls_expiry_notes_init(struct tls_expiry_notes *notes);
void tls_expiry_notes_destroy(struct tls_expiry_notes *notes);
/* Is a peer's certificate to be told of now? Then ret_text says until when it holds and what to do.
 */
bool tls_expiry_notes_due(struct tls_expiry_notes *notes, const char *name, int64_t not_after_ms,
			  int64_t now_ms, char ret_text[TLS_ERROR_LEN]);

#endif
