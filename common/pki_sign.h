/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Making keys and certificates (internal to pki*.c and the tests, which need wrong ones too). */
#ifndef VMR_COMMON_PKI_SIGN_H
#define VMR_COMMON_PKI_SIGN_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/pki.h"

struct pki_subject {
	const char *common_name; /* cut at 64 bytes, X.509's limit */
	const char *names;    /* subjectAltName in OpenSSL's form ("DNS:a,IP:::1"), NULL = none */
	const char *usage;    /* keyUsage */
	const char *extended; /* extendedKeyUsage, NULL = none */
	bool ca;
	int64_t not_before_s, not_after_s; /* wall clock, seconds */
};

/* A new P-256 key. 0 or -EIO with error. The caller frees *ret_key. */
int pki_key_make(EVP_PKEY **ret_key, char error[PKI_ERROR_LEN]);
/* Sign subject's key; issuer NULL: by itself. 0, -EINVAL (an extension's text), -EIO. The caller
 * frees *ret_certificate. */
int pki_certificate_make(const struct pki_subject *subject, EVP_PKEY *key, X509 *issuer,
			 EVP_PKEY *issuer_key, X509 **ret_certificate, char error[PKI_ERROR_LEN]);
/* Write the pair durably, neither file existing before: key with mode 0600, certificate with 0644.
 * On failure neither is left. 0, -EEXIST, ... */
int pki_pair_write(const char *key_path, EVP_PKEY *key, const char *certificate_path,
		   X509 *certificate, char error[PKI_ERROR_LEN]);
/* A new file with the text of bio in it, on disk when this returns 0; -EEXIST when there is one. */
int pki_file_write(const char *path, BIO *bio, mode_t mode, char error[PKI_ERROR_LEN]);
/* -EIO, with what and OpenSSL's reason in error. */
int pki_fail(char error[PKI_ERROR_LEN], const char *what);
/* Read a PEM file. 0 or a negative errno with error; the caller frees. */
int pki_key_read(const char *path, EVP_PKEY **ret_key, char error[PKI_ERROR_LEN]);
int pki_certificate_read(const char *path, X509 **ret_certificate, char error[PKI_ERROR_LEN]);

#define PKI_PATH_LEN 4096

/* directory/name+suffix. 0 or -ENAMETOOLONG with error. */
int pki_path(char path[PKI_PATH_LEN], const char *directory, const char *name, const char *suffix,
	     char error[PKI_ERROR_LEN]);
/* 0, or -EINVAL with error for a validity that is none (negative ones are the tests'). */
int pki_days_check(int days, char error[PKI_ERROR_LEN]);
/* From now for days; negative: ended that many days ago, after one day. */
void pki_set_validity(struct pki_subject *subject, int days);

struct pki_ca {
	X509 *certificate;
	EVP_PKEY *key;
};

/* The authority in directory. 0, -ENOENT, -EKEYREJECTED, ... with error; pki_ca_destroy in any case. */
int pki_ca_read(const char *directory, struct pki_ca *ca, char error[PKI_ERROR_LEN]);
void pki_ca_destroy(struct pki_ca *ca);

#endif
