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
/* Read a PEM file. 0 or a negative errno with error; the caller frees. */
int pki_key_read(const char *path, EVP_PKEY **ret_key, char error[PKI_ERROR_LEN]);
int pki_certificate_read(const char *path, X509 **ret_certificate, char error[PKI_ERROR_LEN]);

#endif
