/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The authority's certificate revocation list (RFC 5280, section 5), version 2 with a number. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/pki.h"
#include "pki_sign.h"

#define DAY_S 86400

/* The list at path, or a new one. 0 with *ret_crl (the caller's), or an error. */
static int crl_open(const char *path, const struct pki_ca *ca, X509_CRL **ret_crl,
		    char error[PKI_ERROR_LEN])
{
	cleanup_fclose FILE *file = fopen(path, "re");
	X509_CRL *crl;

	if (file == NULL && errno != ENOENT) {
		snprintf(error, PKI_ERROR_LEN, "%.160s cannot be read: %s", path, strerror(errno));
		return -errno;
	}
	crl = file == NULL ? X509_CRL_new() : PEM_read_X509_CRL(file, NULL, NULL, NULL);
	ERR_clear_error();
	if (crl == NULL ||
	    (file != NULL && X509_CRL_verify(crl, X509_get0_pubkey(ca->certificate)) != 1)) {
		X509_CRL_free(crl);
		snprintf(error, PKI_ERROR_LEN,
			 "%.160s is no revocation list of this authority; move it away", path);
		return -EBADMSG;
	}
	*ret_crl = crl;
	return 0;
}

static int crl_add(X509_CRL *crl, X509 *certificate, char error[PKI_ERROR_LEN])
{
	X509_REVOKED *entry = X509_REVOKED_new(), *there = NULL;
	ASN1_TIME *now = ASN1_TIME_set(NULL, (time_t)(clock_wall_ms() / 1000));
	int r = 0;

	if (X509_CRL_get0_by_cert(crl, &there, certificate) == 1) {
		snprintf(error, PKI_ERROR_LEN, "the certificate has been revoked already");
		r = -EEXIST;
	} else if (entry == NULL || now == NULL ||
		   X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(certificate)) != 1 ||
		   X509_REVOKED_set_revocationDate(entry, now) != 1 ||
		   X509_CRL_add0_revoked(crl, entry) != 1) {
		r = pki_fail(error, "the list cannot be made");
	} else {
		entry = NULL; /* the list's */
	}
	X509_REVOKED_free(entry);
	ASN1_TIME_free(now);
	return r;
}

/* Each list's number is above the one before, by which a reader knows the newer. */
static bool crl_count(X509_CRL *crl)
{
	ASN1_INTEGER *number = X509_CRL_get_ext_d2i(crl, NID_crl_number, NULL, NULL);
	int64_t value = 0;
	bool good;

	if (number != NULL && ASN1_INTEGER_get_int64(&value, number) != 1) {
		value = 0;
	}
	ASN1_INTEGER_free(number);
	number = ASN1_INTEGER_new();
	good = number != NULL && ASN1_INTEGER_set_int64(number, value + 1) == 1 &&
	       X509_CRL_add1_ext_i2d(crl, NID_crl_number, number, 0, X509V3_ADD_REPLACE) == 1;
	ASN1_INTEGER_free(number);
	return good;
}

static int crl_sign(X509_CRL *crl, const struct pki_ca *ca, int days, char error[PKI_ERROR_LEN])
{
	time_t now_s = (time_t)(clock_wall_ms() / 1000);
	ASN1_TIME *begin = ASN1_TIME_set(NULL, now_s);
	ASN1_TIME *end = ASN1_TIME_set(NULL, now_s + (time_t)days * DAY_S);
	bool good = begin != NULL && end != NULL &&
		    X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1 &&
		    X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca->certificate)) == 1 &&
		    X509_CRL_set1_lastUpdate(crl, begin) == 1 &&
		    X509_CRL_set1_nextUpdate(crl, end) == 1 && crl_count(crl) &&
		    X509_CRL_sort(crl) == 1 && X509_CRL_sign(crl, ca->key, EVP_sha256()) > 0;

	ASN1_TIME_free(begin);
	ASN1_TIME_free(end);
	return good ? 0 : pki_fail(error, "the list cannot be signed");
}

static int crl_write(const char *path, X509_CRL *crl, char error[PKI_ERROR_LEN])
{
	BIO *text = BIO_new(BIO_s_mem());
	char new_path[PKI_PATH_LEN + 8];
	int r;

	snprintf(new_path, sizeof(new_path), "%s.new", path);
	if (text == NULL || PEM_write_bio_X509_CRL(text, crl) != 1) {
		BIO_free(text);
		return pki_fail(error, "the list cannot be encoded");
	}
	unlink(new_path); /* of a call that was interrupted */
	r = pki_file_write(new_path, text, 0644, error);
	BIO_free(text);
	if (r == 0 && rename(new_path, path) < 0) {
		r = -errno;
		snprintf(error, PKI_ERROR_LEN, "%.160s cannot be replaced: %s", path, strerror(-r));
	}
	return r;
}

static int crl_revoke(X509_CRL *crl, const char *path, const struct pki_ca *ca,
		      char error[PKI_ERROR_LEN])
{
	X509 *certificate = NULL;
	int r = pki_certificate_read(path, &certificate, error);

	if (r == 0 && X509_verify(certificate, X509_get0_pubkey(ca->certificate)) != 1) {
		ERR_clear_error();
		snprintf(error, PKI_ERROR_LEN, "%.160s is not from this authority", path);
		r = -EKEYREJECTED;
	}
	r = r < 0 ? r : crl_add(crl, certificate, error);
	X509_free(certificate);
	return r;
}

int pki_revoke(const char *directory, const char *path, int days, char error[PKI_ERROR_LEN])
{
	char list_path[PKI_PATH_LEN];
	struct pki_ca ca = {0};
	X509_CRL *crl = NULL;
	int r = pki_days_check(days, error);

	r = r < 0 ? r : pki_path(list_path, directory, "crl", ".pem", error);
	r = r < 0 ? r : pki_ca_read(directory, &ca, error);
	r = r < 0 ? r : crl_open(list_path, &ca, &crl, error);
	if (r == 0 && path != NULL) {
		r = crl_revoke(crl, path, &ca, error);
	}
	r = r < 0 ? r : crl_sign(crl, &ca, days, error);
	r = r < 0 ? r : crl_write(list_path, crl, error);
	X509_CRL_free(crl);
	pki_ca_destroy(&ca);
	return r;
}
