/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "receiver/authorization.h"
#include "receiver/plan.h"
#include "receiver/status.h"
#include "trust_cases.h"
#include "unit.h"

#define INITIAL VMREPLICA__WIRE__MODE__MODE_INITIAL
#define DELTA	VMREPLICA__WIRE__MODE__MODE_DELTA
#define RESYNC	VMREPLICA__WIRE__MODE__MODE_RESYNC

static const struct plan_disk disks[] = {{"vda", 1 << 20}, {"vdb", 2 << 20}};
static const struct plan_disk swapped[] = {{"vdb", 2 << 20}, {"vda", 1 << 20}};
static const struct plan_disk grown[] = {{"vda", 1 << 20}, {"vdb", 3 << 20}};

static struct manifest_disk image_disks[] = {{.name = "vda", .size_bytes = 1 << 20},
					     {.name = "vdb", .size_bytes = 2 << 20}};
static const struct manifest_image image = {image_disks, 2};

static struct manifest manifest_with_image(void)
{
	return (struct manifest){.current = image};
}

static void test_modes(void)
{
	struct manifest manifest = {0};
	struct plan plan;

	plan_next(&manifest, disks, 2, &plan);
	CU_ASSERT_EQUAL(plan.mode, INITIAL);
	manifest = manifest_with_image();
	plan_next(&manifest, disks, 2, &plan);
	CU_ASSERT_EQUAL(plan.mode, DELTA);
	CU_ASSERT_STRING_EQUAL(plan.reason, "");
	plan_next(&manifest, swapped, 2, &plan);
	CU_ASSERT_EQUAL(plan.mode, DELTA);
	plan_next(&manifest, grown, 2, &plan);
	CU_ASSERT_EQUAL(plan.mode, RESYNC);
	CU_ASSERT_PTR_NOT_NULL(strstr(plan.reason, "vdb has 3145728 bytes"));
	plan_next(&manifest, disks, 1, &plan);
	CU_ASSERT_EQUAL(plan.mode, RESYNC);
	manifest.resync_needed = true;
	strcpy(manifest.resync_reason, "because");
	plan_next(&manifest, disks, 2, &plan);
	CU_ASSERT_EQUAL(plan.mode, RESYNC);
	CU_ASSERT_STRING_EQUAL(plan.reason, "because");
}

static void test_marks(void)
{
	struct manifest manifest = manifest_with_image();
	struct plan plan;

	manifest.mark.mode = DELTA;
	strcpy(manifest.mark.disks, "vda,vdb");
	plan_next(&manifest, disks, 2, &plan);
	CU_ASSERT_TRUE(plan.has_mark);
	plan_next(&manifest, swapped, 2, &plan); /* its index would mean another disk */
	CU_ASSERT_FALSE(plan.has_mark);
	manifest.mark.mode = RESYNC;
	plan_next(&manifest, disks, 2, &plan); /* of a cycle that is not wanted any more */
	CU_ASSERT_FALSE(plan.has_mark);
	manifest.resync_needed = true;
	plan_next(&manifest, disks, 2, &plan); /* nothing pending */
	CU_ASSERT_FALSE(plan.has_mark);
	manifest.pending = image;
	plan_next(&manifest, disks, 2, &plan);
	CU_ASSERT_TRUE(plan.has_mark);
	plan_next(&manifest, grown, 2, &plan);
	CU_ASSERT_FALSE(plan.has_mark);
}

static void test_epochs(void)
{
	struct manifest_epoch none = {0}, one = {1, "l1", "a"}, other = {1, "l2", "b"},
			      two = {2, "l3", "a"};

	CU_ASSERT_EQUAL(plan_epoch_compare(&none, &one), PLAN_EPOCH_FIRST);
	CU_ASSERT_EQUAL(plan_epoch_compare(&one, &one), PLAN_EPOCH_SAME);
	CU_ASSERT_EQUAL(plan_epoch_compare(&one, &other), PLAN_EPOCH_CONFLICT);
	CU_ASSERT_EQUAL(plan_epoch_compare(&one, &two), PLAN_EPOCH_HIGHER);
	CU_ASSERT_EQUAL(plan_epoch_compare(&two, &one), PLAN_EPOCH_LOWER);
}

