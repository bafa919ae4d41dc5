/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/dns_name.h"

#include <string.h>
#include <strings.h>

static bool dns_char_is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool dns_label_is_valid(const char *label, size_t len)
{
	if (len == 0 || len > DNS_LABEL_MAX || label[0] == '-' || label[len - 1] == '-') {
		return false;
	}
	for (size_t i = 0; i < len; i++) {
		if (!dns_char_is_alnum(label[i]) && label[i] != '-' && label[i] != '_') {
			return false;
		}
	}
	return true;
}

bool dns_name_is_valid(const char *name)
{
	if (name == NULL || strnlen(name, DNS_NAME_MAX + 1) > DNS_NAME_MAX) {
		return false;
	}
	for (;;) {
		size_t len = strcspn(name, ".");

		if (!dns_label_is_valid(name, len)) {
			return false;
		}
		if (name[len] == '\0') {
			return true;
		}
		name += len + 1;
	}
}

bool dns_name_is_pattern(const char *name)
{
	if (name != NULL && strncmp(name, "*.", 2) == 0) {
		name += 2;
	}
	return dns_name_is_valid(name);
}

bool dns_name_equals(const char *a, const char *b)
{
	return strcasecmp(a, b) == 0;
}
