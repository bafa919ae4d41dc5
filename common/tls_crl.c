/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Certificate revocation lists (RFC 5280, section 5): reading them, and what is made of their want.
 * OpenSSL does the judging. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/clock.h"
#include "common/log.h"
#include "tls_internal.h"

#define CRLS_MAX  256
#define CRL_BYTES (64 * 1024 * 1024) /* of one file: 64 MiB hold more than a million entries */
#define WARN_MS	  (3600 * 1000)

int tls_crl_check_from_string(const char *text, enum tls_crl_check *ret_check)
{
	static const char *const words[] = {
		[TLS_CRL_WARN] = "warn", [TLS_CRL_REQUIRE] = "require", [TLS_CRL_OFF] = "off"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(text, words[i]) == 0) {
			*ret_check = (enum tls_crl_check)i;
			return 0;
		}
	}
	return -EINVAL;
}

/* ---- reading ---- */

static int crl_damaged(const char *path, const char *how, char error[TLS_ERROR_LEN])
{
	snprintf(error, TLS_ERROR_LEN,
		 "%.120s %s; replace it with a revocation list in PEM form, such as 'vmreplica pki "
		 "revoke' writes",
		 path, how);
	return -EBADMSG;
}

/* All lists of bio. Returns how many; -ENODATA: there is none; -EBADMSG: one is damaged. */
static int crl_read_all(X509_STORE *store, BIO *bio, const char *path, char error[TLS_ERROR_LEN])
{
	int count = 0;

	for (;;) {
		X509_CRL *crl = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL);
		unsigned long code = ERR_peek_last_error();

		if (crl == NULL) {
			bool over = ERR_GET_REASON(code) == PEM_R_NO_START_LINE;

			ERR_clear_error();
			if (over && count > 0) {
				return count;
			}
			crl_damaged(path, "holds no revocation list, or a damaged one", error);
			return over ? -ENODATA : -EBADMSG;
		}
		code = X509_STORE_add_crl(store, crl);
		X509_CRL_free(crl);
		if (code != 1 || ++count > CRLS_MAX) {
			return crl_damaged(path, "holds too many revocation lists", error);
		}
	}
}

static int crl_read_file(X509_STORE *store, const char *path, char error[TLS_ERROR_LEN])
{
	struct stat st;
	BIO *bio;
	int rc;

	if (stat(path, &st) < 0) {
		rc = -errno;
		snprintf(error, TLS_ERROR_LEN, "the revocation list %.120s cannot be read: %s",
			 path, strerror(-rc));
		return rc;
	}
	if (!S_ISREG(st.st_mode) || st.st_size > CRL_BYTES) {
		return crl_damaged(path, "is no file of a sane size", error);
	}
	bio = BIO_new_file(path, "r");
	if (bio == NULL) {
		ERR_clear_error();
		snprintf(error, TLS_ERROR_LEN,
			 "the revocation list %.120s cannot be read; its mode is to be 0644", path);
		return -EACCES;
	}
	ERR_clear_error();
	rc = crl_read_all(store, bio, path, error);
	BIO_free(bio);
	return rc;
}

/* What is no list (a subdirectory, a README) is left out. A damaged or empty one is not: whom it
 * named must not become welcome by a copy that broke off. */
static int crl_read_entry(X509_STORE *store, int directory, const char *path, const char *name,
			  char error[TLS_ERROR_LEN])
{
	char file[PATH_MAX];
	struct stat st;
	int rc;

	if (name[0] == '.' || fstatat(directory, name, &st, 0) < 0 || !S_ISREG(st.st_mode) ||
	    snprintf(file, sizeof(file), "%s/%s", path, name) >= (int)sizeof(file)) {
		return 0;
	}
	rc = crl_read_file(store, file, error);
	if (rc == -ENODATA && st.st_size > 0) {
		log_warning("%s is left out: it holds no revocation list", file);
		error[0] = '\0';
		rc = 0;
	}
	return rc;
}

static int crl_read_directory(X509_STORE *store, const char *path, char error[TLS_ERROR_LEN])
{
	DIR *directory = opendir(path);
	struct dirent *entry;
	int total = 0, rc = 0;

	if (directory == NULL) {
		rc = -errno;
		snprintf(error, TLS_ERROR_LEN, "the directory %.120s cannot be read: %s", path,
			 strerror(-rc));
		return rc;
	}
	while (rc >= 0 && (entry = readdir(directory)) != NULL) {
		rc = crl_read_entry(store, dirfd(directory), path, entry->d_name, error);
		total += rc > 0 ? rc : 0;
		if (total > CRLS_MAX) {
			rc = crl_damaged(path, "holds too many revocation lists", error);
		}
	}
	closedir(directory);
	return rc < 0 ? rc : total;
}

/* How many lists there are below path; 0 when it does not exist. */
static int crl_read(X509_STORE *store, const char *path, char error[TLS_ERROR_LEN])
{
	struct stat st;

	if (stat(path, &st) < 0 && errno == ENOENT) {
		return 0;
	}
	return stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? crl_read_directory(store, path, error)
							   : crl_read_file(store, path, error);
}

bool tls_crl_load(struct tls_context *ctx, const struct tls_files *files, char error[TLS_ERROR_LEN])
{
	int count;

	ctx->crl_check = files->crl == NULL ? TLS_CRL_OFF : files->crl_check;
	if (ctx->crl_check == TLS_CRL_OFF) {
		return true;
	}
	count = crl_read(SSL_CTX_get_cert_store(ctx->ctx), files->crl, error);
	if (count < 0) {
		return false;
	}
	if (count == 0) {
		log_notice("no revocation list in %s: %s", files->crl,
			   ctx->crl_check == TLS_CRL_REQUIRE
				   ? "no certificate is taken (crl-check = require)"
				   : "revoked certificates are not noticed");
	}
	if (count > 0 || ctx->crl_check == TLS_CRL_REQUIRE) {
		X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ctx->ctx),
					    X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
	}
	return true;
}

/* ---- judging ---- */

bool tls_crl_tolerates(struct tls_conn *conn, int code)
{
	struct tls_context *ctx = conn->context;
	int64_t now_ms = clock_monotonic_ms();
	int64_t warned_ms = __atomic_load_n(&ctx->warned_ms, __ATOMIC_RELAXED);

	if (ctx->crl_check != TLS_CRL_WARN ||
	    (code != X509_V_ERR_UNABLE_TO_GET_CRL && code != X509_V_ERR_CRL_HAS_EXPIRED &&
	     code != X509_V_ERR_CRL_NOT_YET_VALID)) {
		return false;
	}
	if (warned_ms == 0 || now_ms - warned_ms >= WARN_MS) {
		__atomic_store_n(&ctx->warned_ms, now_ms, __ATOMIC_RELAXED);
		log_warning("the certificate of %s is taken, although its authority has no current "
			    "revocation list here (%s): renew the lists that [tls] crl names",
			    conn->peer_address, X509_verify_cert_error_string(code));
	}
	return true;
}
