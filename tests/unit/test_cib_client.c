/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon's side of the helper: a real one on a CIB file, one that dies, one that cannot be
 * started. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cluster/cib_client.h"
#include "tests/unit/cib_session.h"
#include "tests/unit/files.h"
#include "tests/unit/loop_wait.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/unit.h"

struct seen {
	struct cib_client *client;
	int placements, settings, answers;
	size_t resources;
	int error;
	char text[256];
};

static void placement_cb(void *arg, const struct placement *placement)
{
	struct seen *seen = arg;

	CU_ASSERT_PTR_NOT_NULL(placement_find_node(placement, "a1"));
	seen->placements++;
}

static void settings_cb(void *arg, const Vmreplica__Ipc__CibSettings *settings)
{
	struct seen *seen = arg;

	seen->resources = settings->n_resources;
	seen->settings++;
}

static void done_cb(void *arg, int error, const char *text)
{
	struct seen *seen = arg;

	seen->answers++;
	seen->error = error;
	snprintf(seen->text, sizeof(seen->text), "%s", text);
}

static const struct cib_client_callbacks callbacks = {
	.placement_cb = placement_cb,
	.settings_cb = settings_cb,
};

static bool is_ready(void *arg)
{
	struct seen *seen = arg;

	return seen->placements > 0 && seen->settings > 0;
}

static bool is_answered(void *arg)
{
	return ((struct seen *)arg)->answers > 0;
}

static bool is_created(void *arg)
{
	return ((struct seen *)arg)->resources == 5;
}

static int request(struct cib_client *client, struct seen *seen)
{
	Vmreplica__Ipc__CibCreateVm *create = cib_example(0);

	return cib_client_request(client, FRAME_CIB_CREATE_VM, &create->base, &create->id, done_cb,
				  seen);
}

static bool is_sent(void *arg)
{
	struct seen *seen = arg;

	return request(seen->client, seen) == 0;
}

static void test_real_helper(void)
{
	char path[TEMP_PATH_LEN];
	char *base = file_read(TEST_FIXTURES "/cib/base.xml", NULL);
	qb_loop_t *loop = qb_loop_create();
	struct seen seen = {0};

	CU_ASSERT_PTR_NOT_NULL_FATAL(base);
	setenv("CIB_file", temp_file(path, "cib.xml", base), 1);
	setenv("VMREPLICA_CIB_HELPER", TEST_BUILDDIR "/vmreplica-cib", 1);
	free(base);
	seen.client = cib_client_new(loop, "a1", &callbacks, &seen);
	CU_ASSERT_PTR_NOT_NULL_FATAL(seen.client);
	CU_ASSERT_EQUAL(request(seen.client, &seen), -ENOTCONN);
	CU_ASSERT_PTR_NULL(cib_client_placement(seen.client));
	CU_ASSERT_PTR_NULL(cib_client_settings(seen.client));
	CU_ASSERT_TRUE(loop_wait(loop, 20000, is_ready, &seen));
	CU_ASSERT_PTR_NOT_NULL(cib_client_placement(seen.client));
	CU_ASSERT_EQUAL(seen.resources, 4);
	CU_ASSERT_EQUAL(request(seen.client, &seen), 0);
	CU_ASSERT_EQUAL(seen.answers, 0); /* never from inside the call */
	CU_ASSERT_TRUE(loop_wait(loop, 20000, is_answered, &seen));
	CU_ASSERT_EQUAL(seen.error, 0);
	CU_ASSERT_TRUE(loop_wait(loop, 20000, is_created, &seen));
	CU_ASSERT_EQUAL(seen.answers, 1);
	cib_client_free(seen.client);
	qb_loop_destroy(loop);
}

static void helper_script(const char *script)
{
	char path[TEMP_PATH_LEN];

	temp_file(path, "helper", script);
	chmod(path, 0755);
	setenv("VMREPLICA_CIB_HELPER", path, 1);
}

static bool is_answered_twice(void *arg)
{
	return ((struct seen *)arg)->answers > 1;
}