/* A peer cannot push the number to its end, nor give the epoch to a stranger. */
static void test_claims(void)
{
	struct manifest_epoch none = {0}, one = {1, "l1", "a.example"},
			      next = {2, "l2", "A.example"},
			      far = {1 + EPOCH_STEP_MAX, "l3", "a.example"},
			      foreign = {2, "l4", "c.example"},
			      last = {INT64_MAX, "l5", "a.example"};

	CU_ASSERT_EQUAL(plan_epoch_claim(&none, &one, "a.example"), PLAN_CLAIM_SOUND);
	CU_ASSERT_EQUAL(plan_epoch_claim(&none, &one, "b.example"), PLAN_CLAIM_FOREIGN);
	CU_ASSERT_EQUAL(plan_epoch_claim(&none, &last, "a.example"), PLAN_CLAIM_FAR);
	CU_ASSERT_EQUAL(plan_epoch_claim(&one, &next, "a.example"), PLAN_CLAIM_SOUND);
	CU_ASSERT_EQUAL(plan_epoch_claim(&one, &far, "a.example"), PLAN_CLAIM_SOUND);
	far.number++;
	CU_ASSERT_EQUAL(plan_epoch_claim(&one, &far, "a.example"), PLAN_CLAIM_FAR);
	CU_ASSERT_EQUAL(plan_epoch_claim(&one, &last, "a.example"), PLAN_CLAIM_FAR);
	CU_ASSERT_EQUAL(plan_epoch_claim(&one, &foreign, "a.example"), PLAN_CLAIM_FOREIGN);
	/* what is known already, or refused in any case, claims nothing */
	CU_ASSERT_EQUAL(plan_epoch_claim(&foreign, &foreign, "a.example"), PLAN_CLAIM_SOUND);
	CU_ASSERT_EQUAL(plan_epoch_claim(&last, &foreign, "a.example"), PLAN_CLAIM_SOUND);
}

/* The same table as the broker's judge (test_authorization.c). */
static void test_trust(void)
{
	Vmreplica__Ipc__AuthorizationSet set = VMREPLICA__IPC__AUTHORIZATION_SET__INIT;
	Vmreplica__Ipc__Authorization entries[TRUST_ENTRIES], *list[TRUST_ENTRIES];
	struct authorization *authorization = authorization_new();

	CU_ASSERT_PTR_NOT_NULL_FATAL(authorization);
	CU_ASSERT_FALSE(authorization_admits(authorization, trust_cases[0].names));
	CU_ASSERT_TRUE(authorization_knows_site(authorization, "a.example")); /* nothing known */
	for (size_t i = 0; i < TRUST_ENTRIES; i++) {
		vmreplica__ipc__authorization__init(&entries[i]);
		entries[i].pattern = (char *)(uintptr_t)trust_case_entries[i].pattern;
		entries[i].group = (char *)(uintptr_t)trust_case_entries[i].group;
		list[i] = &entries[i];
	}
	set.entries = list;
	set.n_entries = TRUST_ENTRIES;
	CU_ASSERT_EQUAL(authorization_set(authorization, &set), 0);
	for (size_t i = 0; i < TRUST_CASES; i++) {
		const struct trust_case *c = &trust_cases[i];

		CU_ASSERT_EQUAL(authorization_admits(authorization, c->names), c->admitted);
		CU_ASSERT_EQUAL(authorization_allows(authorization, c->names, c->site), c->allowed);
	}
	CU_ASSERT_TRUE(authorization_knows_site(authorization, "b.example"));
	CU_ASSERT_FALSE(authorization_knows_site(authorization, "x.other"));
	set.n_entries = 0; /* taken back: nobody may send */
	CU_ASSERT_EQUAL(authorization_set(authorization, &set), 0);
	CU_ASSERT_FALSE(authorization_knows_site(authorization, "b.example"));
	CU_ASSERT_FALSE(authorization_allows(authorization, trust_cases[0].names, "a.example"));
	authorization_free(authorization);
}

/* Two new replicas at once, with room for one: the second waits for the admin, until the first's
 * claim is over. What the engine told and what a stream claimed of one replica counts once. */
static void test_room(void)
{
	static char rels[3][RELATIONSHIP_LEN + 1] = {"11111111-1111-4111-8111-111111111111",
						     "22222222-2222-4222-8222-222222222222",
						     "33333333-3333-4333-8333-333333333333"};
	static char pattern[] = "*.example", site[] = "a.example", other_site[] = "a.other";
	Vmreplica__Ipc__AuthorizationSet set = VMREPLICA__IPC__AUTHORIZATION_SET__INIT;
	Vmreplica__Ipc__Authorization entry = VMREPLICA__IPC__AUTHORIZATION__INIT;
	Vmreplica__Ipc__Authorization *entries[] = {&entry};
	Vmreplica__Ipc__AuthorizedReplica replica = VMREPLICA__IPC__AUTHORIZED_REPLICA__INIT;
	Vmreplica__Ipc__AuthorizedReplica *replicas[] = {&replica};
	struct authorization *authorization = authorization_new();
	char why[REASON_MAX + 1] = "";

	CU_ASSERT_PTR_NOT_NULL_FATAL(authorization);
	entry.pattern = pattern;
	set.entries = entries;
	set.n_entries = 1;
	CU_ASSERT_EQUAL(authorization_set(authorization, &set), 0);
	CU_ASSERT_EQUAL(authorization_claim_room(authorization, site, rels[0], UINT64_MAX, why), 0);
	entry.max_size_bytes = 100;
	CU_ASSERT_EQUAL(authorization_set(authorization, &set), 0);
	CU_ASSERT_EQUAL(authorization_claim_room(authorization, site, rels[0], 101, why), -EACCES);
	CU_ASSERT_EQUAL(authorization_claim_room(authorization, site, rels[0], UINT64_MAX, why),
			-EACCES);
	CU_ASSERT_EQUAL(authorization_claim_room(authorization, site, rels[0], 60, why), 0);
	CU_ASSERT_EQUAL(authorization_claim_room(authorization, site, rels[1], 60, why), -EACCES);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "entry *.example"));
	CU_ASSERT_EQUAL(authorization_claim_room(authorization, "b.example", rels[1], 60, why),
			-EACCES); /* the entry is theirs together */
	CU_ASSERT_EQUAL(authorization_claim_room(authorization, other_site, rels[1], 60, why), 0);
	CU_ASSERT_EQUAL(authorization_claim_room(authorization, site, rels[1], 40, why), 0);
	CU_ASSERT_EQUAL(authorization_claim_room(authorization, site, rels[1], 30, why), 0);
	replica.relationship = rels[0];
	replica.site = site;
	replica.size_bytes = 60;
	set.replicas = replicas;
	set.n_replicas = 1;
	CU_ASSERT_EQUAL(authorization_set(authorization, &set), 0); /* the claims stand */
	CU_ASSERT_EQUAL(authorization_claim_room(authorization, site, rels[2], 11, why), -EACCES);
	CU_ASSERT_EQUAL(authorization_claim_room(authorization, site, rels[2], 10, why), 0);
	authorization_free(authorization);
}

