/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the other side's answer means for a failover here: whatever it may say, without --force the
 * VM never runs on both sides for it; and the epoch is always a new one, or was given to this side.
 */
#include "engine/failover_peer.h"

#include <errno.h>
#include <string.h>

#include "unit.h"

#define UNPLANNED VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_UNPLANNED
#define CANCEL	  VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_CANCEL
#define TEST	  VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_TEST
#define PRIMARY	  VMREPLICA__ROLE__ROLE_PRIMARY
#define REPLICA	  VMREPLICA__ROLE__ROLE_REPLICA
#define LINEAGE	  "11111111-2222-4333-8444-555555555555"
#define OTHER	  "99999999-2222-4333-8444-555555555555"

static const struct epoch first = {1, LINEAGE, "A"}, taken = {5, LINEAGE, "B"},
			  given = {6, LINEAGE, "A"}, far = {INT64_MAX, OTHER, "A"};

static bool objects(Vmreplica__Admin__FailoverKind kind, const struct order_answer *answer)
{
	const char *advice = NULL, *why;
	char text[REASON_MAX] = "";

	why = failover_peer_objection(kind, answer, "A", text, sizeof(text), &advice);
	CU_ASSERT(advice != NULL);
	CU_ASSERT_EQUAL(why != NULL, advice[0] != '\0');
	CU_ASSERT(why == NULL || strstr(why, "b.example") != NULL);
	CU_ASSERT(why == NULL || strstr(advice, "--force") != NULL);
	return why != NULL;
}

static struct order_answer say(Vmreplica__Role role, const struct epoch *epoch)
{
	struct order_answer answer = {.known = true, .role = role, .epoch = *epoch};

	strcpy(answer.site, "b.example");
	return answer;
}

static void test_unplanned(void)
{
	struct order_answer answer = say(PRIMARY, &first);

	CU_ASSERT(objects(UNPLANNED, &answer));
	answer.vm_running = true;
	CU_ASSERT(objects(UNPLANNED, &answer));
	answer.known = false; /* it was unprotected there */
	CU_ASSERT_FALSE(objects(UNPLANNED, &answer));
	answer = say(REPLICA, &first);
	CU_ASSERT_FALSE(objects(UNPLANNED, &answer));
	answer.failing_over = true;
	CU_ASSERT(objects(UNPLANNED, &answer));
	answer = say(REPLICA, &taken); /* and its VM may be on its way */
	CU_ASSERT(objects(UNPLANNED, &answer));
	answer = say(REPLICA, &given);
	CU_ASSERT_FALSE(objects(UNPLANNED, &answer));
	answer.vm_running = true;
	CU_ASSERT(objects(UNPLANNED, &answer));
	answer.vm_running = false;
	answer.failing_over = true;
	CU_ASSERT(objects(UNPLANNED, &answer));
}

static void test_others(void)
{
	struct order_answer answer = say(REPLICA, &first);

	CU_ASSERT(objects(CANCEL, &answer)); /* it receives from here */
	answer = say(PRIMARY, &first);
	CU_ASSERT_FALSE(objects(CANCEL, &answer));
	answer.vm_running = true;
	CU_ASSERT_FALSE(objects(TEST, &answer));
}

/* A cancel after a reverse was ordered: whatever it was that it said. */
static void test_no_word(void)
{
	const char *advice = NULL;
	char text[REASON_MAX];

	failover_peer_no_word("no route to host", text, sizeof(text), &advice);
	CU_ASSERT(strstr(text, "has not given its word") != NULL);
	CU_ASSERT(strstr(text, "no route to host") != NULL);
	CU_ASSERT(strstr(advice, "--force") != NULL);
}

