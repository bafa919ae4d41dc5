/* SPDX-License-Identifier: GPL-2.0-or-later */
/* However long a store's history is, a page of its list costs what is on the page, and a point that
 * is named with --to is found in a few of them. Times are printed, ratios are judged. */
#include "receiver/points_page.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "proto/point_search.h"
#include "tempdir.h"
#include "unit.h"

#define POINTS	   24u
#define LOG_BYTES  7
#define CYCLE_MS   5000
#define BEGIN_MS   1795343400000 /* 2026-11-22T10:30:00Z */
#define WITH_FILES 20u		 /* the point whose stretch of logs has files */

struct world {
	struct store store;
	uint64_t stretch; /* logs from point to point */
};

static void hash_of(uint64_t seq, uint8_t hash[LOG_HASH_LEN])
{
	memset(hash, 1, LOG_HASH_LEN);
	memcpy(hash, &seq, sizeof(seq));
}

static void file_make(int dir_fd, const char *name)
{
	int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	CU_ASSERT_EQUAL_FATAL(ftruncate(fd, LOG_BYTES), 0);
	close(fd);
}

static bool has_file(const struct world *world, uint64_t seq)
{
	return seq > WITH_FILES * world->stretch && seq <= (WITH_FILES + 1) * world->stretch;
}

static void points_make(struct manifest *manifest, uint64_t stretch)
{
	manifest->points = calloc(POINTS, sizeof(*manifest->points));
	CU_ASSERT_PTR_NOT_NULL_FATAL(manifest->points);
	manifest->point_count = POINTS;
	for (unsigned int i = 0; i < POINTS; i++) {
		struct manifest_point *point = &manifest->points[i];

		point->cut.seq = i * stretch + (i == 0);
		point->cut.time_ms = BEGIN_MS + (int64_t)point->cut.seq * CYCLE_MS;
		hash_of(point->cut.seq, point->cut.log_hash);
		memset(point->cut.cut_id, 'c', CUT_ID_LEN);
	}
}

/* A point, logs, a point, ...; the newest cycle is count. */
static void world_init(struct world *world, uint64_t count)
{
	struct store *store = &world->store;
	static unsigned int worlds;
	char name[32], directory[TEMP_PATH_LEN];

	memset(world, 0, sizeof(*world));
	world->stretch = count / POINTS;
	snprintf(name, sizeof(name), "world-%u", ++worlds);
	temp_path(directory, name);
	CU_ASSERT_EQUAL_FATAL(mkdir(directory, 0700), 0);
	pthread_mutex_init(&store->lock, NULL);
	store->dir_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CU_ASSERT_EQUAL_FATAL(mkdirat(store->dir_fd, "gen-1", 0700), 0);
	points_make(&store->manifest, world->stretch);
	for (uint64_t seq = 2; seq <= count; seq++) {
		struct history_entry entry = {.seq = seq,
					      .generation = 1,
					      .size_bytes = LOG_BYTES,
					      .time_ms = BEGIN_MS + (int64_t)seq * CYCLE_MS};
		char file[MANIFEST_FILE_MAX + 1];

		memset(entry.cut_id, 'c', CUT_ID_LEN);
		hash_of(seq, entry.hash);
		hash_of(seq - 1, entry.previous_hash);
		CU_ASSERT_EQUAL_FATAL(history_push(&store->history, &entry), 0);
		if (has_file(world, seq)) {
			file_make(store->dir_fd, history_file_format(&entry, file));
		}
	}
}

static void world_destroy(struct world *world)
{
	struct store *store = &world->store;

	close(store->dir_fd);
	pthread_mutex_destroy(&store->lock);
	manifest_destroy(&store->manifest);
	history_destroy(&store->history);
}

static double cpu_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* What a page costs, in the middle of the stretch that has files: the best of many. */
static double page_cost(struct world *world)
{
	struct points_ask ask = {.limit = 30, .cycles = true};
	double best = 1e9;

	ask.after_seq = WITH_FILES * world->stretch + world->stretch / 4;
	for (int i = 0; i < 100; i++) {
		struct points_page page = {0};
		double begin = cpu_ms(), took;

		CU_ASSERT_EQUAL_FATAL(points_page_make(&world->store, &ask, &page), 0);
		took = cpu_ms() - begin;
		best = took < best ? took : best;
		CU_ASSERT_EQUAL(page.count, ask.limit);
		CU_ASSERT_TRUE(page.more);
		for (size_t k = 0; k < page.count; k++) {
			CU_ASSERT_EQUAL(page.points[k].seq, ask.after_seq + 1 + k);
			CU_ASSERT_STRING_EQUAL(page.points[k].verdict, "ok");
		}
		points_page_destroy(&page);
	}
	return best;
}

