/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "engine/wrap_witness.h"
#include "tests/unit/golden.h"
#include "tests/unit/unit.h"

#define NODE "a1"

static const struct wrap_look as_left = {.known = true, .size_bytes = 4096, .modified_ns = 7};

static struct wrap_record record_of(enum wrap_state state, const char *node, const char *previous)
{
	struct wrap_record record = {.state = state};

	snprintf(record.node, sizeof(record.node), "%s", node);
	snprintf(record.previous, sizeof(record.previous), "%s", previous);
	if (state == WRAP_CLOSED || state == WRAP_DOUBT) {
		record.look = as_left;
	}
	if (state == WRAP_DOUBT) {
		snprintf(record.why, sizeof(record.why), "an earlier doubt");
	}
	return record;
}

static void print_record(FILE *file, const struct wrap_record *record)
{
	fprintf(file, "%s", wrap_state_to_string(record->state));
	if (record->node[0] != '\0') {
		fprintf(file, " %s", record->node);
	}
	if (record->previous[0] != '\0') {
		fprintf(file, " from %s", record->previous);
	}
	if (record->why[0] != '\0') {
		fprintf(file, " (%s)", record->why);
	}
}

/* Every state x every event, on node a1, with a disk that is as it was left. */
static void test_every_state_and_event(void)
{
	const struct wrap_record records[] = {
		record_of(WRAP_NONE, "", ""),	    record_of(WRAP_CLOSED, "", ""),
		record_of(WRAP_OPEN, "a1", ""),	    record_of(WRAP_OPEN, "a2", ""),
		record_of(WRAP_MOVING, "a1", "a2"), record_of(WRAP_MOVING, "a2", "a1"),
		record_of(WRAP_HANDED, "", ""),	    record_of(WRAP_DOUBT, "", ""),
	};
	struct golden golden;

	golden_begin(&golden);
	for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
		for (int event = WRAP_EVENT_START; event <= WRAP_EVENT_LAST; event++) {
			struct wrap_record next;
			bool changed = wrap_witness_next(&records[i], (enum wrap_event)event, NODE,
							 &as_left, &next);

			print_record(golden.file, &records[i]);
			fprintf(golden.file,
				", %s%s: ", wrap_event_to_string((enum wrap_event)event),
				wrap_witness_needs_look(&records[i], (enum wrap_event)event, NODE)
					? " with a look"
					: "");
			print_record(golden.file, &next);
			fprintf(golden.file, "%s\n", changed ? "" : " [as it was]");
		}
	}
	CU_ASSERT(golden_end(&golden, "engine/wrap-witness.golden"));
}

static void expect_start(const struct wrap_look *was, const struct wrap_look *now, const char *why)
{
	struct wrap_record record = {.state = WRAP_CLOSED, .look = *was}, next;

	CU_ASSERT_TRUE(wrap_witness_next(&record, WRAP_EVENT_START, NODE, now, &next));
	CU_ASSERT_EQUAL(next.state, why == NULL ? WRAP_OPEN : WRAP_DOUBT);
	CU_ASSERT_STRING_EQUAL(next.why, why != NULL ? why : "");
}

/* A disk is what it was only when nothing at all differs. */
static void test_what_is_compared(void)
{
	struct wrap_look other = as_left, device = as_left, unknown = {0};

	expect_start(&as_left, &as_left, NULL);
	other.size_bytes++;
	expect_start(&as_left, &other, "its size has changed while its VM was off");
	other = as_left;
	other.modified_ns++;
	expect_start(&as_left, &other, "it was written to while its VM was off");
	other = as_left;
	other.digest[31] = 1;
	expect_start(&as_left, &other, "its content has changed while its VM was off");
	expect_start(&as_left, &unknown, "it could not be looked at");
	/* one that became a file, or the other way round, is its content */
	device.device = true;
	device.modified_ns = 0;
	device.digest[0] = 1;
	expect_start(&as_left, &device, "its content has changed while its VM was off");
}

#define MINUTE_MS 60000

static struct wrap_look device_look(void)
{
	struct wrap_look look = as_left;

	look.device = true;
	look.modified_ns = 0;
	look.counters = (struct wrap_counters){.known = true,
					       .boot = "one",
					       .number = 7,
					       .disk_seq = 3,
					       .written = {8, 0},
					       .at_ms = 1000};
	return look;
}

static void expect(enum wrap_event event, const struct wrap_look *was, const struct wrap_look *now,
		   const char *why)
{
	struct wrap_record record = {.state = WRAP_CLOSED, .look = *was}, next;

	CU_ASSERT_TRUE(wrap_witness_needs_look(&record, event, NODE));
	wrap_witness_next(&record, event, NODE, now, &next);
	if (why == NULL) {
		CU_ASSERT_EQUAL(next.state, WRAP_CLOSED);
		return;
	}
	CU_ASSERT_EQUAL(next.state, WRAP_DOUBT);
	CU_ASSERT_PTR_NOT_NULL(strstr(next.why, why));
}

/* Samples say nothing of the rest of a device, and this kernel's counters nothing of other hosts: a
 * start is always doubted. While the VM is off they serve, and for the last word soon after. */
