/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/tls_expiry.h"

#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "tls_internal.h"

#define DAY_MS (24ll * 3600 * 1000)

static int64_t time_ms(const ASN1_TIME *time)
{
	struct tm tm;

	return time != NULL && ASN1_TIME_to_tm(time, &tm) == 1 ? (int64_t)timegm(&tm) * 1000 : 0;
}

static void expiry_add_authority(struct tls_expiry *expiry, X509 *own, X509 *authority)
{
	int64_t end_ms = time_ms(X509_get0_notAfter(authority));

	if (own != NULL && X509_check_issued(authority, own) == X509_V_OK &&
	    end_ms > expiry->authority_ms) {
		expiry->authority_ms = end_ms;
	}
}

static void expiry_add_list(struct tls_expiry *expiry, const X509_CRL *list)
{
	int64_t next_ms = time_ms(X509_CRL_get0_nextUpdate(list));

	expiry->lists++;
	if (next_ms != 0 && (expiry->list_ms == 0 || next_ms < expiry->list_ms)) {
		expiry->list_ms = next_ms;
	}
}

void tls_context_expiry(struct tls_context *context, struct tls_expiry *ret_expiry)
{
	X509 *own = SSL_CTX_get0_certificate(context->ctx);
	X509_STORE *store = SSL_CTX_get_cert_store(context->ctx);
	const STACK_OF(X509_OBJECT) * objects;

	memset(ret_expiry, 0, sizeof(*ret_expiry));
	ret_expiry->crl_check = context->crl_check;
	ret_expiry->certificate_ms = own != NULL ? time_ms(X509_get0_notAfter(own)) : 0;
	X509_STORE_lock(store); /* handshakes look things up there, too */
	objects = X509_STORE_get0_objects(store);
	for (int i = 0; i < sk_X509_OBJECT_num(objects); i++) {
		const X509_OBJECT *object = sk_X509_OBJECT_value(objects, i);

		if (X509_OBJECT_get_type(object) == X509_LU_X509) {
			expiry_add_authority(ret_expiry, own, X509_OBJECT_get0_X509(object));
		} else if (X509_OBJECT_get_type(object) == X509_LU_CRL) {
			expiry_add_list(ret_expiry, X509_OBJECT_get0_X509_CRL(
							    (X509_OBJECT *)(uintptr_t)object));
		}
	}
	X509_STORE_unlock(store);
}

int64_t tls_peer_not_after_ms(const struct tls_conn *conn)
{
	const X509 *certificate = conn->ready ? SSL_get0_peer_certificate(conn->ssl) : NULL;

	return certificate != NULL ? time_ms(X509_get0_notAfter(certificate)) : 0;
}

/* ---- judging ---- */

__attribute__((format(printf, 2, 3))) static void say(char text[TLS_ERROR_LEN], const char *format,
						      ...)
{
	size_t used = strlen(text);
	va_list args;

	if (used > 0 && used + 2 < TLS_ERROR_LEN) {
		used += (size_t)snprintf(text + used, TLS_ERROR_LEN - used, "; ");
	}
	va_start(args, format);
	vsnprintf(text + used, TLS_ERROR_LEN - used, format, args);
	va_end(args);
}

static enum tls_expiry_verdict say_end(const char *what, const char *advice, int64_t end_ms,
				       int64_t now_ms, char text[TLS_ERROR_LEN])
{
	char when[RFC3339_LEN];

	if (end_ms == 0 || end_ms - now_ms >= TLS_EXPIRY_WARN_MS) {
		return TLS_EXPIRY_WELL;
	}
	clock_format_rfc3339(end_ms, when);
	when[10] = '\0'; /* the day */
	if (end_ms <= now_ms) {
		say(text, "%s has expired on %s: %s", what, when, advice);
		return TLS_EXPIRY_OVER;
	}
	say(text, "%s expires on %s, in %lld days: %s", what, when,
	    (long long)((end_ms - now_ms) / DAY_MS), advice);
	return TLS_EXPIRY_SOON;
}

static enum tls_expiry_verdict worse(enum tls_expiry_verdict a, enum tls_expiry_verdict b)
{
	return a > b ? a : b;
}

static enum tls_expiry_verdict say_lists(const struct tls_expiry *expiry, int64_t now_ms,
					 char text[TLS_ERROR_LEN])
{
	char when[RFC3339_LEN];

	if (expiry->crl_check == TLS_CRL_REQUIRE && expiry->lists == 0) {
		say(text, "there is no revocation list, and crl-check = require: nobody is let in");
		return TLS_EXPIRY_OVER;
	}
	if (expiry->crl_check == TLS_CRL_OFF || expiry->list_ms == 0 || expiry->list_ms > now_ms) {
		return TLS_EXPIRY_WELL;
	}
	clock_format_rfc3339(expiry->list_ms, when);
	when[10] = '\0';
	say(text, "a revocation list was to be renewed by %s: vmreplica pki revoke DIRECTORY",
	    when);
	return TLS_EXPIRY_OVER;
}

enum tls_expiry_verdict tls_expiry_judge(const struct tls_expiry *expiry, int64_t now_ms,
					 char text[TLS_ERROR_LEN])
{
	enum tls_expiry_verdict verdict;

	text[0] = '\0';
	verdict = say_end("the certificate", "vmreplica pki renew", expiry->certificate_ms, now_ms,
			  text);
	verdict = worse(verdict,
			say_end("its authority's certificate", "vmreplica pki init makes a new one",
				expiry->authority_ms, now_ms, text));
	return worse(verdict, say_lists(expiry, now_ms, text));
}

/* ---- peers ---- */

void tls_expiry_notes_init(struct tls_expiry_notes *notes)
{
	memset(notes, 0, sizeof(*notes));
	pthread_mutex_init(&notes->lock, NULL);
}

void tls_expiry_notes_destroy(struct tls_expiry_notes *notes)
{
	pthread_mutex_destroy(&notes->lock);
}

bool tls_expiry_notes_due(struct tls_expiry_notes *notes, const char *name, int64_t not_after_ms,
			  int64_t now_ms, char ret_text[TLS_ERROR_LEN])
{
	char what[160];
	size_t slot = 0;
	bool due;

	if (not_after_ms == 0 || not_after_ms - now_ms >= TLS_EXPIRY_WARN_MS) {
		return false;
	}
	pthread_mutex_lock(&notes->lock);
	for (size_t i = 0; i < TLS_EXPIRY_NOTES; i++) {
		if (strncmp(notes->notes[i].name, name, sizeof(notes->notes[i].name) - 1) == 0) {
			slot = i;
			break;
		}
		slot = notes->notes[i].told_ms < notes->notes[slot].told_ms ? i : slot;
	}
	due = strncmp(notes->notes[slot].name, name, sizeof(notes->notes[slot].name) - 1) != 0 ||
	      now_ms - notes->notes[slot].told_ms >= DAY_MS || now_ms < notes->notes[slot].told_ms;
	if (due) {
		snprintf(notes->notes[slot].name, sizeof(notes->notes[slot].name), "%s", name);
		notes->notes[slot].told_ms = now_ms;
	}
	pthread_mutex_unlock(&notes->lock);
	ret_text[0] = '\0';
	snprintf(what, sizeof(what), "the certificate of %.120s", name);
	say_end(what, "renew it there, vmreplica pki renew", not_after_ms, now_ms, ret_text);
	return due;
}
