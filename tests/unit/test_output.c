/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "admin/output.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

static void test_bytes(void)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} cases[] = {{0, "0 B"},
		     {1023, "1023 B"},
		     {1024, "1.0 KiB"},
		     {1536, "1.5 KiB"},
		     {1048575, "1.0 MiB"}, /* not "1024.0 KiB" */
		     {1024ull * 1024 * 1024 * 5 / 2, "2.5 GiB"},
		     {UINT64_MAX, "16.0 EiB"}};
	char buf[OUTPUT_TEXT_LEN];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CU_ASSERT_STRING_EQUAL(output_bytes(cases[i].bytes, buf), cases[i].text);
	}
}

static void test_duration(void)
{
	static const struct {
		int64_t seconds;
		const char *text;
	} cases[] = {{-1, "-"},
		     {0, "0 s"},
		     {59, "59 s"},
		     {60, "1 min 0 s"},
		     {3599, "59 min 59 s"},
		     {3600, "1 h 0 min"},
		     {86399, "23 h 59 min"},
		     {90000, "1 d 1 h"}};
	char buf[OUTPUT_TEXT_LEN];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CU_ASSERT_STRING_EQUAL(output_duration(cases[i].seconds, buf), cases[i].text);
	}
}

/* What table prints; free it. */
static char *printed(const struct table *table)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	CU_ASSERT_EQUAL_FATAL(table_print(table, out), 0);
	fclose(out);
	return text;
}

static void test_table_aligns(void)
{
	struct table table = {0};
	char *text;

	table_begin(&table, "VM", "STATE", "NOTE", NULL);
	table_row(&table, "web1", "Replicating", "", NULL);
	table_row(&table, "a-longer-name", "Critical", "broken", NULL);
	CU_ASSERT_EQUAL(table_data_rows(&table), 2);
	text = printed(&table);
	CU_ASSERT_STRING_EQUAL(text, "VM             STATE        NOTE\n"
				     "web1           Replicating  -\n"
				     "a-longer-name  Critical     broken\n");
	free(text);
	table_destroy(&table);
}

static void test_table_cuts_last_column(void)
{
	char sentence[300];
	struct table table = {0};
	char *text, *end;

	memset(sentence, 'x', sizeof(sentence) - 1);
	sentence[sizeof(sentence) - 1] = '\0';
	table_begin(&table, "PEER", "WHY", NULL);
	table_row(&table, "a.example", sentence, NULL);
	text = printed(&table);
	end = strchr(text, '\n');
	CU_ASSERT_EQUAL_FATAL(strlen(end + 1), OUTPUT_WIDTH + 1);
	free(text);
	table_destroy(&table);
}

static void test_table_short_row(void)
{
	struct table table = {0};
	char *text;

	table_begin(&table, "A", "B", "C", NULL);
	table_row(&table, "1", NULL);
	text = printed(&table);
	CU_ASSERT_STRING_EQUAL(text, "A  B  C\n1  -  -\n");
	free(text);
	table_destroy(&table);
}

static void test_json_values(void)
{
	json_t *value = output_json_text("");

	CU_ASSERT_TRUE(json_is_null(value));
	json_decref(value);
	value = output_json_string("caf\xe9 \xff");
	CU_ASSERT_STRING_EQUAL(json_string_value(value), "caf? ?");
	json_decref(value);
	value = output_json_time(0);
	CU_ASSERT_TRUE(json_is_null(value));
	json_decref(value);
	value = output_json_time(1795343460123);
	CU_ASSERT_STRING_EQUAL(json_string_value(value), "2026-11-22T10:31:00.123Z");
	json_decref(value);
}

static void test_json_append_passes_failure_on(void)
{
	json_t *array = json_array();

	output_json_append(&array, json_integer(1));
	CU_ASSERT_EQUAL(json_array_size(array), 1);
	output_json_append(&array, NULL);
	CU_ASSERT_PTR_NULL(array);
	output_json_append(&array, json_integer(2));
	CU_ASSERT_PTR_NULL(array);
}

static const struct unit_test tests[] = {
	{"bytes", test_bytes},
	{"duration", test_duration},
	{"table aligns its columns", test_table_aligns},
	{"table cuts its last column", test_table_cuts_last_column},
	{"table fills a short row", test_table_short_row},
	{"json of strings and times", test_json_values},
	{"json append passes a failure on", test_json_append_passes_failure_on},
};
UNIT_MAIN("output", tests)
