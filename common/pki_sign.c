/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pki_sign.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"

#define SERIAL_BYTES 16
#define CN_MAX	     64

int pki_fail(char error[PKI_ERROR_LEN], const char *what)
{
	unsigned long code = ERR_peek_last_error();
	const char *text = code != 0 ? ERR_reason_error_string(code) : NULL;

	snprintf(error, PKI_ERROR_LEN, "%.160s: %s", what, text != NULL ? text : "OpenSSL failed");
	ERR_clear_error();
	return -EIO;
}

int pki_key_make(EVP_PKEY **ret_key, char error[PKI_ERROR_LEN])
{
	EVP_PKEY *key = EVP_EC_gen("P-256");

	if (key == NULL) {
		return pki_fail(error, "a key cannot be made");
	}
	*ret_key = key;
	return 0;
}

static bool pki_set_serial(X509 *certificate)
{
	unsigned char bytes[SERIAL_BYTES];
	BIGNUM *number;
	bool ok;

	if (RAND_bytes(bytes, sizeof(bytes)) != 1) {
		return false;
	}
	bytes[0] = (unsigned char)((bytes[0] & 0x7f) | 0x40); /* positive, and never short */
	number = BN_bin2bn(bytes, sizeof(bytes), NULL);
	ok = number != NULL &&
	     BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL;
	BN_free(number);
	return ok;
}

static bool pki_set_name(X509 *certificate, const char *common_name)
{
	size_t len = strnlen(common_name, CN_MAX);

	return X509_NAME_add_entry_by_NID(X509_get_subject_name(certificate), NID_commonName,
					  MBSTRING_UTF8, (const unsigned char *)common_name,
					  (int)len, -1, 0) == 1;
}

/* value NULL: nothing to add. */
static bool pki_add_extension(X509 *certificate, X509V3_CTX *context, int nid, const char *value)
{
	X509_EXTENSION *extension;
	bool ok;

	if (value == NULL) {
		return true;
	}
	extension = X509V3_EXT_nconf_nid(NULL, context, nid, value);
	ok = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return ok;
}

static bool pki_add_extensions(X509 *certificate, X509 *issuer, const struct pki_subject *subject)
{
	X509V3_CTX context;

	X509V3_set_ctx_nodb(&context);
	X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
	return pki_add_extension(certificate, &context, NID_basic_constraints,
				 subject->ca ? "critical,CA:TRUE,pathlen:0"
					     : "critical,CA:FALSE") &&
	       pki_add_extension(certificate, &context, NID_key_usage, subject->usage) &&
	       pki_add_extension(certificate, &context, NID_ext_key_usage, subject->extended) &&
	       pki_add_extension(certificate, &context, NID_subject_key_identifier, "hash") &&
	       pki_add_extension(certificate, &context, NID_authority_key_identifier,
				 subject->ca ? NULL : "keyid:always") &&
	       pki_add_extension(certificate, &context, NID_subject_alt_name, subject->names);
}

int pki_certificate_make(const struct pki_subject *subject, EVP_PKEY *key, X509 *issuer,
			 EVP_PKEY *issuer_key, X509 **ret_certificate, char error[PKI_ERROR_LEN])
{
	X509 *certificate = X509_new();
	X509 *signer = issuer != NULL ? issuer : certificate;

	if (certificate == NULL || X509_set_version(certificate, X509_VERSION_3) != 1 ||
	    !pki_set_serial(certificate) || !pki_set_name(certificate, subject->common_name) ||
	    X509_set_issuer_name(certificate, X509_get_subject_name(signer)) != 1 ||
	    ASN1_TIME_set(X509_getm_notBefore(certificate), (time_t)subject->not_before_s) ==
		    NULL ||
	    ASN1_TIME_set(X509_getm_notAfter(certificate), (time_t)subject->not_after_s) == NULL ||
	    X509_set_pubkey(certificate, key) != 1 ||
	    !pki_add_extensions(certificate, signer, subject) ||
	    X509_sign(certificate, issuer != NULL ? issuer_key : key, EVP_sha256()) == 0) {
		X509_free(certificate);
		return pki_fail(error, "the certificate cannot be made");
	}
	*ret_certificate = certificate;
	return 0;
}

