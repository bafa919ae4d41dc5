/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What crm_mon shows changes rarely: each change runs Pacemaker's scheduler. */
#include "engine/health_attribute.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "unit.h"

struct shown {
	char name[64], value[HEALTH_ATTRIBUTE_LEN];
	int changes, result;
};

static int record_health(struct cluster *cluster, const char *name, const char *value)
{
	struct shown *shown = cluster->private_data;

	shown->changes++;
	if (shown->result == 0) {
		snprintf(shown->name, sizeof(shown->name), "%s", name);
		snprintf(shown->value, sizeof(shown->value), "%s", value != NULL ? value : "");
	}
	return shown->result;
}

static const struct cluster_ops ops = {.name = "recorded", .set_health = record_health};
static struct shown shown;
static struct cluster cluster = {.ops = &ops, .private_data = &shown};
static struct health_attribute attribute;

static void begin(void)
{
	shown = (struct shown){0};
	attribute = (struct health_attribute){0};
}

static void publish(int64_t now_ms, Vmreplica__Health health, const char *code, const char *reason)
{
	Vmreplica__VmStatus status = VMREPLICA__VM_STATUS__INIT;

	status.health = health;
	status.reason_code = (char *)(uintptr_t)code;
	status.reason = (char *)(uintptr_t)reason;
	health_attribute_publish(&attribute, &cluster, "web1", &status, now_ms);
}

#define OK(ms)		 publish(ms, VMREPLICA__HEALTH__HEALTH_OK, "", "")
#define WARN(ms, reason) publish(ms, VMREPLICA__HEALTH__HEALTH_WARNING, "initial", reason)

static void test_trouble_must_last(void)
{
	begin();
	WARN(1000, "initial replication is not done");
	WARN(1000 + HEALTH_ATTRIBUTE_SETTLE_MS - 1, "initial replication is not done");
	CU_ASSERT_EQUAL(shown.changes, 0);
	WARN(1000 + HEALTH_ATTRIBUTE_SETTLE_MS, "initial replication is not done");
	CU_ASSERT_EQUAL(shown.changes, 1);
	CU_ASSERT_STRING_EQUAL(shown.value, "Warning: initial replication is not done");
	CU_ASSERT_STRING_EQUAL(shown.name, "web1");
}

static void test_ok_shows_at_once(void)
{
	begin();
	WARN(0, "the store is not open yet");
	OK(1);
	CU_ASSERT_EQUAL(shown.changes, 1);
	CU_ASSERT_STRING_EQUAL(shown.value, "OK");
}

static void test_words_change_nothing(void)
{
	begin();
	WARN(0, "1 of 20");
	WARN(HEALTH_ATTRIBUTE_SETTLE_MS, "1 of 20");
	WARN(10 * HEALTH_ATTRIBUTE_MS, "7 of 20");
	CU_ASSERT_EQUAL(shown.changes, 1);
	CU_ASSERT_STRING_EQUAL(shown.value, "Warning: 1 of 20");
}

static void test_at_most_once_a_minute(void)
{
	begin();
	for (int64_t ms = 0; ms <= HEALTH_ATTRIBUTE_MS; ms += 1000) {
		if (ms % 20000 < 10000) {
			OK(ms);
		} else {
			WARN(ms, "flapping");
		}
	}
	CU_ASSERT(shown.changes <= 2);
}

static void test_refused_is_tried_again(void)
{
	begin();
	shown.result = -ENOTCONN;
	OK(0);
	OK(1000);
	shown.result = 0;
	OK(2000);
	CU_ASSERT_EQUAL(shown.changes, 3);
	CU_ASSERT_STRING_EQUAL(shown.value, "OK");
}

static void test_removed_then_new(void)
{
	begin();
	OK(0);
	health_attribute_remove(&attribute, &cluster, "web1");
	CU_ASSERT_STRING_EQUAL(shown.value, "");
	OK(1);
	CU_ASSERT_STRING_EQUAL(shown.value, "OK");
	CU_ASSERT_EQUAL(shown.changes, 3);
}

static const struct unit_test tests[] = {
	{"trouble must last", test_trouble_must_last},
	{"OK shows at once", test_ok_shows_at_once},
	{"words change nothing", test_words_change_nothing},
	{"at most once a minute", test_at_most_once_a_minute},
	{"refused is tried again", test_refused_is_tried_again},
	{"removed, then new", test_removed_then_new},
};
UNIT_MAIN("health-attribute", tests)
