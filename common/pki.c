/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/pki.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/buffer.h"
#include "common/clock.h"
#include "common/dns_name.h"
#include "pki_sign.h"

#define DAY_S	     86400ll
#define BACKDATE_S   300ll /* clocks of peers differ a little */
#define DAYS_MAX     36500
#define SAN_LIST_MAX 4096u

int pki_path(char path[PKI_PATH_LEN], const char *directory, const char *name, const char *suffix,
	     char error[PKI_ERROR_LEN])
{
	if (snprintf(path, PKI_PATH_LEN, "%s/%s%s", directory, name, suffix) >= PKI_PATH_LEN) {
		snprintf(error, PKI_ERROR_LEN, "the directory's name is too long");
		return -ENAMETOOLONG;
	}
	return 0;
}

void pki_set_validity(struct pki_subject *subject, int days)
{
	int64_t now_s = clock_wall_ms() / 1000;

	subject->not_after_s = now_s + days * DAY_S;
	subject->not_before_s = days < 0 ? subject->not_after_s - DAY_S : now_s - BACKDATE_S;
}

int pki_days_check(int days, char error[PKI_ERROR_LEN])
{
	if (days == 0 || days > DAYS_MAX || days < -DAYS_MAX) {
		snprintf(error, PKI_ERROR_LEN, "give a validity of 1 to %d days", DAYS_MAX);
		return -EINVAL;
	}
	return 0;
}

static int pki_ca_write(const char *directory, const struct pki_subject *subject,
			char error[PKI_ERROR_LEN])
{
	char key_path[PKI_PATH_LEN], certificate_path[PKI_PATH_LEN];
	EVP_PKEY *key = NULL;
	X509 *certificate = NULL;
	int r = pki_path(key_path, directory, "ca", ".key", error);

	if (r == 0) {
		r = pki_path(certificate_path, directory, "ca", ".crt", error);
	}
	if (r == 0) {
		r = pki_key_make(&key, error);
	}
	if (r == 0) {
		r = pki_certificate_make(subject, key, NULL, NULL, &certificate, error);
	}
	if (r == 0) {
		r = pki_pair_write(key_path, key, certificate_path, certificate, error);
	}
	X509_free(certificate);
	EVP_PKEY_free(key);
	return r;
}

int pki_init(const char *directory, const char *common_name, int days, char error[PKI_ERROR_LEN])
{
	struct pki_subject subject = {
		.common_name = common_name, .usage = "critical,keyCertSign,cRLSign", .ca = true};
	int r = pki_days_check(days, error);

	if (r < 0) {
		return r;
	}
	if (common_name[0] == '\0' || strlen(common_name) > 64) {
		snprintf(error, PKI_ERROR_LEN, "give the CA a name of 1 to 64 bytes");
		return -EINVAL;
	}
	if (mkdir(directory, 0755) < 0 && errno != EEXIST) {
		r = -errno;
		snprintf(error, PKI_ERROR_LEN, "%.160s cannot be made: %s", directory,
			 strerror(-r));
		return r;
	}
	pki_set_validity(&subject, days);
	return pki_ca_write(directory, &subject, error);
}

static int pki_san_add(struct byte_buffer *list, const char *kind, const char *value)
{
	int r = list->len > 0 ? byte_buffer_append(list, ",", 1) : 0;

	if (r == 0) {
		r = byte_buffer_append(list, kind, strlen(kind));
	}
	return r == 0 ? byte_buffer_append(list, value, strlen(value)) : r;
}

static int pki_san_add_dns(struct byte_buffer *list, const char *name, char error[PKI_ERROR_LEN])
{
	if (!dns_name_is_valid(name)) {
		snprintf(error, PKI_ERROR_LEN,
			 "'%.80s' is not a DNS name (wildcards are not issued)", name);
		return -EINVAL;
	}
	return pki_san_add(list, "DNS:", name);
}

static int pki_san_add_address(struct byte_buffer *list, const char *address,
			       char error[PKI_ERROR_LEN])
{
	unsigned char binary[sizeof(struct in6_addr)];

	if (inet_pton(AF_INET, address, binary) != 1 && inet_pton(AF_INET6, address, binary) != 1) {
		snprintf(error, PKI_ERROR_LEN, "'%.80s' is not an IP address", address);
		return -EINVAL;
	}
	return pki_san_add(list, "IP:", address);
}