/* As the engine asks; the cycle that is found. */
static uint64_t lookup(struct world *world, const char *to, unsigned int *ret_pages, double *ret_ms)
{
	char error[POINT_SELECT_ERROR_LEN];
	struct point_search search;
	struct point_wish wish;
	double begin = cpu_ms();
	uint64_t found;
	int step;

	*ret_pages = 0;
	CU_ASSERT_EQUAL_FATAL(point_wish_parse(to, &wish, error), 0);
	point_search_init(&search, &wish, false);
	do {
		struct points_ask ask = {.after_seq = search.after_seq,
					 .limit = 1000,
					 .cycles = search.cycles,
					 .no_verdicts = !search.cycles};
		struct points_page page = {0};
		Vmreplica__Point *list[1000];

		CU_ASSERT_EQUAL_FATAL(points_page_make(&world->store, &ask, &page), 0);
		for (size_t i = 0; i < page.count; i++) {
			list[i] = &page.points[i];
		}
		++*ret_pages;
		step = point_search_take(&search, list, page.count, page.more, error);
		points_page_destroy(&page);
	} while (step == POINT_SEARCH_ASK);
	found = step == POINT_SEARCH_FOUND ? search.best->seq : 0;
	point_search_destroy(&search);
	*ret_ms = cpu_ms() - begin;
	return found;
}

static void test_page_cost(void)
{
	struct world small, large;
	double cost_small, cost_large;

	world_init(&small, 50 * POINTS);
	world_init(&large, HISTORY_LOGS_MAX);
	cost_small = page_cost(&small);
	cost_large = page_cost(&large);
	printf("a page of 30: %.3f ms of %u logs, %.3f ms of %u\n", cost_small, 50 * POINTS,
	       cost_large, HISTORY_LOGS_MAX);
	CU_ASSERT_TRUE(cost_large < 4 * cost_small);
	world_destroy(&small);
	world_destroy(&large);
}

/* Points and cycles of the stretch that has files, named in both ways. */
static void test_lookup(void)
{
	struct world world;
	uint64_t first, next;
	char to[64];

	world_init(&world, HISTORY_LOGS_MAX);
	first = WITH_FILES * world.stretch;
	next = first + world.stretch;
	for (uint64_t seq = first; seq < next; seq += world.stretch / 5) {
		time_t at = (time_t)(BEGIN_MS / 1000) + (time_t)(seq * CYCLE_MS / 1000);
		unsigned int pages;
		struct tm tm;
		double ms;

		snprintf(to, sizeof(to), "seq:%" PRIu64, seq);
		CU_ASSERT_EQUAL(lookup(&world, to, &pages, &ms), seq);
		/* A point takes one, a cycle those between the point below and it. */
		CU_ASSERT_TRUE(pages <= 1 + (seq - first + 999) / 1000);
		printf("%s: %u pages, %.1f ms\n", to, pages, ms);
		strftime(to, sizeof(to), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&at, &tm));
		CU_ASSERT_EQUAL(lookup(&world, to, &pages, &ms), seq);
		CU_ASSERT_TRUE(pages <= 1 + world.stretch / 1000 + 1);
		printf("%s: %u pages, %.1f ms\n", to, pages, ms);
	}
	world_destroy(&world);
}

/* Behind a log that is gone nothing is listed until the next point, however far away that is; the
 * page is full all the same. */
static void test_gap(void)
{
	struct points_ask ask = {.limit = 10, .cycles = true};
	struct points_page page = {0};
	struct world world;

	world_init(&world, 100 * POINTS);
	ask.after_seq = (WITH_FILES + 1) * world.stretch - 5;
	CU_ASSERT_EQUAL_FATAL(points_page_make(&world.store, &ask, &page), 0);
	CU_ASSERT_EQUAL(page.count, 4 + 3); /* cycles, points; that of the end has no logs */
	CU_ASSERT_FALSE(page.more);
	for (size_t i = 0; i < page.count; i++) {
		CU_ASSERT_EQUAL(page.points[i].point, i >= 4);
		CU_ASSERT_STRING_EQUAL(page.points[i].verdict, i <= 4 ? "ok" : "damaged");
	}
	points_page_destroy(&page);
	ask = (struct points_ask){.limit = 1000, .no_verdicts = true};
	CU_ASSERT_EQUAL_FATAL(points_page_make(&world.store, &ask, &page), 0);
	CU_ASSERT_EQUAL(page.count, POINTS);
	CU_ASSERT_STRING_EQUAL(page.points[POINTS - 1].verdict, "");
	points_page_destroy(&page);
	world_destroy(&world);
}

static const struct unit_test tests[] = {
	{"a page's cost", test_page_cost},
	{"lookup", test_lookup},
	{"logs that are gone", test_gap},
};

int main(void)
{
	int result = unit_run("page of points", tests, sizeof(tests) / sizeof(tests[0]));

	tempdir_remove();
	return result;
}
