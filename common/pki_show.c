/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A look into certificates: for 'pki show' and for preflight checks. */
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "pki_sign.h"

static void pki_name_text(const X509_NAME *name, char *buf, size_t size)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;
	long len;

	buf[0] = '\0';
	if (bio != NULL && X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) >= 0) {
		len = BIO_get_mem_data(bio, &text);
		snprintf(buf, size, "%.*s", (int)len, text);
	}
	BIO_free(bio);
}

static int64_t pki_time_ms(const ASN1_TIME *time)
{
	struct tm tm;

	return ASN1_TIME_to_tm(time, &tm) == 1 ? (int64_t)timegm(&tm) * 1000 : 0;
}

/* "DNS:a.example" or "IP:..." into buf; other kinds of names give "". */
static void pki_san_text(const GENERAL_NAME *san, char *buf, size_t size)
{
	const unsigned char *data;
	char address[INET6_ADDRSTRLEN];
	int len;

	buf[0] = '\0';
	if (san->type == GEN_DNS) {
		data = ASN1_STRING_get0_data(san->d.dNSName);
		len = ASN1_STRING_length(san->d.dNSName);
		snprintf(buf, size, "DNS:%.*s", len, (const char *)data);
	} else if (san->type == GEN_IPADD) {
		data = ASN1_STRING_get0_data(san->d.iPAddress);
		len = ASN1_STRING_length(san->d.iPAddress);
		if ((len == 4 || len == 16) && inet_ntop(len == 4 ? AF_INET : AF_INET6, data,
							 address, sizeof(address)) != NULL) {
			snprintf(buf, size, "IP:%s", address);
		}
	}
}

static void pki_names_get(const X509 *certificate, struct pki_info *info)
{
	GENERAL_NAMES *sans = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	size_t used = 0;

	for (int i = 0; i < sk_GENERAL_NAME_num(sans); i++) {
		char text[300];

		pki_san_text(sk_GENERAL_NAME_value(sans, i), text, sizeof(text));
		if (text[0] == '\0' || used + strlen(text) + 2 >= sizeof(info->names)) {
			continue;
		}
		info->has_wildcard = info->has_wildcard || strchr(text, '*') != NULL;
		used += (size_t)snprintf(info->names + used, sizeof(info->names) - used, "%s%s",
					 used > 0 ? ", " : "", text);
	}
	GENERAL_NAMES_free(sans);
}

static void pki_info_fill(X509 *certificate, struct pki_info *info)
{
	/* Without the extension a certificate is good for every purpose: all bits are set then. */
	uint32_t purposes = X509_get_extended_key_usage(certificate);

	memset(info, 0, sizeof(*info));
	pki_name_text(X509_get_subject_name(certificate), info->subject, sizeof(info->subject));
	pki_name_text(X509_get_issuer_name(certificate), info->issuer, sizeof(info->issuer));
	info->not_before_ms = pki_time_ms(X509_get0_notBefore(certificate));
	info->not_after_ms = pki_time_ms(X509_get0_notAfter(certificate));
	info->is_ca = X509_check_ca(certificate) == 1;
	info->server_auth = (purposes & XKU_SSL_SERVER) != 0;
	info->client_auth = (purposes & XKU_SSL_CLIENT) != 0;
	pki_names_get(certificate, info);
}

int pki_show(const char *path, struct pki_info *ret_info, char error[PKI_ERROR_LEN])
{
	X509 *certificate = NULL;
	int r = pki_certificate_read(path, &certificate, error);

	if (r == 0) {
		pki_info_fill(certificate, ret_info);
		X509_free(certificate);
	}
	return r;
}

static int pki_chain_refused(const char *path, const char *purpose, int code,
			     char error[PKI_ERROR_LEN])
{
	if (code == X509_V_ERR_CERT_HAS_EXPIRED) {
		snprintf(error, PKI_ERROR_LEN,
			 "%.160s (or its CA) has expired; renew it with 'vmreplica pki issue'",
			 path);
		return -EKEYEXPIRED;
	}
	snprintf(error, PKI_ERROR_LEN, "%.120s does not hold as a %s's certificate: %s", path,
		 purpose, X509_verify_cert_error_string(code));
	return -EKEYREJECTED;
}

static int pki_chain_check(X509_STORE *store, X509 *certificate, const char *path,
			   const char *purpose, char error[PKI_ERROR_LEN])
{
	X509_STORE_CTX *context = X509_STORE_CTX_new();
	int r = 0;

	if (context == NULL || X509_STORE_CTX_init(context, store, certificate, NULL) != 1 ||
	    X509_STORE_CTX_set_default(context, purpose[0] == 's' ? "ssl_server" : "ssl_client") !=
		    1) {
		snprintf(error, PKI_ERROR_LEN, "out of memory");
		r = -ENOMEM;
	} else if (X509_verify_cert(context) != 1) {
		r = pki_chain_refused(path, purpose, X509_STORE_CTX_get_error(context), error);
	}
	X509_STORE_CTX_free(context);
	ERR_clear_error();
	return r;
}

/* What the chain's check does not ask: names that identify a node. */
static int pki_names_check(X509 *certificate, const char *path, char error[PKI_ERROR_LEN])
{
	struct pki_info info;

	pki_info_fill(certificate, &info);
	if (strstr(info.names, "DNS:") == NULL) {
		snprintf(error, PKI_ERROR_LEN,
			 "%.120s carries no DNS name; issue it with 'vmreplica pki issue'", path);
		return -EKEYREJECTED;
	}
	if (info.has_wildcard) {
		snprintf(error, PKI_ERROR_LEN,
			 "%.120s carries a wildcard, which peers refuse; issue one for this node",
			 path);
		return -EKEYREJECTED;
	}
	return 0;
}

static int pki_certificate_check(const char *ca, X509 *certificate, const char *path,
				 char error[PKI_ERROR_LEN])
{
	X509_STORE *store = X509_STORE_new();
	int r = 0;

	if (store == NULL || X509_STORE_load_file(store, ca) != 1) {
		snprintf(error, PKI_ERROR_LEN, "%.160s holds no readable CA certificate", ca);
		r = -ENOENT;
	}
	if (r == 0) {
		r = pki_chain_check(store, certificate, path, "server", error);
	}
	if (r == 0) {
		r = pki_chain_check(store, certificate, path, "client", error);
	}
	X509_STORE_free(store);
	ERR_clear_error();
	return r == 0 ? pki_names_check(certificate, path, error) : r;
}

int pki_check(const char *ca, const char *certificate, const char *key, char error[PKI_ERROR_LEN])
{
	X509 *x509 = NULL;
	EVP_PKEY *pkey = NULL;
	int r = pki_certificate_read(certificate, &x509, error);

	if (r == 0) {
		r = pki_key_read(key, &pkey, error);
	}
	if (r == 0 && X509_check_private_key(x509, pkey) != 1) {
		snprintf(error, PKI_ERROR_LEN, "%.110s is not the key of %.110s", key, certificate);
		r = -EKEYREJECTED;
	}
	if (r == 0) {
		r = pki_certificate_check(ca, x509, certificate, error);
	}
	X509_free(x509);
	EVP_PKEY_free(pkey);
	ERR_clear_error();
	return r;
}
