/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TAKE and CANCEL as the replica's side of a planned failover answers them, whatever stands there:
 * what is promised is never taken, what is taken is never promised, and what passes is no refusal.
 * What peer_take.c calls is played here. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/epoch.h"
#include "engine/failover.h"
#include "engine/job_table.h"
#include "engine/peer_order.h"
#include "engine/replica.h"
#include "engine/standing.h"
#include "unit.h"

#define ID	"0b0e7d1c-5a4f-4c59-9d3e-2f1a6c7b8d90"
#define LINEAGE "11111111-2222-4333-8444-555555555555"
#define OTHER	"99999999-2222-4333-8444-555555555555"
#define CUT_ID	"00000000deadbeef"
#define PLANNED VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_PLANNED

static const struct config config = {.site = (char *)(uintptr_t) "b.example",
				     .node = (char *)(uintptr_t) "b1"};
static struct engine engine = {.config = &config};
static struct replica replica;
static Vmreplica__VmStatus status;
static Vmreplica__Epoch stored;
static Vmreplica__Takeover takeover;
static struct failover failover;

static const struct epoch first = {4, LINEAGE, "a.example"}, order = {5, LINEAGE, "b.example"},
			  others = {5, OTHER, "b.example"}, given = {6, LINEAGE, "a.example"},
			  far = {1000000, LINEAGE, "b.example"}, theirs = {5, LINEAGE, "a.example"};

static struct {
	struct epoch settings, refused; /* number 0: none */
	bool absent, closed, primary, job, standing, other_job;
	int begin_error, set_error;
	const struct epoch *begun_meanwhile; /* while the promise is written */
} world;
static char
	answer[REASON_MAX * 2]; /* "taken 5", "promised", "known 6", "later: ...", "refused: ..." */
static unsigned int begun;
static Vmreplica__Job jobs[4]; /* that ended here */
static size_t job_count;

/* ---- what it calls ---- */

struct replica *engine_find_replica(const struct engine *e, const char *id)
{
	(void)e;
	(void)id;
	return world.absent ? NULL : &replica;
}

bool replica_is_open(const struct replica *one)
{
	(void)one;
	return !world.closed;
}

void replica_note_word(struct replica *one, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(one->word.text, sizeof(one->word.text), format, args);
	va_end(args);
}

void engine_epoch_known(const struct engine *e, const char *id, const char *site,
			struct epoch *ret_epoch)
{
	(void)e;
	(void)id;
	CU_ASSERT_STRING_EQUAL(site, "a.example");
	*ret_epoch = world.settings;
}

bool engine_epoch_is_refused(const struct engine *e, const char *id, const struct epoch *epoch)
{
	(void)e;
	(void)id;
	return epoch_equal(&world.refused, epoch);
}

struct failover *failover_find(const struct engine *e, const char *id)
{
	(void)e;
	(void)id;
	return world.job ? &failover : NULL;
}

int failover_begin(struct replica *one, const struct failover_order *what,
		   struct failover **ret_failover)
{
	CU_ASSERT_PTR_EQUAL(one, &replica);
	if (world.other_job) {
		return -EBUSY;
	}
	if (world.begin_error < 0) {
		return world.begin_error;
	}
	CU_ASSERT_EQUAL(what->kind, PLANNED);
	CU_ASSERT_EQUAL(what->seq, 7);
	CU_ASSERT_STRING_EQUAL(what->cut_id, CUT_ID);
	failover.order = *what;
	begun++;
	world.job = true;
	*ret_failover = &failover;
	return 0;
}

const char *failover_job_id(const struct failover_job *job)
{
	(void)job;
	return "0000beef";
}

const char *failover_job_running_id(const struct engine *e, const char *id)
{
	(void)e;
	(void)id;
	return world.job || world.other_job ? "0000beef" : "";
}

size_t job_table_count(const struct job_table *table)
{
	(void)table;
	return job_count;
}

