/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The form of single names. Plain ASCII throughout: the locale has no say. */
#include <string.h>

#include "common/dns_name.h"
#include "proto/limits.h"
#include "proto/validate.h"
#include "proto/validate_fields.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_lower_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f');
}

/* 1..max bytes, each a letter, a digit or one of others. */
static bool consists_of(const char *text, size_t max, const char *others)
{
	size_t len = text == NULL ? 0 : strnlen(text, max + 1);

	if (len == 0 || len > max) {
		return false;
	}
	for (size_t i = 0; i < len; i++) {
		if (!is_letter(text[i]) && !is_digit(text[i]) && strchr(others, text[i]) == NULL) {
			return false;
		}
	}
	return true;
}

/* One spelling only, lower case: a UUID is compared as text and is a directory's name. */
bool validate_uuid(const char *text)
{
	if (text == NULL || strnlen(text, RELATIONSHIP_LEN + 1) != RELATIONSHIP_LEN) {
		return false;
	}
	for (size_t i = 0; i < RELATIONSHIP_LEN; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? text[i] != '-' : !is_lower_hex(text[i])) {
			return false;
		}
	}
	return true;
}

bool validate_lineage(const char *text)
{
	size_t len = text == NULL ? 0 : strnlen(text, RELATIONSHIP_LEN + 1);

	for (size_t i = 0; i < len; i++) {
		if (!is_lower_hex(text[i]) && text[i] != '-') {
			return false;
		}
	}
	return len > 0 && len <= RELATIONSHIP_LEN;
}

bool validate_cut_id(const char *text)
{
	if (text == NULL || strnlen(text, CUT_ID_LEN + 1) != CUT_ID_LEN) {
		return false;
	}
	for (size_t i = 0; i < CUT_ID_LEN; i++) {
		if (!is_lower_hex(text[i])) {
			return false;
		}
	}
	return true;
}

bool validate_vm_name(const char *text)
{
	return consists_of(text, VM_NAME_MAX, "._-+") && text[0] != '.' && text[0] != '-';
}

bool validate_disk_name(const char *text)
{
	return consists_of(text, DISK_NAME_MAX, "") && is_letter(text[0]);
}

bool validate_site_name(const char *text)
{
	return dns_name_is_valid(text);
}

bool validate_site_pattern(const char *text)
{
	return dns_name_is_pattern(text);
}

bool validate_resource_id(const char *text)
{
	return consists_of(text, RESOURCE_ID_MAX, "._-") && (is_letter(text[0]) || text[0] == '_');
}

bool validate_absolute_path(const char *text)
{
	if (text == NULL || text[0] != '/' || !validate_text(text, PATH_LEN_MAX)) {
		return false;
	}
	if (text[1] == '\0') {
		return true;
	}
	for (const char *p = text; *p == '/';) {
		size_t len = strcspn(p + 1, "/");

		if (len == 0 || (len == 1 && p[1] == '.') ||
		    (len == 2 && p[1] == '.' && p[2] == '.')) {
			return false;
		}
		p += len + 1;
	}
	return true;
}
