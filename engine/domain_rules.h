/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What of a peer's domain XML may come into a replica VM: a table of elements, each by its path
 * below <domain>, with its attributes and the kind of its text. What is not in the table stays out.
 * No value that is taken as it is can be a path of the host. Pure.
 */
#ifndef VMR_ENGINE_DOMAIN_RULES_H
#define VMR_ENGINE_DOMAIN_RULES_H

#include <stdbool.h>
#include <stddef.h>

enum domain_text {
	DOMAIN_TEXT_NONE,
	DOMAIN_TEXT_NUMBER,
	DOMAIN_TEXT_WORD,
	DOMAIN_TEXT_FREE, /* prose, or a kernel's command line: nobody on the host acts on it */
};

/* Elements that are made anew rather than copied; who makes them is replica_domain.c's and
 * replica_device.c's. */
enum domain_make {
	DOMAIN_COPY,
	DOMAIN_DROP_QUIETLY, /* libvirt's own bookkeeping, or what it adds by itself */
	DOMAIN_MAKE_NAME,
	DOMAIN_MAKE_UUID,
	DOMAIN_MAKE_OS,
	DOMAIN_MAKE_KERNEL,
	DOMAIN_MAKE_CMDLINE,
	DOMAIN_MAKE_EMULATOR,
	DOMAIN_MAKE_DISK,
	DOMAIN_MAKE_INTERFACE,
	DOMAIN_MAKE_SERIAL,
	DOMAIN_MAKE_CHANNEL,
	DOMAIN_MAKE_INPUT,
	DOMAIN_MAKE_GRAPHICS,
	DOMAIN_MAKE_RNG,
	DOMAIN_MAKE_TPM,
};

struct domain_rule {
	const char *path;
	const char *attributes; /* taken over: names, a blank between; "" = none */
	const char *replaced;	/* left out without a word: ours take their place */
	enum domain_text text;
	enum domain_make make;
	bool many; /* may stand more than once beside itself */
};

/* The rule of a path such as "devices/disk/driver"; NULL = stays out. */
const struct domain_rule *domain_rule_find(const char *path);
/* Is name among the words of a rule's list? */
bool domain_rule_lists(const char *words, const char *name);
/* May this attribute's value, or this text, be taken as it is? */
bool domain_rule_attribute_is_plain(const char *name, const char *value);
bool domain_rule_text_is_plain(enum domain_text kind, const char *text);
/* Why an element that stays out matters, as a sentence; NULL = nothing in particular is known. */
const char *domain_rule_explain(const char *path);

#endif
