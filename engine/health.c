/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/health.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define BUCKET_MS   (HEALTH_INTERVAL_MS / HEALTH_BUCKETS)
#define STATE(name) VMREPLICA__STATE__STATE_##name

static void health_window_advance(struct health_window *window, int64_t now_ms)
{
	int64_t current = now_ms / BUCKET_MS;

	if (current - window->last >= HEALTH_BUCKETS) {
		memset(window->buckets, 0, sizeof(window->buckets));
		window->last = current;
	}
	while (window->last < current) {
		window->last++;
		memset(&window->buckets[window->last % HEALTH_BUCKETS], 0,
		       sizeof(window->buckets[0]));
	}
}

void health_window_add(struct health_window *window, const struct health_counts *counts,
		       int64_t now_ms)
{
	size_t index;

	health_window_advance(window, now_ms);
	index = (size_t)(window->last % HEALTH_BUCKETS);
	window->buckets[index].ok += (uint32_t)counts->ok;
	window->buckets[index].missed += (uint32_t)counts->missed;
	window->buckets[index].failed += (uint32_t)counts->failed;
}

struct health_counts health_window_sum(struct health_window *window, int64_t now_ms)
{
	struct health_counts sum = {0};

	health_window_advance(window, now_ms);
	for (size_t i = 0; i < HEALTH_BUCKETS; i++) {
		sum.ok += window->buckets[i].ok;
		sum.missed += window->buckets[i].missed;
		sum.failed += window->buckets[i].failed;
	}
	return sum;
}

__attribute__((format(printf, 4, 5))) static void health_say(struct health_verdict *verdict,
							     Vmreplica__Health health,
							     const char *code, const char *format,
							     ...)
{
	va_list args;

	verdict->health = health;
	snprintf(verdict->code, sizeof(verdict->code), "%s", code);
	va_start(args, format);
	vsnprintf(verdict->reason, sizeof(verdict->reason), format, args);
	va_end(args);
}

static const char *obstacle_code(const struct health_input *input, const char *otherwise)
{
	return input->obstacle_code[0] != '\0' ? input->obstacle_code : otherwise;
}

static const char *obstacle_text(const struct health_input *input, const char *otherwise)
{
	return input->obstacle[0] != '\0' ? input->obstacle : otherwise;
}

static bool health_judge_critical(const struct health_input *input, struct health_verdict *verdict)
{
	const Vmreplica__Health critical = VMREPLICA__HEALTH__HEALTH_CRITICAL;

	if (input->denied) {
		health_say(verdict, critical, obstacle_code(input, "denied"), "%s",
			   obstacle_text(input, "the other side refuses this VM"));
	} else if (input->replica_suspended) {
		health_say(verdict, critical, "replica-suspended", "%s",
			   obstacle_text(input, "the replica is suspended"));
	} else if ((input->state == STATE(WAITING_FOR_RESYNCHRONIZE) ||
		    input->state == STATE(RESYNCHRONIZE_SUSPENDED)) &&
		   !input->resync_ordered) {
		health_say(verdict, critical, obstacle_code(input, "resync-required"),
			   "resynchronization required%s%s", input->obstacle[0] != '\0' ? ": " : "",
			   input->obstacle);
	} else if (input->blind) {
		health_say(verdict, critical, "guard",
			   "started while the other side was silent: whether it was failed over "
			   "there is not known%s%s",
			   input->obstacle[0] != '\0' ? "; " : "", input->obstacle);
	} else if (input->exhausted || input->state == STATE(CRITICAL)) {
		health_say(verdict, critical, obstacle_code(input, "cannot-send"), "%s",
			   obstacle_text(input, "changes cannot be sent"));
	} else {
		return false;
	}
	return true;
}

static bool health_is_missing(const struct health_counts *counts)
{
	uint64_t all = counts->ok + counts->missed + counts->failed;

	return all >= HEALTH_MISSED_MIN_CYCLES &&
	       (counts->missed + counts->failed) * 100 > all * HEALTH_MISSED_PERCENT;
}

/* A frequency above an hour makes its own limit: one hour beyond it. */
static int64_t health_stale_ms(const struct health_input *input)
{
	int64_t frequency_ms = (int64_t)input->frequency_s * 1000;

	return frequency_ms >= HEALTH_STALE_MS ? frequency_ms + HEALTH_STALE_MS : HEALTH_STALE_MS;
}

static bool health_judge_pause(const struct health_input *input, struct health_verdict *verdict)
{
	const Vmreplica__Health warning = VMREPLICA__HEALTH__HEALTH_WARNING;

	if (!input->suspended && input->state != STATE(SUSPENDED)) {
		return false;
	}
	if (input->releasing) {
		health_say(verdict, warning, "suspended-releasing",
			   "replication is paused; its change bitmaps are not removed yet%s%s",
			   input->obstacle[0] != '\0' ? ": " : "", input->obstacle);
	} else if (input->resync_ordered) {
		health_say(verdict, warning, "suspended",
			   "replication is paused, and resynchronizes when it goes on: vmreplica "
			   "resume");
	} else {
		health_say(verdict, warning, "suspended",
			   "replication is paused: vmreplica resume");
	}
	return true;
}

static bool health_judge_warning(const struct health_input *input, struct health_verdict *verdict)
{
	const Vmreplica__Health warning = VMREPLICA__HEALTH__HEALTH_WARNING;
	const struct health_counts *counts = &input->counts;
	bool has_resync = input->resync != NULL && input->resync[0] != '\0';

	if (health_judge_pause(input, verdict)) {
		return true;
	}
	if (input->obstacle[0] != '\0') {
		health_say(verdict, warning, obstacle_code(input, "cannot-send"), "%s",
			   input->obstacle);
	} else if (input->state == STATE(WAITING_FOR_INITIAL_REPLICATION) ||
		   input->state == STATE(READY_FOR_INITIAL_REPLICATION) ||
		   input->state == STATE(INITIAL_REPLICATION)) {
		health_say(verdict, warning, "initial-replication",
			   "initial replication is not done");
	} else if (input->state == STATE(RESYNCHRONIZING) ||
		   input->state == STATE(WAITING_FOR_RESYNCHRONIZE)) {
		health_say(verdict, warning, "resynchronizing",
			   "resynchronization is under way%s%s", has_resync ? ": " : "",
			   has_resync ? input->resync : "");
	} else if (health_is_missing(counts)) {
		health_say(verdict, warning, "cycles-missed",
			   "%" PRIu64 " of %" PRIu64 " cycles missed in the last 12 hours",
			   counts->missed + counts->failed,
			   counts->ok + counts->missed + counts->failed);
	} else if (input->since_success_ms >= health_stale_ms(input)) {
		health_say(verdict, warning, "stale", "last replicated %" PRId64 " minutes ago",
			   input->since_success_ms / 60000);
	} else {
		return false;
	}
	return true;
}

void health_judge(const struct health_input *input, struct health_verdict *ret_verdict)
{
	struct health_verdict verdict = {.health = VMREPLICA__HEALTH__HEALTH_OK};

	if (input->state == STATE(DISABLED)) {
		verdict.health = VMREPLICA__HEALTH__HEALTH_NOT_APPLICABLE;
	} else if (!health_judge_critical(input, &verdict)) {
		health_judge_warning(input, &verdict);
	}
	*ret_verdict = verdict;
}
