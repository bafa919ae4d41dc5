/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names, as certificates, peers and admins write them: the first line is a pattern, the others are
 * names. The same bytes are the names of a certificate. Whatever is accepted as a name has the
 * form that paths, XML and logs rely on.
 */
#include <assert.h>
#include <ctype.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/dns_name.h"
#include "common/tls_internal.h"
#include "common/trust.h"
#include "fuzz.h"
#include "mutate_pieces.h"
#include "proto/names.h"
#include "proto/store_path.h"
#include "proto/validate.h"
#include "proto/validate_fields.h"
#include "proto/validate_order.h"

#define NAMES_MAX 8u
#define UUID	  "0b6f4b1c-93a5-4f7e-8b1a-5d2f6c7e8a90"

static bool is_plain(const char *text)
{
	for (; *text != '\0'; text++) {
		if (!isascii((unsigned char)*text) || !isgraph((unsigned char)*text)) {
			return false;
		}
	}
	return true;
}

/* Said once more: labels of 1 to 63, 253 together. */
static void check_dns(const char *name)
{
	size_t label = 0;

	assert(strlen(name) <= DNS_NAME_MAX && is_plain(name));
	for (const char *c = name;; c++) {
		if (*c == '.' || *c == '\0') {
			assert(label >= 1 && label <= DNS_LABEL_MAX && c[-1] != '-');
			label = 0;
		} else {
			assert(isalnum((unsigned char)*c) || *c == '_' || (*c == '-' && label > 0));
			label++;
		}
		if (*c == '\0') {
			return;
		}
	}
}

static void check_path(const char *name)
{
	char buf[PATH_LEN_MAX + 1];

	if (validate_absolute_path(name)) {
		assert(name[0] == '/' && strlen(name) <= PATH_LEN_MAX);
		assert(strstr(name, "/../") == NULL && strstr(name, "//") == NULL);
		assert(strlen(name) < 3 || strcmp(name + strlen(name) - 3, "/..") != 0);
	}
	if (store_path_directory("/srv", "a.example", name, UUID, buf, sizeof(buf)) == 0) {
		assert(validate_absolute_path(buf) && strncmp(buf, "/srv/a.example/", 15) == 0);
		assert(strchr(buf + 15, '/') == NULL);
	}
	if (store_path_definition(name, "a.example", "web1", UUID, buf, sizeof(buf)) == 0) {
		assert(name[1] == '\0' || validate_absolute_path(buf));
	}
}

static void check_one(const char *name)
{
	struct checkpoint_name checkpoint;
	char buf[CHECKPOINT_NAME_LEN];

	if (dns_name_is_valid(name)) {
		check_dns(name);
		assert(dns_name_is_pattern(name) && validate_site_name(name));
	}
	if (dns_name_is_pattern(name)) {
		check_dns(strncmp(name, "*.", 2) == 0 ? name + 2 : name);
	}
	assert(!validate_vm_name(name) || (is_plain(name) && strpbrk(name, "/\\'\"<&*:") == NULL));
	assert(!validate_resource_id(name) || (is_plain(name) && strpbrk(name, "/:<&\"'") == NULL));
	assert(!validate_disk_name(name) || strpbrk(name, "/.-") == NULL);
	assert(!validate_uuid(name) || validate_lineage(name));
	assert(!validate_code(name) || is_plain(name));
	assert(!validate_host(name) || is_plain(name));
	assert(validate_order_address(name) != NULL || name[0] == '\0' || is_plain(name));
	if (validate_text(name, REASON_MAX)) {
		assert(strlen(name) <= REASON_MAX && strchr(name, '\n') == NULL);
	}
	if (checkpoint_name_parse(name, &checkpoint)) {
		assert(strcmp(checkpoint_name_format(&checkpoint, buf), name) == 0);
	}
	check_path(name);
}

/* "*.domain" by hand. */
static bool lies_below(const char *pattern, const char *name)
{
	size_t domain = strlen(pattern + 1), len = strlen(name);

	return len > domain && strcasecmp(name + len - domain, pattern + 1) == 0;
}

static struct trust_entry entry_at(const void *entries, size_t i)
{
	return ((const struct trust_entry *)entries)[i];
}

static void check_pattern(const char *pattern, const char *const *names)
{
	const struct trust_entry entries[] = {
		{pattern, "g"}, {"*.example", "g"}, {"a.example", ""}};
	const struct trust_table table = {entries, 3, entry_at};
	size_t match = trust_match(&table, names);

	for (size_t i = 0; names[i] != NULL && dns_name_is_pattern(pattern); i++) {
		if (dns_name_is_valid(names[i])) {
			assert(trust_pattern_matches(pattern, names[i]) ==
			       (pattern[0] == '*' ? lies_below(pattern, names[i])
						  : strcasecmp(pattern, names[i]) == 0));
		}
		assert(!trust_allows(&table, names, names[i]) || match < table.count);
	}
	assert(!trust_allows(&table, names, "other.test") || match < table.count);
}

/* The names that tls_verify takes out of a certificate with these DNS names in it. */
static void check_certificate(const struct mutate_pieces *pieces)
{
	GENERAL_NAMES *sans = sk_GENERAL_NAME_new_null();
	X509 *certificate = X509_new();
	char **names = NULL;

	for (size_t i = 0; i < pieces->count && i < NAMES_MAX; i++) {
		GENERAL_NAME *san = GENERAL_NAME_new();
		ASN1_IA5STRING *text = ASN1_IA5STRING_new();
		const struct mutate_piece *piece = &pieces->items[i];
		size_t len = piece->len > 0 && piece->data[piece->len - 1] == '\n' ? piece->len - 1
										   : piece->len;

		ASN1_STRING_set(text, piece->data, (int)len);
		GENERAL_NAME_set0_value(san, GEN_DNS, text);
		sk_GENERAL_NAME_push(sans, san);
	}
	if (X509_add1_ext_i2d(certificate, NID_subject_alt_name, sans, 0, X509V3_ADD_DEFAULT) ==
		    1 &&
	    tls_certificate_names(certificate, &names) == 0) {
		for (char **name = names; *name != NULL; name++) {
			assert(dns_name_is_pattern(*name));
		}
		tls_names_free(names);
	}
	ERR_clear_error();
	X509_free(certificate);
	GENERAL_NAMES_free(sans);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mutate_pieces pieces = {.count = 0};
	char *texts[NAMES_MAX + 1] = {NULL};
	size_t count;

	mutate_pieces_split(&pieces, data, size);
	for (count = 0; count < pieces.count && count < NAMES_MAX; count++) {
		texts[count] =
			strndup((const char *)pieces.items[count].data, pieces.items[count].len);
		texts[count][strcspn(texts[count], "\n")] = '\0';
		check_one(texts[count]);
	}
	if (count > 0) {
		check_pattern(texts[0], (const char *const *)texts + 1);
	}
	check_certificate(&pieces);
	while (count > 0) {
		free(texts[--count]);
	}
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	struct mutate mutate;

	mutate_init(&mutate, seed);
	return mutate_lines(&mutate, data, size, max_size);
}
