/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A small certificate authority (vmreplica pki) and a look into certificates (check, status). EC
 * P-256 keys. */
#ifndef VMR_COMMON_PKI_H
#define VMR_COMMON_PKI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PKI_ERROR_LEN 256

/* Make a CA in directory: ca.crt (0644) and ca.key (0600). Existing files are never overwritten
 * (-EEXIST). Blocking. */
int pki_init(const char *directory, const char *common_name, int days, char error[PKI_ERROR_LEN]);

struct pki_request {
	const char *node; /* DNS SAN, e.g. "a1.a.example"; files are <node>.crt and <node>.key */
	const char *const
		*dns_names; /* further DNS SANs, NULL-terminated, may be NULL; no wildcards */
	const char *const *addresses; /* IP SANs, NULL-terminated, may be NULL */
	int days;		      /* validity from now; negative makes an expired one (tests) */
};

/* Issue a node certificate with serverAuth+clientAuth signed by directory/ca.key. -EEXIST, -EINVAL
 * (names), -ENOENT (no CA). */
int pki_issue(const char *directory, const struct pki_request *request, char error[PKI_ERROR_LEN]);

/* A new certificate and key for node (such as "a1.a.example") with the names of the ones in directory,
 * which they replace once both are written. 0, -ENOENT (none there), -EKEYREJECTED (not of this
 * authority), ... with error. */
int pki_renew(const char *directory, const char *node, int days, char error[PKI_ERROR_LEN]);

/* Put the certificate of the file at path on the list directory/crl.pem (made when it is not there),
 * which then holds for days. path NULL: only make the list anew, so that it does not grow stale. 0,
 * -EEXIST (on the list already), -EKEYREJECTED (not of this authority), -EBADMSG, ... with error. */
int pki_revoke(const char *directory, const char *path, int days, char error[PKI_ERROR_LEN]);

struct pki_info {
	char subject[256], issuer[256];
	char names[1024];		     /* SANs, comma separated: DNS:..., IP:... */
	int64_t not_before_ms, not_after_ms; /* wall clock */
	bool is_ca, server_auth, client_auth, has_wildcard;
};

/* Read one certificate file. 0 or negative errno with a sentence in error. */
int pki_show(const char *path, struct pki_info *ret_info, char error[PKI_ERROR_LEN]);
/* Check that certificate, key and ca fit together and hold now: 0, or
 * -EKEYREJECTED/-EKEYEXPIRED/... with a sentence. */
int pki_check(const char *ca, const char *certificate, const char *key, char error[PKI_ERROR_LEN]);

#endif