/* A denial that is made up anew each time is reported so often, and then no more. */
static void test_denials(void)
{
	struct authorization *authorization = authorization_new();
	unsigned int told = 0;
	char who[32];

	CU_ASSERT_PTR_NOT_NULL_FATAL(authorization);
	CU_ASSERT_TRUE(authorization_denial_is_news(authorization, "c.example identity"));
	CU_ASSERT_FALSE(authorization_denial_is_news(authorization, "c.example identity"));
	for (int i = 0; i < 1000; i++) {
		snprintf(who, sizeof(who), "c%d.example identity", i);
		told += authorization_denial_is_news(authorization, who);
	}
	CU_ASSERT_EQUAL(told, 31);
	CU_ASSERT_FALSE(authorization_denial_is_news(authorization, "c.example identity"));
	authorization_free(authorization);
}

static void judge(const struct view *view, Vmreplica__State state, Vmreplica__Health health,
		  const char *code)
{
	Vmreplica__State found_state;
	Vmreplica__Health found_health;
	const char *found_code, *reason;

	status_judge(view, &found_state, &found_health, &found_code, &reason);
	CU_ASSERT_EQUAL(found_state, state);
	CU_ASSERT_EQUAL(found_health, health);
	CU_ASSERT_STRING_EQUAL(found_code, code);
	CU_ASSERT_EQUAL(reason[0] == '\0', code[0] == '\0');
}

static void test_status(void)
{
	struct view view = {0};

	judge(&view, VMREPLICA__STATE__STATE_WAITING_FOR_INITIAL_REPLICATION,
	      VMREPLICA__HEALTH__HEALTH_WARNING, "initial-pending");
	view.cycle = INITIAL;
	judge(&view, VMREPLICA__STATE__STATE_INITIAL_REPLICATION, VMREPLICA__HEALTH__HEALTH_WARNING,
	      "initial-pending");
	view.has_image = true;
	view.cycle = DELTA;
	judge(&view, VMREPLICA__STATE__STATE_REPLICATING, VMREPLICA__HEALTH__HEALTH_OK, "");
	view.overdue = true;
	judge(&view, VMREPLICA__STATE__STATE_REPLICATING, VMREPLICA__HEALTH__HEALTH_WARNING,
	      "overdue");
	strcpy(view.stream.code, "checksum");
	strcpy(view.stream.reason, "x");
	judge(&view, VMREPLICA__STATE__STATE_REPLICATING, VMREPLICA__HEALTH__HEALTH_WARNING,
	      "checksum");
	view.resync_needed = true;
	strcpy(view.resync_reason, "x");
	judge(&view, VMREPLICA__STATE__STATE_WAITING_FOR_RESYNCHRONIZE,
	      VMREPLICA__HEALTH__HEALTH_CRITICAL, "resync-needed");
	view.cycle = RESYNC;
	judge(&view, VMREPLICA__STATE__STATE_RESYNCHRONIZING, VMREPLICA__HEALTH__HEALTH_CRITICAL,
	      "resync-needed");
	view.suspended = true;
	judge(&view, VMREPLICA__STATE__STATE_RESYNCHRONIZE_SUSPENDED,
	      VMREPLICA__HEALTH__HEALTH_CRITICAL, "suspended");
	strcpy(view.storage.code, "storage-full");
	strcpy(view.storage.reason, "x");
	judge(&view, VMREPLICA__STATE__STATE_RESYNCHRONIZE_SUSPENDED,
	      VMREPLICA__HEALTH__HEALTH_CRITICAL, "storage-full");
}

static const struct unit_test tests[] = {
	{"modes", test_modes},
	{"marks", test_marks},
	{"epochs", test_epochs},
	{"claims", test_claims},
	{"patterns", test_trust},
	{"room of an entry", test_room},
	{"reports of denials", test_denials},
	{"status", test_status},
};

UNIT_MAIN("receiver plan", tests)