/* What was asked of a helper that dies is answered, and the next one gets its chance. */
static void test_dying_helper(void)
{
	qb_loop_t *loop = qb_loop_create();
	struct seen seen = {0};

	helper_script("#!/bin/sh\nexec sleep 0.3\n");
	seen.client = cib_client_new(loop, "a1", &callbacks, &seen);
	CU_ASSERT_PTR_NOT_NULL_FATAL(seen.client);
	CU_ASSERT_TRUE(loop_wait(loop, 5000, is_sent, &seen));
	CU_ASSERT_TRUE(loop_wait(loop, 5000, is_answered, &seen));
	CU_ASSERT_EQUAL(seen.error, -ECONNRESET);
	CU_ASSERT_PTR_NOT_NULL(strstr(seen.text, "pcs config"));
	CU_ASSERT_TRUE(loop_wait(loop, 5000, is_sent, &seen));
	CU_ASSERT_TRUE(loop_wait(loop, 5000, is_answered_twice, &seen));
	cib_client_free(seen.client);
	qb_loop_destroy(loop);
}

static void test_stop_with_request(void)
{
	qb_loop_t *loop = qb_loop_create();
	struct seen seen = {0};

	helper_script("#!/bin/sh\nexec sleep 60\n");
	seen.client = cib_client_new(loop, "a1", &callbacks, &seen);
	CU_ASSERT_PTR_NOT_NULL_FATAL(seen.client);
	CU_ASSERT_TRUE(loop_wait(loop, 5000, is_sent, &seen));
	cib_client_free(seen.client);
	CU_ASSERT_EQUAL(seen.answers, 1);
	CU_ASSERT_EQUAL(seen.error, -ECANCELED);
	qb_loop_destroy(loop);
}

/* A refusal comes from the loop at once, past what waits for the helper. */
static void test_refuse(void)
{
	qb_loop_t *loop = qb_loop_create();
	struct seen seen = {0}, refused = {0};

	helper_script("#!/bin/sh\nexec sleep 60\n");
	seen.client = cib_client_new(loop, "a1", &callbacks, &seen);
	CU_ASSERT_PTR_NOT_NULL_FATAL(seen.client);
	CU_ASSERT_TRUE(loop_wait(loop, 5000, is_sent, &seen));
	CU_ASSERT_EQUAL(
		cib_client_refuse(seen.client, -EHOSTUNREACH, "no quorum", done_cb, &refused), 0);
	CU_ASSERT_EQUAL(refused.answers, 0);
	CU_ASSERT_TRUE(loop_wait(loop, 500, is_answered, &refused));
	CU_ASSERT_EQUAL(refused.error, -EHOSTUNREACH);
	CU_ASSERT_STRING_EQUAL(refused.text, "no quorum");
	CU_ASSERT_EQUAL(seen.answers, 0);
	cib_client_free(seen.client);
	CU_ASSERT_EQUAL(seen.answers, 1);
	qb_loop_destroy(loop);
}

static bool never(void *arg)
{
	(void)arg;
	return false;
}

static void test_missing_helper(void)
{
	qb_loop_t *loop = qb_loop_create();
	struct seen seen = {0};

	setenv("VMREPLICA_CIB_HELPER", "/nonexistent/vmreplica-cib", 1);
	seen.client = cib_client_new(loop, "a1", &callbacks, &seen);
	CU_ASSERT_PTR_NOT_NULL_FATAL(seen.client);
	CU_ASSERT_FALSE(loop_wait(loop, 600, never, NULL));
	CU_ASSERT_EQUAL(request(seen.client, &seen), -ENOTCONN);
	cib_client_free(seen.client);
	qb_loop_destroy(loop);
}

static const struct unit_test tests[] = {
	{"a real helper", test_real_helper},
	{"a helper that dies", test_dying_helper},
	{"stop with a request under way", test_stop_with_request},
	{"no helper", test_missing_helper},
	{"refuse", test_refuse},
};

int main(void)
{
	int status;

	if (system("command -v crm_mon >/dev/null 2>&1") != 0) {
		printf("skipped: crm_mon is missing\n");
		return 77;
	}
	status = unit_run("cib_client", tests, sizeof(tests) / sizeof(tests[0]));
	tempdir_remove();
	return status;
}
