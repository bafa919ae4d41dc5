/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/schedule.h"

#include "proto/limits.h"

#define MINUTE_MS 60000

static int64_t frequency_ms(const struct schedule_entry *entry)
{
	return (int64_t)entry->frequency_s * 1000;
}

void schedule_entry_init(struct schedule_entry *entry, uint32_t frequency_s, int32_t priority,
			 int64_t now_ms)
{
	*entry = (struct schedule_entry){
		.frequency_s = frequency_s, .priority = priority, .tick_ms = now_ms};
}

void schedule_entry_set_frequency(struct schedule_entry *entry, uint32_t frequency_s,
				  int64_t now_ms)
{
	entry->frequency_s = frequency_s;
	if (entry->tick_ms > now_ms + frequency_ms(entry)) {
		entry->tick_ms = now_ms + frequency_ms(entry);
	}
}

void schedule_entry_restart(struct schedule_entry *entry, int64_t now_ms)
{
	entry->tick_ms = now_ms;
	entry->retry_ms = 0;
	entry->failures = 0;
}

int64_t schedule_entry_due_ms(const struct schedule_entry *entry)
{
	if (entry->running || !entry->eligible) {
		return SCHEDULE_NEVER;
	}
	if (entry->wanted) {
		return 0;
	}
	return entry->retry_ms != 0 ? entry->retry_ms : entry->tick_ms;
}

uint64_t schedule_entry_account(struct schedule_entry *entry, int64_t now_ms)
{
	int64_t passed = (now_ms - entry->tick_ms) / frequency_ms(entry);

	if (now_ms < entry->tick_ms || passed <= 0) {
		return 0;
	}
	entry->tick_ms += passed * frequency_ms(entry);
	return entry->bulk ? 0 : (uint64_t)passed;
}

int64_t schedule_retry_ms(uint32_t failures, uint32_t frequency_s)
{
	static const int minutes[] = {1, 2, 4, 8, 10};
	int64_t ms = 30 * MINUTE_MS;

	if (failures >= 1 && failures <= sizeof(minutes) / sizeof(minutes[0])) {
		ms = (int64_t)minutes[failures - 1] * MINUTE_MS;
	}
	if (frequency_s < FREQUENCY_DEFAULT_S) {
		ms = ms * frequency_s / FREQUENCY_DEFAULT_S;
	}
	return ms;
}

int64_t schedule_recheck_ms(uint32_t frequency_s)
{
	int64_t ms = (int64_t)frequency_s * 10 * 1000;

	if (ms < MINUTE_MS) {
		return MINUTE_MS;
	}
	return ms > 30 * MINUTE_MS ? 30 * MINUTE_MS : ms;
}

/* Use up the tick that now stands in, if its time has come. */
static bool schedule_entry_take_tick(struct schedule_entry *entry, int64_t now_ms)
{
	if (now_ms < entry->tick_ms) {
		return false;
	}
	entry->tick_ms += frequency_ms(entry);
	return true;
}

uint64_t schedule_entry_finish(struct schedule_entry *entry, enum schedule_outcome outcome,
			       int64_t retry_hint_ms, int64_t now_ms)
{
	uint64_t missed = schedule_entry_account(entry, now_ms);

	entry->running = false;
	entry->wanted = entry->wanted && outcome == SCHEDULE_CONTINUED;
	entry->retry_ms = retry_hint_ms > 0 ? now_ms + retry_hint_ms : 0;
	switch (outcome) {
	case SCHEDULE_OK:
		schedule_entry_take_tick(entry, now_ms);
		entry->failures = 0;
		entry->retry_ms = 0;
		break;
	case SCHEDULE_MISSED:
		if (schedule_entry_take_tick(entry, now_ms) && !entry->bulk) {
			missed++;
		}
		break;
	case SCHEDULE_FAILED:
		if (entry->failures < UINT32_MAX) {
			entry->failures++;
		}
		if (retry_hint_ms <= 0) {
			entry->retry_ms =
				now_ms + schedule_retry_ms(entry->failures, entry->frequency_s);
		}
		break;
	case SCHEDULE_DENIED:
		entry->retry_ms = now_ms + schedule_recheck_ms(entry->frequency_s);
		break;
	case SCHEDULE_CONTINUED:
	case SCHEDULE_CANCELLED:
		entry->retry_ms = now_ms;
		break;
	}
	return missed;
}

