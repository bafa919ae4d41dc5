/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The plan of a batch against the obvious way: all records in order. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "receiver/batch.h"
#include "unit.h"

#define DISKS 3u
#define SPACE 4000u

struct record {
	uint32_t disk;
	uint64_t offset, length;
};

static struct record records[BATCH_RECORDS_MAX];
static int in_order[DISKS][SPACE]; /* which record a byte is of; -1 = none */
static int planned[DISKS][SPACE];

static void record_random(size_t i)
{
	struct record *r = &records[i];

	r->disk = (uint32_t)random() % DISKS;
	r->offset = (uint64_t)random() % (SPACE - 1);
	r->length = 1 + (uint64_t)random() % (random() % 20 == 0 ? SPACE : 60);
	r->length = r->length < SPACE - r->offset ? r->length : SPACE - r->offset;
}

/* In a log: ascending by disk and offset. */
static int record_compare(const void *a, const void *b)
{
	const struct record *x = a, *y = b;

	if (x->disk != y->disk) {
		return x->disk < y->disk ? -1 : 1;
	}
	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* Bytes written twice. */
static size_t plan_run(const struct batch *batch, size_t count)
{
	size_t twice = 0;

	for (size_t i = 0; i < count; i++) {
		size_t n;
		const struct batch_piece *pieces = batch_pieces(batch, i, &n);

		for (size_t k = 0; k < n; k++) {
			CU_ASSERT_EQUAL(pieces[k].disk, records[i].disk);
			CU_ASSERT_TRUE(pieces[k].length > 0);
			CU_ASSERT_TRUE(pieces[k].offset >= records[i].offset);
			CU_ASSERT_TRUE(pieces[k].offset + pieces[k].length <=
				       records[i].offset + records[i].length);
			for (uint64_t b = 0; b < pieces[k].length; b++) {
				int *byte = &planned[pieces[k].disk][pieces[k].offset + b];

				twice += *byte != -1;
				*byte = (int)i;
			}
		}
	}
	return twice;
}

static void check_against_order(size_t count)
{
	struct batch *batch = batch_new();

	memset(in_order, 0xff, sizeof(in_order));
	memset(planned, 0xff, sizeof(planned));
	for (size_t i = 0; i < count; i++) {
		CU_ASSERT_EQUAL(
			batch_add(batch, records[i].disk, records[i].offset, records[i].length), 0);
		for (uint64_t b = 0; b < records[i].length; b++) {
			in_order[records[i].disk][records[i].offset + b] = (int)i;
		}
	}
	CU_ASSERT_EQUAL(batch_plan(batch), 0);
	CU_ASSERT_EQUAL(plan_run(batch, count), 0);
	CU_ASSERT_EQUAL(memcmp(in_order, planned, sizeof(planned)), 0);
	batch_free(batch);
}

static void test_random(void)
{
	srandom(20);
	for (int round = 0; round < 300; round++) {
		size_t count = (size_t)random() % 200;

		for (size_t i = 0; i < count; i++) {
			record_random(i);
		}
		check_against_order(count);
	}
}

/* As logs are: a few ascending runs, whose records do not overlap. */
static void test_logs(void)
{
	srandom(21);
	for (int round = 0; round < 200; round++) {
		size_t count = 0;

		for (long logs = 1 + random() % 10; logs > 0; logs--) {
			size_t begin = count, kept;

			for (long i = random() % 30; i > 0; i--) {
				record_random(count++);
			}
			qsort(&records[begin], count - begin, sizeof(records[0]), record_compare);
			kept = begin;
			for (size_t i = begin; i < count; i++) {
				const struct record *last = &records[kept > begin ? kept - 1 : i];

				if (kept == begin || last->disk != records[i].disk ||
				    last->offset + last->length <= records[i].offset) {
					records[kept++] = records[i];
				}
			}
			count = kept;
		}
		check_against_order(count);
	}
}

static void test_cases(void)
{
	static const struct record cases[] = {
		{0, 0, 100},   {1, 0, 100},   {0, 50, 100}, /* another disk does not cover */
		{0, 0, SPACE}, {0, 10, 1},    {0, 11, 1},   /* one over all, then holes in it */
		{0, 12, 1},    {0, 500, 100}, {0, 500, 100}, {2, SPACE - 1, 1},
	};
	struct batch *batch = batch_new();
	size_t n;

	memcpy(records, cases, sizeof(cases));
	check_against_order(sizeof(cases) / sizeof(cases[0]));

	CU_ASSERT_EQUAL(batch_add(batch, 0, 0, 1u << 20), 0);
	CU_ASSERT_EQUAL(batch_add(batch, 0, 0, 1u << 20), 0);
	CU_ASSERT_EQUAL(batch_plan(batch), 0);
	CU_ASSERT_PTR_NULL(batch_pieces(batch, 0, &n)); /* its payload is not even read */
	CU_ASSERT_EQUAL(n, 0);
	CU_ASSERT_PTR_NOT_NULL(batch_pieces(batch, 1, &n));
	CU_ASSERT_EQUAL(n, 1);
	batch_truncate(batch, 1);
	CU_ASSERT_EQUAL(batch_count(batch), 1);
	CU_ASSERT_EQUAL(batch_plan(batch), 0);
	CU_ASSERT_PTR_NOT_NULL(batch_pieces(batch, 0, &n));
	CU_ASSERT_EQUAL(n, 1);
	batch_clear(batch);
	CU_ASSERT_EQUAL(batch_count(batch), 0);
	CU_ASSERT_EQUAL(batch_plan(batch), 0);
	CU_ASSERT_EQUAL(batch_add(batch, 0, 5, 0), -EINVAL);
	CU_ASSERT_EQUAL(batch_add(batch, 0, UINT64_MAX - 4, 6), -EINVAL);
	batch_free(batch);
}

/* What this process used: what else the machine does is no matter of the plan. */
static int64_t cpu_ms(void)
{
	struct timespec spent;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent);
	return (int64_t)spent.tv_sec * 1000 + spent.tv_nsec / 1000000;
}

/* At the bound, with the worst order that a sender can choose: each record is a run of its own. */
static void test_bound(void)
{
	struct batch *batch = batch_new();
	int64_t start_ms;
	size_t n, written = 0;

	for (size_t i = 0; i < BATCH_RECORDS_MAX; i++) {
		CU_ASSERT_EQUAL_FATAL(
			batch_add(batch, 0, (BATCH_RECORDS_MAX - i) * (1u << 17), 1u << 16), 0);
	}
	CU_ASSERT_EQUAL(batch_add(batch, 0, 0, 1), -E2BIG);
	start_ms = cpu_ms();
	CU_ASSERT_EQUAL(batch_plan(batch), 0);
	CU_ASSERT_TRUE(cpu_ms() - start_ms < 60000);
	for (size_t i = 0; i < BATCH_RECORDS_MAX; i++) {
		batch_pieces(batch, i, &n);
		written += n;
	}
	CU_ASSERT_EQUAL(written, BATCH_RECORDS_MAX);
	fprintf(stderr, "worst plan: %ld ms\n", (long)(cpu_ms() - start_ms));
	batch_free(batch);
}

static const struct unit_test tests[] = {
	{"random records", test_random},
	{"logs", test_logs},
	{"cases", test_cases},
	{"bound", test_bound},
};

int main(void)
{
	return unit_run("batch of logs", tests, sizeof(tests) / sizeof(tests[0]));
}
