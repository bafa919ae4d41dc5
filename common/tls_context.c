/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tls_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"

#define TLS_DEPTH 4
/* A peer's certificates together: a node's and three authorities', RSA of 4096 bits, are 8 KiB. The
 * buffer is there before it is known who sends them. */
#define TLS_CHAIN_BYTES (16u * 1024u)

/* OpenSSL's own messages name neither the file nor what to do. */
static int tls_file_check(const char *path, const char *what, char error[TLS_ERROR_LEN])
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	int saved = errno;

	if (fd >= 0) {
		return 0;
	}
	snprintf(error, TLS_ERROR_LEN,
		 "the %s %s cannot be read: %s; make it with 'vmreplica pki' or correct [tls] in "
		 "vmreplica.conf",
		 what, path, strerror(saved));
	return -saved;
}

static bool tls_files_check(const struct tls_files *files, char error[TLS_ERROR_LEN])
{
	return tls_file_check(files->ca, "CA certificate", error) == 0 &&
	       tls_file_check(files->certificate, "certificate", error) == 0 &&
	       tls_file_check(files->key, "key", error) == 0;
}

static bool tls_context_load(SSL_CTX *ctx, const struct tls_files *files, char error[TLS_ERROR_LEN])
{
	const char *path = files->ca, *wrong = "holds no CA certificate in PEM form";

	if (SSL_CTX_load_verify_file(ctx, files->ca) == 1) {
		path = files->certificate;
		wrong = "holds no certificate in PEM form";
		if (SSL_CTX_use_certificate_chain_file(ctx, files->certificate) == 1) {
			path = files->key;
			wrong = "holds no key in PEM form, or not the certificate's";
			if (SSL_CTX_use_PrivateKey_file(ctx, files->key, SSL_FILETYPE_PEM) == 1 &&
			    SSL_CTX_check_private_key(ctx) == 1) {
				return true;
			}
		}
	}
	snprintf(error, TLS_ERROR_LEN, "%s %s; replace it with one from 'vmreplica pki issue'",
		 path, wrong);
	return false;
}

static bool tls_context_set_rules(SSL_CTX *ctx)
{
	X509_VERIFY_PARAM *param = SSL_CTX_get0_param(ctx);

	/* Identity is in the SAN alone; the subject's CN says nothing (RFC 6125), "w*.a.example" is
	 * refused. */
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT |
						       X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, tls_verify_cb);
	SSL_CTX_set_verify_depth(ctx, TLS_DEPTH);
	SSL_CTX_set_security_level(ctx, 2);
	/* No resumption of any kind: each connection proves its certificate, early data could be
	 * replayed. */
	SSL_CTX_set_options(ctx,
			    SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_max_early_data(ctx, 0);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				      SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_max_cert_list(ctx, TLS_CHAIN_BYTES);
	return SSL_CTX_set_num_tickets(ctx, 0) == 1 &&
	       SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1 &&
	       SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) == 1 &&
	       SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_"
					     "CHACHA20_POLY1305_SHA256") == 1;
}

struct tls_context *tls_context_new(const struct tls_files *files, char error[TLS_ERROR_LEN])
{
	struct tls_context *context;

	if (!tls_files_check(files, error)) {
		return NULL;
	}
	ERR_clear_error();
	context = calloc(1, sizeof(*context));
	if (context != NULL) {
		context->references = 1;
		context->ctx = SSL_CTX_new(TLS_method());
	}
	if (context == NULL || context->ctx == NULL || !tls_context_set_rules(context->ctx)) {
		snprintf(error, TLS_ERROR_LEN, "TLS cannot be set up: %s",
			 ERR_peek_error() != 0 ? ERR_reason_error_string(ERR_peek_error())
					       : "out of memory");
		tls_context_unref(context);
		return NULL;
	}
	if (!tls_context_load(context->ctx, files, error)) {
		tls_context_unref(context);
		return NULL;
	}
	if (!tls_crl_load(context, files, error)) {
		tls_context_unref(context);
		return NULL;
	}
	return context;
}

struct tls_context *tls_context_ref(struct tls_context *ctx)
{
	__atomic_add_fetch(&ctx->references, 1, __ATOMIC_RELAXED);
	return ctx;
}

void tls_context_unref(struct tls_context *ctx)
{
	if (ctx != NULL && __atomic_sub_fetch(&ctx->references, 1, __ATOMIC_ACQ_REL) == 0) {
		SSL_CTX_free(ctx->ctx);
		free(ctx);
	}
}