bool schedule_entry_is_exhausted(const struct schedule_entry *entry)
{
	return entry->failures > SCHEDULE_RETRIES_BEFORE_CRITICAL;
}

static int64_t schedule_rank(const struct schedule_entry *entry, int64_t now_ms)
{
	int64_t overdue = now_ms - schedule_entry_due_ms(entry);

	return entry->priority + overdue / frequency_ms(entry);
}

/* True when a goes before b; both are due. */
static bool schedule_is_before(const struct schedule_entry *a, const struct schedule_entry *b,
			       int64_t now_ms)
{
	int64_t rank_a, rank_b;

	if (a->wanted != b->wanted) {
		return a->wanted;
	}
	if (!a->wanted) {
		rank_a = schedule_rank(a, now_ms);
		rank_b = schedule_rank(b, now_ms);
		if (rank_a != rank_b) {
			return rank_a > rank_b;
		}
	} else if (a->priority != b->priority) {
		return a->priority > b->priority;
	}
	return schedule_entry_due_ms(a) < schedule_entry_due_ms(b);
}

size_t schedule_pick(const struct schedule_entry *const *entries, size_t count, int64_t now_ms)
{
	size_t best = SIZE_MAX;
	unsigned int running = 0, bulk = 0;

	for (size_t i = 0; i < count; i++) {
		running += entries[i]->running ? 1 : 0;
		bulk += entries[i]->running && entries[i]->bulk ? 1 : 0;
	}
	if (running >= SCHEDULE_MAX_RUNNING) {
		return SIZE_MAX;
	}
	for (size_t i = 0; i < count; i++) {
		const struct schedule_entry *entry = entries[i];

		if (schedule_entry_due_ms(entry) > now_ms ||
		    (entry->bulk && bulk >= SCHEDULE_MAX_RUNNING - 1)) {
			continue;
		}
		if (best == SIZE_MAX || schedule_is_before(entry, entries[best], now_ms)) {
			best = i;
		}
	}
	return best;
}

int64_t schedule_next_ms(const struct schedule_entry *const *entries, size_t count)
{
	int64_t next = SCHEDULE_NEVER;

	for (size_t i = 0; i < count; i++) {
		int64_t due = schedule_entry_due_ms(entries[i]);

		if (due < next) {
			next = due;
		}
	}
	return next;
}

static bool interval_is_over(int64_t then_ms, int64_t now_ms, int64_t interval_ms, int64_t early_ms)
{
	return then_ms == 0 || now_ms < then_ms || now_ms - then_ms + early_ms >= interval_ms;
}

bool schedule_application_is_due(const struct schedule_application *application, int64_t now_ms)
{
	int64_t interval_ms = (int64_t)application->interval_s * 1000;
	int64_t early_ms = (int64_t)application->frequency_s * 500;
	int64_t retry_ms = interval_ms < MINUTE_MS ? interval_ms : MINUTE_MS;

	return interval_ms != 0 &&
	       interval_is_over(application->last_ms, now_ms, interval_ms, early_ms) &&
	       interval_is_over(application->tried_ms, now_ms, retry_ms, early_ms);
}

const char *schedule_outcome_to_string(enum schedule_outcome outcome)
{
	switch (outcome) {
	case SCHEDULE_OK:
		return "committed";
	case SCHEDULE_MISSED:
		return "missed";
	case SCHEDULE_FAILED:
		return "failed";
	case SCHEDULE_DENIED:
		return "denied";
	case SCHEDULE_CONTINUED:
		return "continued";
	case SCHEDULE_CANCELLED:
		return "cancelled";
	}
	return "?";
}