static void test_epoch(void)
{
	struct order_answer answer = say(REPLICA, &given);
	struct epoch next;

	CU_ASSERT_EQUAL(failover_peer_epoch(&taken, NULL, false, "A", &next), 0);
	CU_ASSERT_EQUAL(next.number, 6);
	CU_ASSERT_STRING_EQUAL(next.site, "A");
	CU_ASSERT_STRING_NOT_EQUAL(next.lineage, LINEAGE);
	/* 6 may have been given back, unheard of */
	CU_ASSERT_EQUAL(failover_peer_epoch(&taken, NULL, true, "A", &next), 0);
	CU_ASSERT_EQUAL(next.number, 7);
	/* heard of, it is this side's, and no other number is used up */
	CU_ASSERT_EQUAL(failover_peer_epoch(&taken, &answer, true, "A", &next), 0);
	CU_ASSERT(epoch_equal(&next, &given));
	/* once it is known here it has been used, perhaps */
	CU_ASSERT_EQUAL(failover_peer_epoch(&given, &answer, false, "A", &next), 0);
	CU_ASSERT_EQUAL(next.number, 7);
	CU_ASSERT_STRING_NOT_EQUAL(next.lineage, LINEAGE);
	/* what is another's, or not to be believed, is never taken for ours */
	answer = say(REPLICA, &taken);
	CU_ASSERT_EQUAL(failover_peer_epoch(&first, &answer, false, "A", &next), 0);
	CU_ASSERT_EQUAL(next.number, 2);
	answer = say(REPLICA, &far);
	CU_ASSERT_EQUAL(failover_peer_epoch(&taken, &answer, false, "A", &next), 0);
	CU_ASSERT_EQUAL(next.number, 6);
	answer = say(REPLICA, &given);
	answer.known = false;
	CU_ASSERT_EQUAL(failover_peer_epoch(&taken, &answer, false, "A", &next), 0);
	CU_ASSERT_FALSE(epoch_equal(&next, &given));
}

static bool refuses(const char *code, int error)
{
	const char *advice = "", *why;
	char text[REASON_MAX] = "";
	struct trouble trouble;

	CU_ASSERT_EQUAL(trouble_set(&trouble, error, SCHEDULE_FAILED, code, "what it said"), error);
	why = failover_peer_refusal("b.example", &trouble, text, sizeof(text), &advice);
	CU_ASSERT(why == NULL ||
		  (strstr(why, "b.example") != NULL && strstr(why, "is alive") != NULL &&
		   strstr(why, "what it said") != NULL));
	CU_ASSERT_EQUAL(why != NULL, strstr(advice, "--force") != NULL);
	return why != NULL;
}

/* A refusal is the answer of a living side. */
static void test_refusal(void)
{
	CU_ASSERT(refuses("identity", -EACCES));
	CU_ASSERT(refuses("starting", -EBUSY));
	CU_ASSERT(refuses("certificate", -EKEYREJECTED));
	CU_ASSERT_FALSE(refuses("own-certificate", -EKEYREJECTED));
	CU_ASSERT_FALSE(refuses("", -ECANCELED));
	CU_ASSERT(refuses("peer-no-quorum", -EAGAIN));
	CU_ASSERT(refuses("version", -EPROTONOSUPPORT));
	CU_ASSERT(refuses("protocol", -EPROTO));
	CU_ASSERT_FALSE(refuses("broker-unreachable", -ETIMEDOUT));
	CU_ASSERT_FALSE(refuses("broker-unreachable", -ECONNREFUSED));
	CU_ASSERT_FALSE(refuses("memory", -ENOMEM));
}

static void test_lives(void)
{
	const char *advice, *why;
	char text[REASON_MAX];

	why = failover_peer_lives("b.example", "its engine answered", "no connection", text,
				  sizeof(text), &advice);
	CU_ASSERT_STRING_EQUAL(why, "the primary's side, b.example, is alive: its engine answered; "
				    "its broker does not answer: no connection");
	CU_ASSERT_PTR_NOT_NULL(strstr(advice, "--force"));
	why = failover_peer_lives("b.example", "its engine answered", "", text, sizeof(text),
				  &advice);
	CU_ASSERT_STRING_EQUAL(why, "the primary's side, b.example, is alive: its engine answered");
}

static const struct unit_test tests[] = {
	{"unplanned failover", test_unplanned},
	{"cancel and others", test_others},
	{"no word", test_no_word},
	{"epoch", test_epoch},
	{"a refusal", test_refusal},
	{"its engine", test_lives},
};
UNIT_MAIN("failover-peer", tests)