const Vmreplica__Job *job_table_at(const struct job_table *table, size_t index)
{
	(void)table;
	return &jobs[index];
}

bool job_message_is_running(const Vmreplica__Job *job)
{
	return strcmp(job->state, "running") == 0;
}

int peer_contact_find(const struct engine *e, const char *name, struct peer_contact *ret_contact)
{
	(void)e;
	(void)name;
	ret_contact->role =
		world.primary ? VMREPLICA__ROLE__ROLE_PRIMARY : VMREPLICA__ROLE__ROLE_REPLICA;
	return 0;
}

const char *standing_get(const struct engine *e, const char *prefix, const char *id)
{
	(void)e;
	(void)id;
	CU_ASSERT_STRING_EQUAL(prefix, STANDING_FAILOVER);
	return world.standing ? "planned-failover" : NULL;
}

/* The promise becomes durable, and the other node's order may, too, in that moment. */
void standing_set(struct engine *e, const char *prefix, const char *id, const char *value,
		  cluster_done_cb done, void *arg)
{
	(void)e;
	CU_ASSERT_STRING_EQUAL(prefix, STANDING_REFUSED);
	CU_ASSERT_STRING_EQUAL(id, ID);
	if (world.set_error == 0) {
		CU_ASSERT_EQUAL(epoch_parse(value, &world.refused), 0);
	}
	if (world.begun_meanwhile != NULL) {
		world.standing = true;
	}
	done(arg, world.set_error, world.set_error < 0 ? "no quorum" : "");
}

void engine_event(struct engine *e, const char *severity, const char *vm, const char *format, ...)
{
	(void)e;
	(void)severity;
	(void)vm;
	(void)format;
}

void peer_order_answer(struct admin_call *call, const Vmreplica__Wire__Ordered *ordered)
{
	(void)call;
	if (ordered->epoch == NULL) {
		CU_ASSERT(ordered->done);
		strcpy(answer, "promised");
		return;
	}
	snprintf(answer, sizeof(answer), "%s %llu %s", ordered->done ? "taken" : "known",
		 (unsigned long long)ordered->epoch->number, ordered->epoch->site);
}

void peer_order_later(struct admin_call *call, const char *job, const char *text)
{
	(void)call;
	snprintf(answer, sizeof(answer), "later: %s %s", job, text);
}

void peer_order_refuse(struct admin_call *call, const char *format, ...)
{
	va_list args;

	(void)call;
	strcpy(answer, "refused: ");
	va_start(args, format);
	vsnprintf(answer + 9, sizeof(answer) - 9, format, args);
	va_end(args);
}

void peer_order_refuse_far(const struct peer_order *one, const struct epoch *known,
			   const struct epoch *epoch)
{
	(void)known;
	(void)epoch;
	peer_order_refuse(one->call, "far");
}

/* ---- the world ---- */

static void store_is_in(const struct epoch *epoch, bool failed_over)
{
	epoch_to_message(epoch, &stored);
	vmreplica__takeover__init(&takeover);
	takeover.kind = VMREPLICA__TAKEOVER_KIND__TAKEOVER_FAILOVER;
	status.takeover = failed_over ? &takeover : NULL;
}

static void quiet(void)
{
	memset(&world, 0, sizeof(world));
	world.settings = first;
	begun = 0;
	job_count = 0;
	memset(&replica, 0, sizeof(replica));
	memset(&failover, 0, sizeof(failover));
	vmreplica__vm_status__init(&status);
	status.epoch = &stored;
	strcpy(replica.settings.vm, "web1");
	replica.status = &status;
	store_is_in(&first, false);
}

