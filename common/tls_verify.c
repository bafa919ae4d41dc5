/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who may be a peer: what OpenSSL's chain check does not refuse by itself, and sentences for what
 * it does. */
#include "tls_internal.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/dns_name.h"

void tls_names_free(char **names)
{
	for (char **name = names; name != NULL && *name != NULL; name++) {
		free(*name);
	}
	free(names);
}

/* A copy of a DNS SAN; NULL and *ret_error when it is no DNS name or pattern. */
static char *tls_name_copy(const ASN1_IA5STRING *text, int *ret_error)
{
	const unsigned char *data = ASN1_STRING_get0_data(text);
	int len = ASN1_STRING_length(text);
	char *name = NULL;

	if (len <= 0 || len > DNS_NAME_MAX + 2 || memchr(data, '\0', (size_t)len) != NULL) {
		*ret_error = -EBADMSG;
		return NULL;
	}
	name = strndup((const char *)data, (size_t)len);
	if (name == NULL) {
		*ret_error = -ENOMEM;
	} else if (!dns_name_is_pattern(name)) {
		*ret_error = -EBADMSG;
		free(name);
		name = NULL;
	}
	return name;
}

static int tls_names_collect(const GENERAL_NAMES *sans, char **names)
{
	size_t count = 0;
	int r = 0;

	for (int i = 0; i < sk_GENERAL_NAME_num(sans) && r == 0; i++) {
		const GENERAL_NAME *san = sk_GENERAL_NAME_value(sans, i);

		if (san->type != GEN_DNS) {
			continue;
		}
		if (count == TLS_PEER_NAMES_MAX) {
			return -EBADMSG;
		}
		names[count] = tls_name_copy(san->d.dNSName, &r);
		count += names[count] != NULL;
	}
	return r;
}

int tls_certificate_names(const X509 *certificate, char ***ret_names)
{
	GENERAL_NAMES *sans = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	char **names = calloc(TLS_PEER_NAMES_MAX + 1, sizeof(*names));
	int r = names == NULL ? -ENOMEM : 0;

	if (r == 0 && sans != NULL) {
		r = tls_names_collect(sans, names);
	}
	GENERAL_NAMES_free(sans);
	if (r < 0) {
		tls_names_free(names);
		return r;
	}
	*ret_names = names;
	return 0;
}

/* What is wrong with a client's certificate that OpenSSL accepts, or NULL. */
static const char *tls_client_objection(const X509 *certificate)
{
	const char *objection = NULL;
	char **names;
	int r = tls_certificate_names(certificate, &names);

	if (r < 0) {
		return r == -ENOMEM ? "out of memory" : "a DNS name in it is malformed";
	}
	if (names[0] == NULL) {
		objection = "it carries no DNS name (subjectAltName)";
	}
	for (char **name = names; *name != NULL; name++) {
		/* A wildcard would speak for nodes that it was never issued to. */
		if (strchr(*name, '*') != NULL) {
			objection = "a wildcard certificate cannot identify a node";
		}
	}
	tls_names_free(names);
	return objection;
}

static const char *tls_verify_advice(int code)
{
	switch (code) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return "; renew it with 'vmreplica pki issue' and check both clocks";
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return "; check both clocks";
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_CERT_SIGNATURE_FAILURE:
		return "; it is not from the CA that we trust ([tls] ca)";
	case X509_V_ERR_CERT_REVOKED:
		return "; issue the node another one, if it is still ours";
	case X509_V_ERR_UNABLE_TO_GET_CRL:
	case X509_V_ERR_CRL_HAS_EXPIRED:
	case X509_V_ERR_CRL_NOT_YET_VALID:
		return "; put a current revocation list of its authority where [tls] crl says, "
		       "or allow its want with crl-check = warn";
	case X509_V_ERR_INVALID_PURPOSE:
		return "; issue it for server and client authentication";
	default:
		return "";
	}
}

bool tls_peer_carries(const struct tls_conn *conn, const char *host)
{
	X509 *certificate = conn->ready ? SSL_get0_peer_certificate(conn->ssl) : NULL;
	const unsigned int flags =
		X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_WILDCARDS;

	return certificate != NULL && host[0] != '\0' &&
	       (X509_check_ip_asc(certificate, host, 0) == 1 ||
		X509_check_host(certificate, host, 0, flags, NULL) == 1);
}

/* Each certificate that is sent takes 5 KiB, and may be anybody's: it is public. */
static bool tls_chain_is_long(X509_STORE_CTX *store)
{
	return sk_X509_num(X509_STORE_CTX_get0_untrusted(store)) > TLS_CHAIN_MAX;
}