int pki_file_write(const char *path, BIO *bio, mode_t mode, char error[PKI_ERROR_LEN])
{
	cleanup_close int fd =
		open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	char *text;
	long len = BIO_get_mem_data(bio, &text);
	int r = 0;

	if (fd < 0) {
		r = -errno;
		snprintf(error, PKI_ERROR_LEN,
			 r == -EEXIST ? "%.160s exists already and is kept; move it away first"
				      : "%.160s cannot be written: %s",
			 path, strerror(-r));
		return r;
	}
	errno = 0;
	/* fchmod, because the umask may have taken what the service needs. */
	if (fchmod(fd, mode) < 0 || write(fd, text, (size_t)len) != len || fsync(fd) < 0) {
		r = errno != 0 ? -errno : -EIO;
		snprintf(error, PKI_ERROR_LEN, "%.160s cannot be written: %s", path, strerror(-r));
		unlink(path);
	}
	return r;
}

int pki_pair_write(const char *key_path, EVP_PKEY *key, const char *certificate_path,
		   X509 *certificate, char error[PKI_ERROR_LEN])
{
	BIO *key_text = BIO_new(BIO_s_secmem());
	BIO *certificate_text = BIO_new(BIO_s_mem());
	int r;

	if (key_text == NULL || certificate_text == NULL ||
	    PEM_write_bio_PKCS8PrivateKey(key_text, key, NULL, NULL, 0, NULL, NULL) != 1 ||
	    PEM_write_bio_X509(certificate_text, certificate) != 1) {
		r = pki_fail(error, "key and certificate cannot be encoded");
	} else {
		r = pki_file_write(key_path, key_text, 0600, error);
		if (r == 0) {
			r = pki_file_write(certificate_path, certificate_text, 0644, error);
			if (r < 0) {
				unlink(key_path);
			}
		}
	}
	BIO_free(key_text);
	BIO_free(certificate_text);
	return r;
}

static FILE *pki_open(const char *path, char error[PKI_ERROR_LEN], int *ret_error)
{
	FILE *file = fopen(path, "re");

	if (file == NULL) {
		*ret_error = -errno;
		snprintf(error, PKI_ERROR_LEN, "%.160s cannot be read: %s", path, strerror(errno));
	}
	ERR_clear_error();
	return file;
}

/* No terminal in the middle of a daemon: an encrypted key is refused, not asked about. */
static int pki_no_password_cb(char *buf, int size, int writing, void *arg)
{
	(void)buf;
	(void)size;
	(void)writing;
	(void)arg;
	return -1;
}

int pki_key_read(const char *path, EVP_PKEY **ret_key, char error[PKI_ERROR_LEN])
{
	int r = 0;
	cleanup_fclose FILE *file = pki_open(path, error, &r);
	EVP_PKEY *key;

	if (file == NULL) {
		return r;
	}
	key = PEM_read_PrivateKey(file, NULL, pki_no_password_cb, NULL);
	ERR_clear_error();
	if (key == NULL) {
		snprintf(error, PKI_ERROR_LEN, "%.160s holds no unencrypted key in PEM form", path);
		return -EBADMSG;
	}
	*ret_key = key;
	return 0;
}

int pki_certificate_read(const char *path, X509 **ret_certificate, char error[PKI_ERROR_LEN])
{
	int r = 0;
	cleanup_fclose FILE *file = pki_open(path, error, &r);
	X509 *certificate;

	if (file == NULL) {
		return r;
	}
	certificate = PEM_read_X509(file, NULL, pki_no_password_cb, NULL);
	ERR_clear_error();
	if (certificate == NULL) {
		snprintf(error, PKI_ERROR_LEN, "%.160s holds no certificate in PEM form", path);
		return -EBADMSG;
	}
	*ret_certificate = certificate;
	return 0;
}
