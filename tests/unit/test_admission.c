/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/admission.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

#define SITE_A ((const char *const[]){"a1.a.example", "a.example", NULL})
#define SITE_B ((const char *const[]){"b1.b.example", "b.example", NULL})

static const struct admission_limits limits = {.pending_max = 6,
					       .pending_per_address = 3,
					       .known_max = 5,
					       .known_per_peer = 4,
					       .working_per_peer = 2,
					       .shares_per_peer = 2,
					       .rate_per_s = 100,
					       .burst = 50};

static struct in6_addr address(const char *text)
{
	struct in6_addr address;

	CU_ASSERT_EQUAL_FATAL(inet_pton(AF_INET6, text, &address), 1);
	return address;
}

/* Enter; the index of the victim among tickets, which leaves, or -1. */
static int enter(struct admission *admission, struct admission_ticket *tickets, size_t i,
		 const char *from)
{
	struct in6_addr host = address(from);
	struct admission_ticket *victim;

	CU_ASSERT_EQUAL(admission_enter(admission, &host, &tickets[i], &victim), 0);
	if (victim == NULL) {
		return -1;
	}
	admission_leave(admission, victim);
	return (int)(victim - tickets);
}

/* A flood from one address ends its own; one from many, those of the address that has the most. */
static void test_pending(void)
{
	struct admission *admission = admission_new(&limits);
	struct admission_ticket t[20] = {{.next = NULL}};

	CU_ASSERT_PTR_NOT_NULL_FATAL(admission);
	CU_ASSERT_EQUAL(enter(admission, t, 0, "::ffff:10.0.0.1"), -1); /* the oldest of all */
	CU_ASSERT_EQUAL(enter(admission, t, 1, "::ffff:10.0.0.2"), -1);
	CU_ASSERT_EQUAL(enter(admission, t, 2, "::ffff:10.0.0.2"), -1);
	CU_ASSERT_EQUAL(enter(admission, t, 3, "::ffff:10.0.0.2"), -1);
	CU_ASSERT_EQUAL(enter(admission, t, 4, "::ffff:10.0.0.2"), 1);
	CU_ASSERT_EQUAL(enter(admission, t, 5, "::ffff:10.0.0.2"), 2);
	CU_ASSERT_EQUAL(enter(admission, t, 6, "::ffff:10.0.0.3"), -1);
	CU_ASSERT_EQUAL(enter(admission, t, 7, "::ffff:10.0.0.3"), -1);
	CU_ASSERT_EQUAL(admission_pending(admission), 6);
	CU_ASSERT_EQUAL(enter(admission, t, 8, "::ffff:10.0.0.4"), 3);
	CU_ASSERT_EQUAL(enter(admission, t, 9, "::ffff:10.0.0.5"), 4); /* 2 and 2: the oldest */
	CU_ASSERT_EQUAL(enter(admission, t, 10, "::ffff:10.0.0.6"), 6);
	CU_ASSERT_EQUAL(admission_pending(admission), 6);
	CU_ASSERT_EQUAL(enter(admission, t, 11, "::ffff:10.0.0.7"), 0); /* one each: so be it */
	for (size_t i = 0; i < 12; i++) {
		admission_leave(admission, &t[i]); /* some have left already */
	}
	CU_ASSERT_EQUAL(admission_pending(admission), 0);
	/* All addresses of a /64 are one stranger's. */
	CU_ASSERT_EQUAL(enter(admission, t, 12, "2001:db8::1"), -1);
	CU_ASSERT_EQUAL(enter(admission, t, 13, "2001:db8::2"), -1);
	CU_ASSERT_EQUAL(enter(admission, t, 14, "2001:db8::3:4"), -1);
	CU_ASSERT_EQUAL(enter(admission, t, 15, "2001:db8:0:1::1"), -1);
	CU_ASSERT_EQUAL(enter(admission, t, 16, "2001:db8::5"), 12);
	for (size_t i = 12; i < 17; i++) {
		admission_leave(admission, &t[i]);
	}
	admission_free(admission);
}

static int known(struct admission *admission, struct admission_ticket *ticket,
		 const char *const *names)
{
	struct in6_addr host = address("::ffff:10.0.0.1");
	struct admission_ticket *victim;
	int rc;

	CU_ASSERT_EQUAL(admission_enter(admission, &host, ticket, &victim), 0);
	rc = admission_recognize(admission, ticket, names, 1000);
	if (rc < 0) {
		admission_leave(admission, ticket);
	}
	return rc;
}