static bool ordered(void (*give)(struct peer_order *one), const struct epoch *epoch, bool cut,
		    const char *wanted)
{
	Vmreplica__Wire__Order message = VMREPLICA__WIRE__ORDER__INIT;
	Vmreplica__Cut final = VMREPLICA__CUT__INIT;
	Vmreplica__Epoch told;
	struct peer_order one = {.engine = &engine, .order = &message};

	epoch_to_message(epoch, &told);
	final.seq = 7;
	final.cut_id = (char *)(uintptr_t)CUT_ID;
	message.site = (char *)(uintptr_t) "a.example";
	message.epoch = &told;
	message.cut = cut ? &final : NULL;
	strcpy(one.contact.relationship, ID);
	strcpy(one.contact.vm, "web1");
	answer[0] = '\0';
	give(&one);
	if (strstr(answer, wanted) == answer) {
		return true;
	}
	printf("\n%s, not %s\n", answer, wanted);
	return false;
}

static bool take(const char *wanted)
{
	return ordered(peer_order_take, &order, true, wanted);
}

static bool cancel(const char *wanted)
{
	return ordered(peer_order_cancel, &order, false, wanted);
}

/* ---- the tests ---- */

static void test_take(void)
{
	quiet();
	CU_ASSERT(take("later: 0000beef it has begun"));
	CU_ASSERT_EQUAL(begun, 1);
	CU_ASSERT(strstr(replica.word.text, "waits for this side") != NULL);
	CU_ASSERT(take("later: 0000beef it is under way")); /* given again */
	CU_ASSERT_EQUAL(begun, 1);
	store_is_in(&order, true); /* durable in the store: the point of no return */
	CU_ASSERT(take("taken 5 b.example"));
	world.settings = order;
	world.job = false;
	status.epoch = NULL; /* an older word of the store's */
	CU_ASSERT(take("taken 5 b.example"));
	world.absent = true; /* it is the primary by now */
	CU_ASSERT(take("taken 5 b.example"));
	CU_ASSERT_EQUAL(begun, 1);
}

/* What passes, or may be a failover, is never a refusal: that would be one for good. */
static void test_take_later(void)
{
	quiet();
	world.absent = true;
	CU_ASSERT(take("later:"));
	quiet();
	world.closed = true;
	CU_ASSERT(take("later:"));
	quiet();
	world.other_job = true;
	CU_ASSERT(take("later: 0000beef another job"));
	CU_ASSERT_EQUAL(begun, 0);
}

static void test_take_refused(void)
{
	quiet();
	world.begin_error = -ENOMEM;
	CU_ASSERT(take("refused:"));
	quiet();
	world.refused = order;
	CU_ASSERT(take("refused: web1 will not be taken in epoch 5: it was cancelled"));
	quiet();
	store_is_in(&others, true); /* it has failed over otherwise */
	CU_ASSERT(take("refused:"));
	quiet();
	world.settings = given;
	CU_ASSERT(take("refused: web1 will not be taken in epoch 5: a higher one"));
	quiet();
	CU_ASSERT(ordered(peer_order_take, &order, false, "refused:"));
	CU_ASSERT(ordered(peer_order_take, &theirs, true, "refused:"));
	CU_ASSERT(ordered(peer_order_take, &far, true, "refused: far"));
	CU_ASSERT_EQUAL(begun, 0);
}

static void job_ended(const char *id, const char *kind, const char *state, const char *text)
{
	Vmreplica__Job *job = &jobs[job_count++];

	vmreplica__job__init(job);
	job->relationship = (char *)(uintptr_t)id;
	job->kind = (char *)(uintptr_t)kind;
	job->state = (char *)(uintptr_t)state;
	job->text = (char *)(uintptr_t)text;
}

/* The job failed before anything was taken: the order is not begun again, the other side hears why,
 * and gets its promise. */
