/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who may send whose replica: one table of cases for the broker's judge and for the receiver's. */
#ifndef VMR_TESTS_TRUST_CASES_H
#define VMR_TESTS_TRUST_CASES_H

#include <stdbool.h>
#include <stddef.h>

struct trust_case_entry {
	const char *pattern, *group;
};

static const struct trust_case_entry trust_case_entries[] = {
	{"*.example", ""},     {"*.a.example", "gold"}, {"a.example", "gold"},
	{"c.example", "gold"}, {"e.example", "blue"},
};

struct trust_case {
	const char *names[3]; /* of the peer's certificate */
	const char *site;     /* whose relationship it is */
	bool admitted, allowed;
};

static const struct trust_case trust_cases[] = {
	{{"a1.a.example", "a.example", NULL}, "a.example", true, true}, /* its own */
	{{"a1.a.example", "a.example", NULL}, "A.Example", true, true}, /* in any case */
	{{"a1.a.example", "a.example", NULL}, "c.example", true, true}, /* both in gold */
	{{"a1.a.example", NULL}, "c.example", true, true}, /* by the wildcard's group */
	{{"c.example", NULL}, "a.example", true, true},	   /* the other way round */
	{{"a1.a.example", "a.example", NULL}, "b.example", true, false}, /* b has no group */
	{{"a1.a.example", "a.example", NULL}, "e.example", true, false}, /* another group */
	{{"b.example", NULL}, "a.example", true, false},
	{{"b.example", NULL}, "d.example", true, false}, /* no group is no common group */
	{{"b.example", NULL}, "b.example", true, true},
	{{"c.example", NULL}, "x.other", true, false}, /* the site has no entry any more */
	{{"x.other", NULL}, "x.other", false, false},  /* no entry, though it is its own */
	{{"x.other", NULL}, "a.example", false, false},
	{{NULL}, "a.example", false, false},
};

#define TRUST_ENTRIES (sizeof(trust_case_entries) / sizeof(trust_case_entries[0]))
#define TRUST_CASES   (sizeof(trust_cases) / sizeof(trust_cases[0]))

#endif
