/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "engine/event_ring.h"
#include "unit.h"

static struct event_ring ring;

static size_t count_after(uint64_t after)
{
	const struct event_entry *entry;
	size_t count = 0;

	while ((entry = event_ring_next(&ring, after)) != NULL) {
		CU_ASSERT(entry->id > after);
		after = entry->id;
		count++;
	}
	return count;
}

static void test_ring(void)
{
	event_ring_init(&ring, 1000);
	CU_ASSERT_PTR_NULL(event_ring_next(&ring, 0));
	event_ring_add(&ring, 5, "notice", "web1", "first");
	CU_ASSERT_EQUAL(event_ring_next(&ring, 0)->id, 1000);
	CU_ASSERT_STRING_EQUAL(event_ring_next(&ring, 0)->text, "first");
	CU_ASSERT_PTR_NULL(event_ring_next(&ring, 1000));
	for (int i = 0; i < EVENT_RING_SIZE + 10; i++) {
		event_ring_add(&ring, 6, "warning", "", "more");
	}
	CU_ASSERT_EQUAL(count_after(0), EVENT_RING_SIZE); /* the oldest went */
	CU_ASSERT_EQUAL(event_ring_next(&ring, 0)->id, 1011);
	CU_ASSERT_EQUAL(count_after(1000 + EVENT_RING_SIZE), 10);
	CU_ASSERT_EQUAL(count_after(UINT64_MAX - 1), 0); /* another engine's numbers */
}

static const struct unit_test tests[] = {{"ring", test_ring}};
UNIT_MAIN("event-ring", tests)