static void test_devices(void)
{
	const struct wrap_look was = device_look();
	struct wrap_look now = device_look();
	const enum wrap_event events[] = {WRAP_EVENT_OFF, WRAP_EVENT_LAST};

	expect_start(&was, &was,
		     "it is a block device: nobody knows what was written to it while its VM was "
		     "off");
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		now = device_look();
		now.counters.at_ms += 14 * MINUTE_MS;
		expect(events[i], &was, &now, NULL);
		for (size_t j = 0; j < WRAP_COUNTERS; j++) {
			now = device_look();
			now.counters.written[j]++;
			expect(events[i], &was, &now, "written to while its VM was off");
		}
		now = device_look();
		now.counters.boot[0] = 'a';
		expect(events[i], &was, &now, "this kernel has not watched it");
		now = device_look();
		now.counters.number++;
		expect(events[i], &was, &now, "this kernel has not watched it");
		now = device_look();
		now.counters.disk_seq++;
		expect(events[i], &was, &now, "this kernel has not watched it");
		now = device_look();
		now.counters.known = false;
		expect(events[i], &was, &now, "this kernel has not watched it");
		expect(events[i], &now, &was, "this kernel has not watched it");
		now = device_look();
		now.digest[0] = 1;
		expect(events[i], &was, &now, "content has changed");
	}
	now = device_look();
	now.counters.at_ms += 16 * MINUTE_MS;
	expect(WRAP_EVENT_OFF, &was, &now, NULL);
	expect(WRAP_EVENT_LAST, &was, &now, "off for long");
}

static struct wrap_record follow(const char *steps[][2], size_t count, const struct wrap_look *now)
{
	struct wrap_record record = {.state = WRAP_CLOSED, .look = as_left};

	for (size_t i = 0; i < count; i++) {
		for (int event = WRAP_EVENT_START; event <= WRAP_EVENT_LAST; event++) {
			if (strcmp(wrap_event_to_string((enum wrap_event)event), steps[i][1]) ==
			    0) {
				wrap_witness_next(&record, (enum wrap_event)event, steps[i][0], now,
						  &record);
			}
		}
	}
	return record;
}

/* The ways of a VM's life, by the calls that libvirt makes and the engine's. */
static void test_lives(void)
{
	static const char *moved[][2] = {{"a1", "start"}, {"a1", "running"}, {"a2", "arrive"},
					 {"a1", "end"},	  {"a2", "running"}, {"a2", "end"},
					 {"a1", "start"}, {"a1", "running"}};
	static const char *failed[][2] = {{"a1", "start"}, {"a2", "arrive"}, {"a2", "start"},
					  {"a2", "end"},   {"a1", "end"},    {"a2", "start"}};
	static const char *power_cut[][2] = {{"a1", "start"}, {"a1", "running"}, {"a2", "start"}};
	static const char *unseen[][2] = {{"a1", "running"}};
	static const char *settled[][2] = {{"a1", "running"},
					   {"a1", "settled-running"},
					   {"a1", "end"},
					   {"a1", "start"},
					   {"a1", "running"}};
	struct wrap_record record = follow(moved, 8, &as_left);

	CU_ASSERT_EQUAL(record.state, WRAP_OPEN);
	CU_ASSERT_STRING_EQUAL(record.node, "a1");
	CU_ASSERT_EQUAL(follow(failed, 6, &as_left).state, WRAP_OPEN);
	CU_ASSERT_EQUAL(follow(power_cut, 3, &as_left).state, WRAP_DOUBT);
	CU_ASSERT_EQUAL(follow(unseen, 1, &as_left).state, WRAP_DOUBT);
	CU_ASSERT_EQUAL(follow(settled, 5, &as_left).state, WRAP_OPEN);
}

/* A comparison of a VM that is off covers the disk as it was looked at before its cut. */
static void test_settled_while_off(void)
{
	struct wrap_look at_cut = as_left, later = as_left;
	struct wrap_record record = {.state = WRAP_CLOSED, .look = as_left};

	at_cut.modified_ns = 8;
	later.modified_ns = 9;
	wrap_witness_next(&record, WRAP_EVENT_OFF, NODE, &at_cut, &record);
	CU_ASSERT_EQUAL(record.state, WRAP_DOUBT);
	wrap_witness_next(&record, WRAP_EVENT_SETTLED_OFF, NODE, &(struct wrap_look){0}, &record);
	CU_ASSERT_EQUAL(record.state, WRAP_CLOSED);
	CU_ASSERT_FALSE(wrap_witness_next(&record, WRAP_EVENT_OFF, NODE, &at_cut, &record));
	wrap_witness_next(&record, WRAP_EVENT_OFF, NODE, &later, &record);
	CU_ASSERT_EQUAL(record.state, WRAP_DOUBT);
	later.modified_ns = 10; /* the doubt stays, and its look is the newest */
	CU_ASSERT_TRUE(wrap_witness_next(&record, WRAP_EVENT_OFF, NODE, &later, &record));
	CU_ASSERT_EQUAL(record.look.modified_ns, 10);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"every state and event", test_every_state_and_event},
		{"what is compared", test_what_is_compared},
		{"devices", test_devices},
		{"lives", test_lives},
		{"settled while off", test_settled_while_off},
	};

	return unit_run("wrap witness", tests, sizeof(tests) / sizeof(tests[0]));
}
