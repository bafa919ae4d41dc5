/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proto/message_copy.h"

#include <string.h>

#include "proto/status.pb-c.h"
#include "unit.h"

static char *text(const char *borrowed)
{
	return (char *)(uintptr_t)borrowed;
}

/* Nothing of the original is left in the copy: it outlives it. */
static void test_deep(void)
{
	char vm[] = "web1";
	Vmreplica__JobStep step = VMREPLICA__JOB_STEP__INIT, *steps[] = {&step};
	Vmreplica__Job job = VMREPLICA__JOB__INIT, *copy;

	step.name = text("overlay");
	step.begin_ms = 7;
	job.vm = vm;
	job.steps = steps;
	job.n_steps = 1;
	copy = (Vmreplica__Job *)message_copy(&job.base);
	CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
	memset(vm, 'x', sizeof(vm) - 1);
	step.name = text("gone");
	step.begin_ms = 0;
	CU_ASSERT_STRING_EQUAL(copy->vm, "web1");
	CU_ASSERT_EQUAL_FATAL(copy->n_steps, 1);
	CU_ASSERT_STRING_EQUAL(copy->steps[0]->name, "overlay");
	CU_ASSERT_EQUAL(copy->steps[0]->begin_ms, 7);
	vmreplica__job__free_unpacked(copy, NULL);
}

/* A message without any field set packs to nothing. */
static void test_empty(void)
{
	Vmreplica__Job job = VMREPLICA__JOB__INIT;
	Vmreplica__Job *copy = (Vmreplica__Job *)message_copy(&job.base);

	CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
	CU_ASSERT_EQUAL(copy->n_steps, 0);
	CU_ASSERT_STRING_EQUAL(copy->vm, "");
	vmreplica__job__free_unpacked(copy, NULL);
}

static const struct unit_test tests[] = {
	{"a copy is deep", test_deep},
	{"an empty message", test_empty},
};

UNIT_MAIN("message_copy", tests)
