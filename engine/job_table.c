/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/job_table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "engine/job_message.h"
#include "engine/job_store.h"

struct table_job {
	Vmreplica__Job *job; /* owned */
	bool unsaved, untold;
};

/* What one worker's run writes or, without a text, removes. */
struct job_write {
	struct job_write *next;
	char id[JOB_ID_LEN + 1];
	char *text; /* owned; NULL: remove the file */
};

struct job_table {
	const char *directory;		/* borrowed */
	struct workers *const *workers; /* borrowed */
	struct table_job *jobs;		/* by begin_ms */
	size_t count, capacity;
	struct job_write *writing;  /* the worker's while busy */
	struct job_write *removals; /* for the next run */
	bool busy;
};

/* ---- writing ---- */

static void writes_free(struct job_write *write)
{
	while (write != NULL) {
		struct job_write *next = write->next;

		free(write->text);
		free(write);
		write = next;
	}
}

static bool write_add(struct job_write **list, const char *id, char *text)
{
	struct job_write *write = calloc(1, sizeof(*write));

	if (write == NULL) {
		free(text);
		return false;
	}
	snprintf(write->id, sizeof(write->id), "%s", id);
	write->text = text;
	write->next = *list;
	*list = write;
	return true;
}

static int table_run(void *arg)
{
	const struct job_table *table = arg;
	int worst = 0;

	for (const struct job_write *write = table->writing; write != NULL; write = write->next) {
		int result = write->text != NULL
				     ? job_store_write(table->directory, write->id, write->text)
				     : job_store_remove(table->directory, write->id);

		worst = result < 0 ? result : worst;
	}
	return worst;
}

static void table_save(struct job_table *table);

static void table_done(void *arg, int result)
{
	struct job_table *table = arg;

	table->busy = false;
	writes_free(table->writing);
	table->writing = NULL;
	if (result < 0 && result != -ECANCELED) {
		log_warning("jobs are not kept over a restart: cannot write in %s: %s",
			    table->directory, strerror(-result));
	}
	if (result != -ECANCELED) {
		table_save(table);
	}
}

/* One run at a time, so that a file is never overtaken by an older word. */
static void table_save(struct job_table *table)
{
	if (table->busy) {
		return;
	}
	table->writing = table->removals;
	table->removals = NULL;
	for (size_t i = 0; i < table->count; i++) {
		struct table_job *entry = &table->jobs[i];
		char *text = entry->unsaved ? job_message_to_json(entry->job) : NULL;

		if (text != NULL && write_add(&table->writing, entry->job->id, text)) {
			entry->unsaved = false;
		}
	}
	if (table->writing == NULL) {
		return;
	}
	table->busy = workers_submit(*table->workers, table_run, table_done, table) == 0;
	if (!table->busy) {
		writes_free(table->writing);
		table->writing = NULL;
	}
}

/* ---- entries ---- */

static struct table_job *table_entry(const struct job_table *table, const char *id)
{
	for (size_t i = 0; i < table->count; i++) {
		if (strcmp(table->jobs[i].job->id, id) == 0) {
			return &table->jobs[i];
		}
	}
	return NULL;
}

static void table_remove(struct job_table *table, size_t index)
{
	write_add(&table->removals, table->jobs[index].job->id, NULL);
	job_message_free(table->jobs[index].job);
	memmove(&table->jobs[index], &table->jobs[index + 1],
		(table->count - index - 1) * sizeof(*table->jobs));
	table->count--;
}

static void table_trim(struct job_table *table)
{
	for (size_t i = 0; i < table->count && table->count > JOB_TABLE_MAX;) {
		if (job_message_is_running(table->jobs[i].job)) {
			i++;
		} else {
			table_remove(table, i);
		}
	}
}

/* A place for a job that began at begin_ms, or NULL when out of memory. */
static struct table_job *table_insert(struct job_table *table, int64_t begin_ms)
{
	size_t at = table->count;

	if (table->count == table->capacity) {
		size_t capacity = table->capacity + 64;
		struct table_job *jobs = reallocarray(table->jobs, capacity, sizeof(*jobs));

		if (jobs == NULL) {
			return NULL;
		}
		table->jobs = jobs;
		table->capacity = capacity;
	}
	while (at > 0 && table->jobs[at - 1].job->begin_ms > begin_ms) {
		at--;
	}
	memmove(&table->jobs[at + 1], &table->jobs[at], (table->count - at) * sizeof(*table->jobs));
	table->jobs[at] = (struct table_job){0};
	table->count++;
	return &table->jobs[at];
}

static struct table_job *table_take(struct job_table *table, const Vmreplica__Job *job)
{
	struct table_job *entry = table_entry(table, job->id);
	Vmreplica__Job *copy;

	if (!job_message_is_valid(job) || (entry != NULL && entry->job->version >= job->version)) {
		return NULL;
	}
	copy = job_message_copy(job);
	if (copy == NULL) {
		return NULL;
	}
	if (entry == NULL) {
		entry = table_insert(table, job->begin_ms);
	}
	if (entry == NULL) {
		job_message_free(copy);
		return NULL;
	}
	job_message_free(entry->job);
	entry->job = copy;
	return entry;
}

bool job_table_note(struct job_table *table, const Vmreplica__Job *job)
{
	struct table_job *entry = table_take(table, job);

	if (entry == NULL) {
		return false;
	}
	entry->unsaved = true;
	table_trim(table);
	table_save(table);
	return true;
}

const Vmreplica__Job *job_table_find(const struct job_table *table, const char *id)
{
	const struct table_job *entry = table_entry(table, id);

	return entry != NULL ? entry->job : NULL;
}

size_t job_table_count(const struct job_table *table)
{
	return table->count;
}

const Vmreplica__Job *job_table_at(const struct job_table *table, size_t index)
{
	return table->jobs[index].job;
}

void job_table_tell_again(struct job_table *table,
			  bool (*mine)(void *arg, const Vmreplica__Job *job), void *arg)
{
	for (size_t i = 0; i < table->count; i++) {
		table->jobs[i].untold = table->jobs[i].untold || mine(arg, table->jobs[i].job);
	}
}

const Vmreplica__Job *job_table_next_untold(struct job_table *table)
{
	for (size_t i = table->count; i-- > 0;) {
		if (table->jobs[i].untold) {
			table->jobs[i].untold = false;
			return table->jobs[i].job;
		}
	}
	return NULL;
}

/* ---- life ---- */

static void loaded_cb(void *arg, const Vmreplica__Job *job)
{
	table_take(arg, job);
}

struct job_table *job_table_new(const char *directory, struct workers *const *workers)
{
	struct job_table *table = calloc(1, sizeof(*table));
	int result;

	if (table == NULL) {
		return NULL;
	}
	table->directory = directory;
	table->workers = workers;
	result = job_store_load(directory, loaded_cb, table);
	if (result < 0) {
		log_warning("the jobs of before are not known: %s: %s", directory,
			    strerror(-result));
	}
	return table;
}

void job_table_free(struct job_table *table)
{
	if (table == NULL) {
		return;
	}
	for (size_t i = 0; i < table->count; i++) {
		job_message_free(table->jobs[i].job);
	}
	writes_free(table->writing);
	writes_free(table->removals);
	free(table->jobs);
	free(table);
}