static void test_known(void)
{
	struct admission *admission = admission_new(&limits);
	struct admission_ticket a[6] = {{.next = NULL}}, b[2] = {{.next = NULL}};

	for (size_t i = 0; i < 4; i++) {
		CU_ASSERT_EQUAL(known(admission, &a[i], SITE_A), 0);
	}
	CU_ASSERT_EQUAL(known(admission, &a[4], SITE_A), -EBUSY); /* its share */
	CU_ASSERT_EQUAL(known(admission, &b[0], SITE_B), 0);
	CU_ASSERT_EQUAL(known(admission, &b[1], SITE_B), -EBUSY); /* all are taken */
	CU_ASSERT_EQUAL(admission_pending(admission), 0);
	CU_ASSERT_EQUAL(admission_known(admission), 5);
	/* Of a site's streams two work at once; it is no matter to the other site. */
	CU_ASSERT_TRUE(admission_work(admission, &a[0]));
	CU_ASSERT_TRUE(admission_work(admission, &a[1]));
	CU_ASSERT_TRUE(admission_work(admission, &a[1])); /* still */
	CU_ASSERT_FALSE(admission_work(admission, &a[2]));
	CU_ASSERT_TRUE(admission_work(admission, &b[0]));
	/* Likewise of what is short. */
	CU_ASSERT_TRUE(admission_share_take(&a[0], 0));
	CU_ASSERT_TRUE(admission_share_take(&a[1], 0));
	CU_ASSERT_FALSE(admission_share_take(&a[2], 20));
	CU_ASSERT_TRUE(admission_share_take(&b[0], 0));
	admission_share_give(&a[0]);
	CU_ASSERT_TRUE(admission_share_take(&a[2], 20));
	admission_rest(&a[0]);
	CU_ASSERT_TRUE(admission_work(admission, &a[2]));
	admission_leave(admission, &a[1]); /* and gives its place back */
	CU_ASSERT_TRUE(admission_work(admission, &a[3]));
	for (size_t i = 0; i < 4; i++) {
		admission_leave(admission, &a[i]);
	}
	admission_leave(admission, &b[0]);
	CU_ASSERT_EQUAL(admission_known(admission), 0);
	admission_free(admission);
}

/* A site's requests, over all its connections, and over a connection that is closed and opened. */
static void test_rate(void)
{
	struct admission *admission = admission_new(&limits);
	struct admission_ticket a[2] = {{.next = NULL}}, b = {.next = NULL};
	int64_t wait_ms = 0;

	CU_ASSERT_EQUAL(known(admission, &a[0], SITE_A), 0);
	CU_ASSERT_EQUAL(known(admission, &a[1], SITE_A), 0);
	CU_ASSERT_EQUAL(known(admission, &b, SITE_B), 0);
	for (int i = 0; i < 50; i++) {
		CU_ASSERT_EQUAL(admission_charge(admission, &a[i % 2], 1000), 0);
	}
	CU_ASSERT_TRUE(admission_charge(admission, &a[0], 1000) >= 10);
	CU_ASSERT_EQUAL(admission_charge(admission, &b, 1000), 0);
	admission_leave(admission, &a[0]);
	admission_leave(admission, &a[1]);
	CU_ASSERT_EQUAL(known(admission, &a[0], SITE_A), 0);
	wait_ms = admission_charge(admission, &a[0], 1000);
	CU_ASSERT_TRUE(wait_ms >= 20 && wait_ms <= 25);
	CU_ASSERT_EQUAL(admission_charge(admission, &a[0], 1000 + 30), 0);
	/* What is not used does not add up without end. */
	wait_ms = 0;
	for (int i = 0; i < 60; i++) {
		wait_ms = admission_charge(admission, &a[0], 1000000);
	}
	CU_ASSERT_TRUE(wait_ms >= 100 && wait_ms <= 110);
	admission_leave(admission, &a[0]);
	admission_leave(admission, &b);
	admission_free(admission);
}

/* As many addresses and peers as there may be, in any order: the counts stay right. */
static void test_many(void)
{
	const struct admission_limits many = {.pending_max = 512,
					      .pending_per_address = 64,
					      .known_max = 1024,
					      .known_per_peer = 256};
	struct admission *admission = admission_new(&many);
	static struct admission_ticket tickets[2000];
	unsigned pending = 0, recognized = 0;
	char host[32], name[64];

	srand(7);
	for (int round = 0; round < 20000; round++) {
		struct admission_ticket *ticket = &tickets[rand() % 2000], *victim;

		if (ticket->source == NULL && ticket->peer == NULL) {
			struct in6_addr from;

			snprintf(host, sizeof(host), "::ffff:10.0.%d.%d", rand() % 3, rand() % 100);
			from = address(host);
			CU_ASSERT_EQUAL(admission_enter(admission, &from, ticket, &victim), 0);
			if (victim != NULL) {
				admission_leave(admission, victim);
			}
		} else if (ticket->source != NULL && rand() % 2 == 0) {
			snprintf(name, sizeof(name), "site%d.example", rand() % 50);
			(void)admission_recognize(admission, ticket,
						  (const char *const[]){name, NULL}, round);
		} else {
			admission_leave(admission, ticket);
		}
	}
	for (size_t i = 0; i < 2000; i++) {
		pending += tickets[i].source != NULL;
		recognized += tickets[i].peer != NULL;
	}
	CU_ASSERT_EQUAL(admission_pending(admission), pending);
	CU_ASSERT_EQUAL(admission_known(admission), recognized);
	CU_ASSERT_TRUE(pending <= 512);
	for (size_t i = 0; i < 2000; i++) {
		admission_leave(admission, &tickets[i]);
	}
	CU_ASSERT_EQUAL(admission_pending(admission) + admission_known(admission), 0);
	admission_free(admission);
}

static const struct unit_test tests[] = {
	{"who is not known yet", test_pending},
	{"shares of those who are", test_known},
	{"the rate of requests", test_rate},
	{"many", test_many},
};
UNIT_MAIN("admission", tests)
