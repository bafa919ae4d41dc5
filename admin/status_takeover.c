/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "admin/status_takeover.h"

#include <inttypes.h>
#include <stdio.h>

#include "admin/output.h"
#include "common/clock.h"

static bool has_failover(const Vmreplica__Takeover *takeover)
{
	return takeover != NULL && takeover->kind == VMREPLICA__TAKEOVER_KIND__TAKEOVER_FAILOVER;
}

static bool has_test(const Vmreplica__Takeover *takeover)
{
	return takeover != NULL && takeover->test_holder[0] != '\0';
}

static json_t *failover_json(const Vmreplica__Takeover *takeover)
{
	if (!has_failover(takeover)) {
		return json_null();
	}
	return json_pack("{s:o, s:I, s:o, s:b, s:b, s:I}", "vm",
			 output_json_string(takeover->holder), "seq", (json_int_t)takeover->seq,
			 "time", output_json_time(takeover->time_ms), "planned",
			 (int)takeover->planned, "committed", (int)takeover->committed, "last_seq",
			 (json_int_t)takeover->last_seq);
}

static json_t *test_json(const Vmreplica__Takeover *takeover)
{
	if (!has_test(takeover)) {
		return json_null();
	}
	return json_pack("{s:o, s:I}", "vm", output_json_string(takeover->test_holder), "seq",
			 (json_int_t)takeover->test_seq);
}

json_t *takeover_to_json(const Vmreplica__VmStatus *vm)
{
	json_t *takeover =
		has_failover(vm->takeover) || has_test(vm->takeover)
			? json_pack("{s:o, s:o}", "failover", failover_json(vm->takeover), "test",
				    test_json(vm->takeover))
			: json_null();

	return json_pack("{s:o, s:o}", "takeover", takeover, "job", output_json_text(vm->job));
}

bool takeover_failover_text(const Vmreplica__VmStatus *vm, char text[TAKEOVER_TEXT_LEN])
{
	const Vmreplica__Takeover *takeover = vm->takeover;
	char stamp[RFC3339_LEN], lost[64] = "";

	if (!has_failover(takeover)) {
		return false;
	}
	if (takeover->last_seq > takeover->seq) {
		snprintf(lost, sizeof(lost), ", up to cycle %" PRIu64 " was received",
			 takeover->last_seq);
	}
	snprintf(text, TAKEOVER_TEXT_LEN, "%s %s from cycle %" PRIu64 " of %s%s%s",
		 takeover->holder, takeover->planned ? "was handed over" : "failed over",
		 takeover->seq, clock_format_rfc3339(takeover->time_ms, stamp), lost,
		 takeover->committed ? ", committed" : "; not committed yet");
	return true;
}

bool takeover_test_text(const Vmreplica__VmStatus *vm, char text[TAKEOVER_TEXT_LEN])
{
	if (!has_test(vm->takeover)) {
		return false;
	}
	snprintf(text, TAKEOVER_TEXT_LEN, "%s runs from cycle %" PRIu64, vm->takeover->test_holder,
		 vm->takeover->test_seq);
	return true;
}
