/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The replica's side of a planned failover whose takeover fails before anything is durable: the
 * receiver makes sure that nothing was taken, and only then the order goes, together with the word
 * that it will never be carried out. And an unplanned one that is resumed. */
#include <errno.h>
#include <string.h>

#include "failover_scene.h"
#include "unit.h"

static void begin(int taking, int releasing)
{
	static const struct cluster_ops ops = {.switch_role = scene_switch_role};
	struct failover_order take = {.kind = PLANNED, .epoch = order, .seq = 7};
	struct failover *failover;

	memset(&world, 0, sizeof(world));
	world.taking = taking;
	world.releasing = releasing;
	world.ended = 1;
	engine.cluster.ops = &ops;
	engine.replicas = NULL;
	vmreplica__vm_status__init(&status);
	epoch_to_message(&before, &stored);
	status.epoch = &stored;
	replica.engine = &engine;
	replica.status = &status;
	strcpy(replica.settings.relationship, ID);
	strcpy(replica.settings.vm, "web1");
	strcpy(replica.settings.peer, "a.example");
	CU_ASSERT_FATAL(failover_begin(&replica, &take, &failover) == 0);
	failover->doubt_ms = 1; /* the store's status has been asked for long enough */
}

/* So many looks of the clock, each as if all waiting were over. */
static void ticks(unsigned int count)
{
	while (count-- > 0 && engine.failovers != NULL) {
		failover_tick(&engine, INT64_MAX);
	}
}

static void test_given_up(void)
{
	struct epoch refused = {0};

	begin(-EUCLEAN, 0);
	ticks(20);
	CU_ASSERT_PTR_NULL(engine.failovers);
	CU_ASSERT_EQUAL(world.taken, 1);
	/* the receiver is asked to give back what it may hold, above the order's epoch */
	CU_ASSERT_EQUAL(world.released, 1);
	CU_ASSERT(world.released_undo);
	CU_ASSERT_EQUAL(world.released_to, order.number + 1);
	/* in one change the order goes and the refusal comes */
	CU_ASSERT_FALSE(world.present);
	CU_ASSERT_EQUAL(world.changes, 1);
	CU_ASSERT_EQUAL(epoch_parse(world.refused, &refused), 0);
	CU_ASSERT(epoch_equal(&refused, &order));
	CU_ASSERT_STRING_EQUAL(world.epoch, ""); /* no epoch was raised */
	CU_ASSERT_EQUAL(world.ended, -EUCLEAN);
	CU_ASSERT(strstr(world.text, "resynchronization") != NULL);
}

/* As long as the receiver cannot say, nothing is refused, nothing forgotten. */
static void test_not_known(void)
{
	struct failover_order standing;

	begin(-EUCLEAN, -ENOSPC);
	ticks(20);
	CU_ASSERT_PTR_NOT_NULL_FATAL(engine.failovers);
	CU_ASSERT(world.released > 3);
	CU_ASSERT_STRING_EQUAL(world.refused, "");
	CU_ASSERT(world.present && failover_order_decode(world.failover, &standing));
	CU_ASSERT(standing.undo); /* and whoever goes on with it does not turn round */
	CU_ASSERT_EQUAL(world.ended, 1);
	world.releasing = 0;
	ticks(20);
	CU_ASSERT_PTR_NULL(engine.failovers);
	CU_ASSERT(world.refused[0] != '\0');
	CU_ASSERT_FALSE(world.present);
}

/* What is durable is not given up. */
static void test_goes_forward(void)
{
	begin(-ENOSPC, 0);
	epoch_to_message(&order, &stored);
	ticks(20);
	CU_ASSERT_PTR_NOT_NULL_FATAL(engine.failovers);
	CU_ASSERT(world.taken > 3);
	CU_ASSERT_EQUAL(world.released, 0);
	CU_ASSERT_STRING_EQUAL(world.refused, "");
	failover_free_all(&engine);
}

/* What stands in the settings is gone on with here. */
static void resume(const struct failover_order *standing)
{
	failover_free_all(&engine);
	failover_order_encode(standing, world.failover);
	world.present = true;
	replica.next = NULL;
	engine.replicas = &replica;
	failover_tick(&engine, INT64_MAX);
	engine.replicas = NULL;
	ticks(20);
}

/* Another node goes on with what was on its way back. */
static void test_resumed(void)
{
	struct failover_order back = {
		.kind = PLANNED, .undo = true, .epoch = order, .seq = 7, .job = "0000beef"};

	begin(0, 0);
	resume(&back);
	CU_ASSERT_EQUAL(world.taken, 0);
	CU_ASSERT_EQUAL(world.released, 1);
	CU_ASSERT(world.refused[0] != '\0');
	CU_ASSERT_EQUAL(world.ended, -ECANCELED);
	CU_ASSERT(strstr(world.text, "taken back") != NULL);
}

/* An unplanned one that is resumed looks at the primary before it takes the store, unless it was
 * forced. */
static void test_primary_is_back(void)
{
	struct failover_order unplanned = {
		.kind = UNPLANNED, .epoch = order, .seq = 7, .job = "0000beef"};

	begin(-EIO, 0);
	world.primary = -EBUSY;
	resume(&unplanned);
	CU_ASSERT_EQUAL(world.asked, 1);
	CU_ASSERT_EQUAL(world.taken, 0);
	CU_ASSERT_EQUAL(world.released, 1); /* what an earlier attempt took goes back */
	CU_ASSERT_EQUAL(world.ended, -EBUSY);
	CU_ASSERT_STRING_EQUAL(world.text, "it lives");
	CU_ASSERT_STRING_EQUAL(world.refused, ""); /* a promise is for orders of the other side */
	begin(-EIO, 0);
	resume(&unplanned);
	CU_ASSERT_EQUAL(world.asked, 1);
	CU_ASSERT_EQUAL(world.taken, 1);
	begin(-EIO, 0);
	unplanned.forced = true;
	world.primary = -EBUSY;
	resume(&unplanned);
	CU_ASSERT_EQUAL(world.asked, 0);
	CU_ASSERT_EQUAL(world.taken, 1);
}

static const struct unit_test tests[] = {
	{"given up", test_given_up},
	{"not known yet", test_not_known},
	{"behind the point of no return", test_goes_forward},
	{"resumed on its way back", test_resumed},
	{"the primary is back", test_primary_is_back},
};
UNIT_MAIN("failover-take", tests)
