/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "receiver/retention.h"

/* Has interval_s gone by from then to now, seen from a cycle that may be half a cycle early? */
static bool interval_is_over(int64_t then_ms, int64_t now_ms, uint32_t interval_s,
			     uint32_t frequency_s)
{
	int64_t interval_ms = (int64_t)interval_s * 1000;
	int64_t early_ms = (int64_t)frequency_s * 500;

	if (now_ms < then_ms) {
		return true;
	}
	return now_ms - then_ms + early_ms >= interval_ms;
}

bool retention_is_due(const struct retention_settings *settings, const struct retention_cut *points,
		      size_t count, const struct retention_cut *cut)
{
	if (settings->points == 0) {
		return false;
	}
	if (count == 0 || interval_is_over(points[count - 1].time_ms, cut->time_ms,
					   settings->interval_s, settings->frequency_s)) {
		return true;
	}
	if (!cut->application || settings->app_interval_s == 0) {
		return false;
	}
	for (size_t i = count; i > 0; i--) {
		if (points[i - 1].application) {
			return interval_is_over(points[i - 1].time_ms, cut->time_ms,
						settings->app_interval_s, settings->frequency_s);
		}
	}
	return true;
}

static uint64_t logs_sum(const struct retention_log *logs, size_t count)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < count; i++) {
		sum += logs[i].size_bytes;
	}
	return sum;
}

void retention_decide(const struct retention_input *input, struct retention_decision *ret_decision)
{
	struct retention_decision decision = {.reason = RETENTION_AGE};
	uint64_t bytes, free_bytes = input->free_bytes;
	uint64_t oldest = UINT64_MAX;

	if (input->point_count > input->settings.points) {
		decision.drop_points = input->point_count - input->settings.points;
	}
	if (decision.drop_points < input->point_count) {
		oldest = input->points[decision.drop_points].seq;
	} else {
		decision.reason = RETENTION_NO_POINT;
	}
	while (decision.drop_logs < input->log_count &&
	       input->logs[decision.drop_logs].seq <= oldest) {
		free_bytes += input->logs[decision.drop_logs++].size_bytes;
	}
	bytes = logs_sum(input->logs + decision.drop_logs, input->log_count - decision.drop_logs);
	while (decision.drop_logs < input->log_count) {
		uint64_t size = input->logs[decision.drop_logs].size_bytes;

		if ((input->log_cap_bytes != 0 && bytes > input->log_cap_bytes) ||
		    (input->log_count_max != 0 &&
		     input->log_count - decision.drop_logs > input->log_count_max)) {
			decision.reason = RETENTION_CAP;
		} else if (free_bytes < input->reserve_bytes) {
			decision.reason = RETENTION_RESERVE;
		} else {
			break;
		}
		bytes -= size;
		free_bytes += size;
		decision.drop_logs++;
	}
	*ret_decision = decision;
}