/* All names of request as a terminated text in list. Each was checked, so none can add fields of
 * its own. */
static int pki_san_list(const struct pki_request *request, struct byte_buffer *list,
			char error[PKI_ERROR_LEN])
{
	int r = pki_san_add_dns(list, request->node, error);

	for (size_t i = 0; r == 0 && request->dns_names != NULL && request->dns_names[i] != NULL;
	     i++) {
		if (!dns_name_equals(request->dns_names[i], request->node)) {
			r = pki_san_add_dns(list, request->dns_names[i], error);
		}
	}
	for (size_t i = 0; r == 0 && request->addresses != NULL && request->addresses[i] != NULL;
	     i++) {
		r = pki_san_add_address(list, request->addresses[i], error);
	}
	if (r == 0) {
		r = byte_buffer_append(list, "", 1);
	}
	if (r == -EMSGSIZE || r == -ENOMEM) {
		snprintf(error, PKI_ERROR_LEN, "too many names for one certificate");
	}
	return r;
}

int pki_ca_read(const char *directory, struct pki_ca *ca, char error[PKI_ERROR_LEN])
{
	char path[PKI_PATH_LEN];
	int r = pki_path(path, directory, "ca", ".crt", error);

	if (r == 0) {
		r = pki_certificate_read(path, &ca->certificate, error);
	}
	if (r == 0) {
		r = pki_path(path, directory, "ca", ".key", error);
	}
	if (r == 0) {
		r = pki_key_read(path, &ca->key, error);
	}
	if (r == 0 && X509_check_private_key(ca->certificate, ca->key) != 1) {
		snprintf(error, PKI_ERROR_LEN, "%.160s: ca.key does not belong to ca.crt",
			 directory);
		r = -EKEYREJECTED;
	}
	if (r == -ENOENT) {
		snprintf(error, PKI_ERROR_LEN,
			 "%.160s holds no CA; make one with 'vmreplica pki init'", directory);
	}
	return r;
}

void pki_ca_destroy(struct pki_ca *ca)
{
	X509_free(ca->certificate);
	EVP_PKEY_free(ca->key);
}

static int pki_node_write(const char *directory, const struct pki_request *request,
			  const struct pki_subject *subject, const struct pki_ca *ca,
			  char error[PKI_ERROR_LEN])
{
	char key_path[PKI_PATH_LEN], certificate_path[PKI_PATH_LEN];
	EVP_PKEY *key = NULL;
	X509 *certificate = NULL;
	int r = pki_path(key_path, directory, request->node, ".key", error);

	if (r == 0) {
		r = pki_path(certificate_path, directory, request->node, ".crt", error);
	}
	if (r == 0) {
		r = pki_key_make(&key, error);
	}
	if (r == 0) {
		r = pki_certificate_make(subject, key, ca->certificate, ca->key, &certificate,
					 error);
	}
	if (r == 0) {
		r = pki_pair_write(key_path, key, certificate_path, certificate, error);
	}
	X509_free(certificate);
	EVP_PKEY_free(key);
	return r;
}

int pki_issue(const char *directory, const struct pki_request *request, char error[PKI_ERROR_LEN])
{
	struct pki_subject subject = {.common_name = request->node,
				      .usage = "critical,digitalSignature",
				      .extended = "serverAuth,clientAuth"};
	struct byte_buffer names = {.limit = SAN_LIST_MAX};
	struct pki_ca ca = {0};
	int r = pki_days_check(request->days, error);

	if (r == 0) {
		r = pki_san_list(request, &names, error);
	}
	if (r == 0) {
		r = pki_ca_read(directory, &ca, error);
	}
	if (r == 0) {
		subject.names = (const char *)names.data;
		pki_set_validity(&subject, request->days);
		r = pki_node_write(directory, request, &subject, &ca, error);
	}
	pki_ca_destroy(&ca);
	byte_buffer_destroy(&names);
	return r;
}
