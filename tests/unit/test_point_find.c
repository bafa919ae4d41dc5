/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The list of points comes from the receiver in pages; the receiver is the test. */
#include "engine/point_find.h"

#include <errno.h>
#include <string.h>

#include "common/clock.h"
#include "engine/receiver_child.h"
#include "unit.h"

#define UUID "0b0c6a0e-3f1d-4c53-9d27-2f3f0d3f7a11"

static struct engine engine;
static struct replica replica = {.engine = &engine};
static bool is_open;
static struct {
	int count, result; /* of what was sent */
	uint64_t id, after_seq;
	bool cycles, no_verdicts;
} asked;
static struct {
	int count, error;
	uint64_t seq;
	char text[REASON_MAX];
} told;

bool replica_is_open(const struct replica *one)
{
	(void)one;
	return is_open;
}

int receiver_child_send(struct receiver_child *child, enum frame_type type,
			const ProtobufCMessage *message)
{
	const Vmreplica__Ipc__PointsQuery *query = (const Vmreplica__Ipc__PointsQuery *)message;

	(void)child;
	CU_ASSERT_EQUAL(type, FRAME_POINTS_QUERY);
	CU_ASSERT_STRING_EQUAL(query->relationship, UUID);
	asked.count++;
	asked.id = query->id;
	asked.after_seq = query->after_seq;
	asked.cycles = query->cycles;
	asked.no_verdicts = query->no_verdicts;
	return asked.result;
}

static void told_cb(void *arg, int error, const char *text, const Vmreplica__Point *point)
{
	CU_ASSERT_PTR_EQUAL(arg, &told);
	told.count++;
	told.error = error;
	told.seq = point != NULL ? point->seq : 0;
	snprintf(told.text, sizeof(told.text), "%s", text);
}

static int find(const char *words)
{
	struct point_wish wish;
	char error[POINT_SELECT_ERROR_LEN];

	memset(&asked, 0, sizeof(asked));
	memset(&told, 0, sizeof(told));
	is_open = true;
	memcpy(replica.settings.relationship, UUID, sizeof(UUID));
	CU_ASSERT_EQUAL_FATAL(point_wish_parse(words, &wish, error), 0);
	return point_find(&replica, &wish, told_cb, &told);
}

/* A page of cycles first to last; every fifth is a point. */
static bool answer(uint64_t id, uint64_t first, uint64_t last, bool more)
{
	Vmreplica__Ipc__ReplicaPoints page = VMREPLICA__IPC__REPLICA_POINTS__INIT;
	Vmreplica__Point points[8], *list[8];
	bool ours;

	for (uint64_t seq = first; seq <= last; seq++) {
		vmreplica__point__init(&points[page.n_points]);
		points[page.n_points].seq = seq;
		points[page.n_points].verdict = (char *)(uintptr_t) "ok";
		points[page.n_points].point = seq % 5 == 0;
		list[page.n_points] = &points[page.n_points];
		page.n_points++;
	}
	page.id = id;
	page.points = list;
	page.more = more;
	ours = point_find_answered(&engine, &page);
	memset(points, 0xff, sizeof(points)); /* a page is gone with its frame */
	return ours;
}

/* The points alone first; a point is told at once. */
static void test_point(void)
{
	CU_ASSERT_EQUAL(find("seq:5"), 0);
	CU_ASSERT_FALSE(asked.cycles);
	CU_ASSERT_TRUE(asked.no_verdicts);
	CU_ASSERT_EQUAL(asked.after_seq, 0);
	CU_ASSERT_TRUE(answer(asked.id, 5, 5, false));
	CU_ASSERT_EQUAL(asked.count, 1);
	CU_ASSERT_EQUAL(told.count, 1);
	CU_ASSERT_EQUAL(told.seq, 5);
	CU_ASSERT_PTR_NULL(engine.point_findings);
}