static void test_take_failed(void)
{
	quiet();
	CU_ASSERT(take("later: 0000beef it has begun"));
	world.refused = order; /* with its order taken out of the settings, in one change */
	failover.error = -EUCLEAN;
	strcpy(failover.text, "the replica needs a resynchronization");
	CU_ASSERT(take("refused: web1 will not be taken in epoch 5: the replica needs"));
	CU_ASSERT(cancel("later: 0000beef")); /* not before it is over */
	world.job = false;
	job_ended("another", "planned-failover", "failed", "not this");
	job_ended(ID, "planned-failover", "failed", "an older one");
	job_ended(ID, "planned-failover", "failed", "the replica needs a resynchronization");
	job_ended(ID, "cancel", "failed", "not this");
	CU_ASSERT(take("refused: web1 will not be taken in epoch 5: the replica needs"));
	CU_ASSERT_EQUAL(begun, 1);
	CU_ASSERT(cancel("promised"));
	/* what the receiver found taken after all was given back: that is the answer, and no
	 * promise */
	store_is_in(&given, false);
	CU_ASSERT(take("refused: web1 will not be taken in epoch 5: a higher one"));
	CU_ASSERT(cancel("known 6 a.example"));
	CU_ASSERT_EQUAL(begun, 1);
}

static void test_promise(void)
{
	quiet();
	CU_ASSERT(cancel("promised"));
	CU_ASSERT(epoch_equal(&world.refused, &order));
	CU_ASSERT(strstr(replica.word.text, "has promised a.example") != NULL);
	CU_ASSERT(take("refused:")); /* it came late */
	CU_ASSERT(cancel("promised"));
	quiet();
	world.set_error = -EAGAIN; /* what is not durable is not promised */
	CU_ASSERT(cancel("later:  no quorum"));
	CU_ASSERT_EQUAL(world.refused.number, 0);
	quiet();
	CU_ASSERT(ordered(peer_order_cancel, &(struct epoch){0}, false, "refused:"));
}

/* Nothing is promised that is taken, or may yet be: by that order or by any other. */
static void test_no_promise(void)
{
	quiet();
	CU_ASSERT(take("later:"));
	CU_ASSERT(cancel("later: 0000beef"));
	CU_ASSERT_EQUAL(world.refused.number, 0);
	CU_ASSERT(strstr(replica.word.text, "promise") != NULL);
	store_is_in(&order, true);
	CU_ASSERT(cancel("known 5 b.example"));
	quiet();
	world.standing = true; /* another node's, or ours before its restart */
	CU_ASSERT(cancel("later:"));
	quiet();
	store_is_in(&others, true);
	CU_ASSERT(cancel("known 5 b.example"));
	quiet();
	world.settings = others; /* the owner is silent, its word is old */
	CU_ASSERT(cancel("known 5 b.example"));
	quiet();
	store_is_in(&first, true);
	CU_ASSERT(cancel("later:"));
	quiet();
	world.primary = true;
	CU_ASSERT(cancel("later:"));
	CU_ASSERT_EQUAL(world.refused.number, 0);
}

/* An order of the same moment, on another node: the promise stands, and is not given yet. */
static void test_race(void)
{
	quiet();
	world.begun_meanwhile = &order;
	CU_ASSERT(cancel("later:"));
	CU_ASSERT(epoch_equal(&world.refused, &order));
	store_is_in(&order, true); /* it was taken all the same: it is being given back */
	CU_ASSERT(cancel("later:"));
	CU_ASSERT(strstr(answer, "given back") != NULL);
	world.begun_meanwhile = NULL;
	world.standing = false;
	store_is_in(&given, false);
	CU_ASSERT(cancel("known 6 a.example"));
}

/* Its admin has given it back: the other side hears that, in whatever way it asks. */
static void test_given_back(void)
{
	quiet();
	world.refused = order;
	world.settings = given;
	store_is_in(&given, false);
	CU_ASSERT(cancel("known 6 a.example"));
	CU_ASSERT(take("refused:"));
	CU_ASSERT_EQUAL(begun, 0);
}

static const struct unit_test tests[] = {
	{"TAKE", test_take},
	{"TAKE, not now", test_take_later},
	{"TAKE refused", test_take_refused},
	{"TAKE whose job failed", test_take_failed},
	{"CANCEL", test_promise},
	{"CANCEL without a promise", test_no_promise},
	{"both at once", test_race},
	{"given back", test_given_back},
};
UNIT_MAIN("peer-take", tests)