static void tls_refuse(struct tls_conn *conn, const char *reason, const char *advice)
{
	snprintf(conn->refusal, sizeof(conn->refusal), "the certificate of %s is refused: %s%s",
		 conn->peer_address, reason, advice);
}

static void tls_refuse_name(struct tls_conn *conn, const X509 *certificate)
{
	char names[128] = "no DNS name";
	char **list = NULL;
	size_t used = 0;

	if (tls_certificate_names(certificate, &list) == 0) {
		for (char **name = list; *name != NULL && used < sizeof(names); name++) {
			used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s",
						 used > 0 ? ", " : "", *name);
		}
		tls_names_free(list);
	}
	snprintf(conn->refusal, sizeof(conn->refusal),
		 "the certificate of %s is refused: it is for %s, not for %.80s",
		 conn->peer_address, names, conn->expected);
}

int tls_verify_cb(int ok, X509_STORE_CTX *store)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls_conn *conn = SSL_get_app_data(ssl);
	int code = X509_STORE_CTX_get_error(store);
	const X509 *certificate = X509_STORE_CTX_get0_cert(store);
	const char *objection;

	if (tls_chain_is_long(store)) {
		tls_refuse(conn, "it comes with too many others",
			   "; send the node's and at most three authorities'");
		X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_CHAIN_TOO_LONG);
		return 0;
	}
	if (!ok && tls_crl_tolerates(conn, code)) {
		X509_STORE_CTX_set_error(store, X509_V_OK);
		return 1;
	}
	if (!ok) {
		if (code == X509_V_ERR_HOSTNAME_MISMATCH ||
		    code == X509_V_ERR_IP_ADDRESS_MISMATCH) {
			tls_refuse_name(conn, certificate);
		} else {
			tls_refuse(conn, X509_verify_cert_error_string(code),
				   tls_verify_advice(code));
		}
		return 0;
	}
	if (!conn->server || X509_STORE_CTX_get_error_depth(store) != 0) {
		return 1;
	}
	objection = tls_client_objection(certificate);
	if (objection != NULL) {
		tls_refuse(conn, objection, "");
		X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
		return 0;
	}
	return 1;
}

/* Judge certificate as the handshake did (SSL's own rules, name included), with now's trust anchors
 * and revocation lists. */
static bool tls_judge_again(struct tls_conn *conn, struct tls_context *now, X509 *certificate)
{
	const unsigned long lists = X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL;
	X509_STORE_CTX *store = X509_STORE_CTX_new();
	bool good = false;

	if (store != NULL &&
	    X509_STORE_CTX_init(store, SSL_CTX_get_cert_store(now->ctx), certificate,
				SSL_get_peer_cert_chain(conn->ssl)) == 1) {
		X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(store);

		X509_STORE_CTX_set_default(store, conn->server ? "ssl_client" : "ssl_server");
		X509_VERIFY_PARAM_set1(param, SSL_get0_param(conn->ssl));
		X509_VERIFY_PARAM_clear_flags(param, lists);
		X509_VERIFY_PARAM_set_flags(
			param, lists & X509_VERIFY_PARAM_get_flags(SSL_CTX_get0_param(now->ctx)));
		X509_STORE_CTX_set_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx(), conn->ssl);
		X509_STORE_CTX_set_verify_cb(store, tls_verify_cb);
		good = X509_verify_cert(store) == 1;
	}
	X509_STORE_CTX_free(store);
	return good;
}

int tls_conn_recheck(struct tls_conn *conn, struct tls_context *ctx, char error[TLS_ERROR_LEN])
{
	X509 *certificate;
	int rc = 0;

	pthread_mutex_lock(&conn->lock);
	certificate = conn->ready ? SSL_get0_peer_certificate(conn->ssl) : NULL;
	if (conn->context != ctx && certificate != NULL) {
		tls_context_unref(conn->context);
		conn->context = tls_context_ref(ctx);
		conn->refusal[0] = '\0';
		ERR_clear_error();
		conn->revoked = !tls_judge_again(conn, ctx, certificate);
	}
	if (conn->revoked) {
		snprintf(error, TLS_ERROR_LEN, "%s",
			 conn->refusal[0] != '\0' ? conn->refusal : "out of memory");
		rc = -EKEYREJECTED;
	}
	pthread_mutex_unlock(&conn->lock);
	return rc;
}