/* Then cycles, page by page, each behind the last one of the page before. */
static void test_pages(void)
{
	uint64_t first;

	CU_ASSERT_EQUAL(find("seq:14"), 0);
	first = asked.id;
	CU_ASSERT_TRUE(answer(asked.id, 10, 10, false));
	CU_ASSERT_EQUAL(told.count, 0);
	CU_ASSERT_EQUAL(asked.count, 2);
	CU_ASSERT_TRUE(asked.cycles);
	CU_ASSERT_FALSE(asked.no_verdicts);
	CU_ASSERT_EQUAL(asked.after_seq, 10);
	CU_ASSERT_NOT_EQUAL(asked.id, first);
	CU_ASSERT_TRUE(answer(first, 11, 14, false)); /* an old one, late: nobody's */
	CU_ASSERT_EQUAL(told.count, 0);
	CU_ASSERT_TRUE(answer(asked.id, 11, 12, true));
	CU_ASSERT_EQUAL(asked.count, 3);
	CU_ASSERT_EQUAL(asked.after_seq, 12);
	CU_ASSERT_TRUE(answer(asked.id, 13, 18, true));
	CU_ASSERT_EQUAL(told.count, 1);
	CU_ASSERT_EQUAL(told.error, 0);
	CU_ASSERT_EQUAL(told.seq, 14);
	CU_ASSERT_PTR_NULL(engine.point_findings);
}

/* A receiver that says "more" and sends nothing does not make it go on for ever. */
static void test_empty_page(void)
{
	CU_ASSERT_EQUAL(find("latest"), 0);
	CU_ASSERT_TRUE(answer(asked.id, 5, 5, true));
	CU_ASSERT_TRUE(answer(asked.id, 1, 0, true));
	CU_ASSERT_TRUE(asked.cycles);
	CU_ASSERT_TRUE(answer(asked.id, 6, 7, true));
	CU_ASSERT_TRUE(answer(asked.id, 1, 0, true));
	CU_ASSERT_EQUAL(told.count, 1);
	CU_ASSERT_EQUAL(told.seq, 7);
}

static void test_none(void)
{
	CU_ASSERT_EQUAL(find("seq:12"), 0);
	CU_ASSERT_TRUE(answer(asked.id, 5, 5, false));
	CU_ASSERT_TRUE(answer(asked.id, 6, 9, false));
	CU_ASSERT_EQUAL(told.count, 1);
	CU_ASSERT_TRUE(told.error < 0);
	CU_ASSERT_STRING_NOT_EQUAL(told.text, "");
}

/* Every way in which the receiver is not there. */
static void test_receiver_gone(void)
{
	Vmreplica__Ipc__ReplicaPoints failed = VMREPLICA__IPC__REPLICA_POINTS__INIT;

	CU_ASSERT_EQUAL(find("latest"), 0);
	failed.id = asked.id;
	failed.error = EIO;
	failed.text = (char *)(uintptr_t) "the list cannot be read";
	CU_ASSERT_TRUE(point_find_answered(&engine, &failed));
	CU_ASSERT_EQUAL(told.error, -EIO);
	CU_ASSERT_STRING_EQUAL(told.text, "the list cannot be read");

	CU_ASSERT_EQUAL(find("latest"), 0);
	asked.result = -ENOTCONN; /* it ends between two pages */
	CU_ASSERT_TRUE(answer(asked.id, 5, 5, true));
	CU_ASSERT_EQUAL(told.count, 1);
	CU_ASSERT_EQUAL(told.error, -ENOTCONN);

	CU_ASSERT_EQUAL(find("latest"), 0);
	point_find_tick(&engine, clock_monotonic_ms());
	CU_ASSERT_EQUAL(told.count, 0);
	point_find_tick(&engine, clock_monotonic_ms() + 60000);
	CU_ASSERT_EQUAL(told.error, -ETIMEDOUT);

	CU_ASSERT_EQUAL(find("latest"), 0);
	point_find_tick(&engine, INT64_MAX);
	CU_ASSERT_EQUAL(told.error, -ESHUTDOWN);
	CU_ASSERT_PTR_NULL(engine.point_findings);
}

/* What is not begun is not answered. */
static void test_not_begun(void)
{
	struct point_wish wish = {0};

	CU_ASSERT_FALSE(answer(7, 1, 1, false)); /* an id of admin_points.c */
	memset(&told, 0, sizeof(told));
	is_open = false;
	CU_ASSERT_EQUAL(point_find(&replica, &wish, told_cb, &told), -ENOTCONN);
	is_open = true;
	asked.result = -EPIPE;
	CU_ASSERT_EQUAL(point_find(&replica, &wish, told_cb, &told), -EPIPE);
	CU_ASSERT_PTR_NULL(engine.point_findings);
	CU_ASSERT_EQUAL(told.count, 0);
}

static const struct unit_test tests[] = {
	{"a point", test_point},
	{"pages", test_pages},
	{"a page with nothing in it", test_empty_page},
	{"there is no such point", test_none},
	{"the receiver is not there", test_receiver_gone},
	{"what is not begun", test_not_begun},
};
UNIT_MAIN("point_find", tests)
