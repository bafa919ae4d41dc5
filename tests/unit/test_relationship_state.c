/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/relationship_state.h"
#include "golden.h"
#include "proto/names.h"
#include "unit.h"

/* Every event in every state that can be reached. */
static void test_table(void)
{
	struct relationship_state seen[64];
	size_t count = 0;
	struct golden golden;

	golden_begin(&golden);
	relationship_state_init(&seen[count++], 0);
	relationship_state_init(&seen[count++], 1);
	for (size_t i = 0; i < count; i++) {
		fprintf(golden.file, "%s (before %s)\n", state_to_string(seen[i].state),
			state_to_string(seen[i].before));
		for (int event = 0; event < RELATIONSHIP_EVENT_COUNT; event++) {
			struct relationship_state next = seen[i];
			bool known = false;

			relationship_state_apply(&next, (enum relationship_event)event);
			fprintf(golden.file, "  %-16s -> %s (before %s)\n",
				relationship_event_to_string((enum relationship_event)event),
				state_to_string(next.state), state_to_string(next.before));
			for (size_t k = 0; k < count; k++) {
				known = known || (seen[k].state == next.state &&
						  seen[k].before == next.before);
			}
			if (!known && count < 64) {
				seen[count++] = next;
			}
		}
	}
	CU_ASSERT(count < 64);
	CU_ASSERT(golden_end(&golden, "engine/relationship-state.golden"));
}

static void test_suspend_remembers(void)
{
	struct relationship_state state;

	relationship_state_init(&state, 1);
	relationship_state_apply(&state, RELATIONSHIP_RESYNC_REQUIRED);
	CU_ASSERT(relationship_state_apply(&state, RELATIONSHIP_SUSPEND) != 0);
	CU_ASSERT_EQUAL(state.state, VMREPLICA__STATE__STATE_RESYNCHRONIZE_SUSPENDED);
	CU_ASSERT_EQUAL(relationship_state_apply(&state, RELATIONSHIP_SUSPEND), 0);
	relationship_state_apply(&state, RELATIONSHIP_RESUME);
	CU_ASSERT_EQUAL(state.state, VMREPLICA__STATE__STATE_WAITING_FOR_RESYNCHRONIZE);
}

static void test_adopts(void)
{
	struct relationship_state state;

	relationship_state_adopt(&state, VMREPLICA__STATE__STATE_INITIAL_REPLICATION);
	CU_ASSERT_EQUAL(state.state, VMREPLICA__STATE__STATE_WAITING_FOR_INITIAL_REPLICATION);
	relationship_state_adopt(&state, VMREPLICA__STATE__STATE_RESYNCHRONIZING);
	CU_ASSERT_EQUAL(state.state, VMREPLICA__STATE__STATE_WAITING_FOR_RESYNCHRONIZE);
	relationship_state_adopt(&state, VMREPLICA__STATE__STATE_REPLICATING);
	CU_ASSERT_EQUAL(state.state, VMREPLICA__STATE__STATE_REPLICATING);
}

static const struct unit_test tests[] = {
	{"all transitions", test_table},
	{"suspending remembers", test_suspend_remembers},
	{"taking over", test_adopts},
};
UNIT_MAIN("relationship-state", tests)
