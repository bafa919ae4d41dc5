/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/pki.h"
#include "pki_sign.h"

struct renewal {
	char key_path[PKI_PATH_LEN], certificate_path[PKI_PATH_LEN];
	char new_key_path[PKI_PATH_LEN], new_certificate_path[PKI_PATH_LEN];
};

static int renewal_paths(struct renewal *renewal, const char *directory, const char *node,
			 char error[PKI_ERROR_LEN])
{
	int r = strchr(node, '/') != NULL ? -EINVAL : 0;

	if (r < 0) {
		snprintf(error, PKI_ERROR_LEN, "give the node's full name, such as a1.a.example");
		return r;
	}
	r = pki_path(renewal->key_path, directory, node, ".key", error);
	r = r < 0 ? r : pki_path(renewal->certificate_path, directory, node, ".crt", error);
	r = r < 0 ? r : pki_path(renewal->new_key_path, directory, node, ".key.new", error);
	return r < 0 ? r
		     : pki_path(renewal->new_certificate_path, directory, node, ".crt.new", error);
}

/* Both new files are on disk: put them in the place of the old ones. */
static int renewal_swap(const struct renewal *renewal, char error[PKI_ERROR_LEN])
{
	int r = 0;

	if (rename(renewal->new_key_path, renewal->key_path) < 0 ||
	    rename(renewal->new_certificate_path, renewal->certificate_path) < 0) {
		r = -errno;
		snprintf(error, PKI_ERROR_LEN, "%.160s cannot be replaced: %s",
			 renewal->certificate_path, strerror(-r));
	}
	return r;
}

static int renewal_write(const struct renewal *renewal, const struct pki_subject *subject,
			 const struct pki_ca *ca, char error[PKI_ERROR_LEN])
{
	EVP_PKEY *key = NULL;
	X509 *certificate = NULL;
	int r = pki_key_make(&key, error);

	r = r < 0 ? r
		  : pki_certificate_make(subject, key, ca->certificate, ca->key, &certificate,
					 error);
	if (r == 0) {
		unlink(renewal->new_key_path); /* of a renewal that was interrupted */
		unlink(renewal->new_certificate_path);
		r = pki_pair_write(renewal->new_key_path, key, renewal->new_certificate_path,
				   certificate, error);
	}
	r = r < 0 ? r : renewal_swap(renewal, error);
	X509_free(certificate);
	EVP_PKEY_free(key);
	return r;
}

/* The old certificate must be the authority's own: its names are taken over unasked. */
static int renewal_check_issuer(const char *path, const struct pki_ca *ca,
				char error[PKI_ERROR_LEN])
{
	X509 *old = NULL;
	int r = pki_certificate_read(path, &old, error);

	if (r == 0 && X509_verify(old, X509_get0_pubkey(ca->certificate)) != 1) {
		snprintf(error, PKI_ERROR_LEN, "%.160s is not from this authority", path);
		r = -EKEYREJECTED;
	}
	X509_free(old);
	return r;
}

int pki_renew(const char *directory, const char *node, int days, char error[PKI_ERROR_LEN])
{
	struct pki_subject subject = {.common_name = node,
				      .usage = "critical,digitalSignature",
				      .extended = "serverAuth,clientAuth"};
	struct pki_ca ca = {0};
	struct renewal renewal;
	struct pki_info info;
	int r = pki_days_check(days, error);

	r = r < 0 ? r : renewal_paths(&renewal, directory, node, error);
	r = r < 0 ? r : pki_ca_read(directory, &ca, error);
	r = r < 0 ? r : renewal_check_issuer(renewal.certificate_path, &ca, error);
	r = r < 0 ? r : pki_show(renewal.certificate_path, &info, error);
	if (r == 0) {
		subject.names = info.names;
		pki_set_validity(&subject, days);
		r = renewal_write(&renewal, &subject, &ca, error);
	}
	pki_ca_destroy(&ca);
	return r;
}
