/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/failover_order.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/failover_job.h"
#include "proto/network_map.h"
#include "proto/validate.h"

static const struct {
	Vmreplica__Admin__FailoverKind kind;
	const char *word;
} kinds[] = {
	{VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_TEST, JOB_KIND_TEST},
	{VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_TEST_CLEANUP, JOB_KIND_CLEANUP},
	{VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_PLANNED, JOB_KIND_PLANNED},
	{VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_UNPLANNED, JOB_KIND_UNPLANNED},
	{VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_CANCEL, JOB_KIND_CANCEL},
	{VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_COMMIT, JOB_KIND_COMMIT},
	{VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_REVERSE, JOB_KIND_REVERSE},
};

const char *failover_kind_to_string(Vmreplica__Admin__FailoverKind kind)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (kinds[i].kind == kind) {
			return kinds[i].word;
		}
	}
	return NULL;
}

Vmreplica__Admin__FailoverKind failover_kind_from_string(const char *word)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i].word, word) == 0) {
			return kinds[i].kind;
		}
	}
	return VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_NONE;
}

static const char *way_word(const struct failover_order *order)
{
	if (order->undo) {
		return "undo";
	}
	return order->forced ? "force" : "do";
}

/* "-" stands for nothing, so that there are always as many words. */
char *failover_order_encode(const struct failover_order *order, char buf[FAILOVER_ORDER_LEN])
{
	const char *kind = failover_kind_to_string(order->kind);
	char seq[24] = "latest";

	if (!order->latest) {
		snprintf(seq, sizeof(seq), "%" PRIu64, order->seq);
	}
	snprintf(buf, FAILOVER_ORDER_LEN, "%s %s %s %s %" PRIu64 " %s %s %s %s",
		 kind != NULL ? kind : "-", order->job, way_word(order), seq,
		 order->epoch.number, order->epoch.number != 0 ? order->epoch.lineage : "-",
		 order->epoch.number != 0 ? order->epoch.site : "-",
		 order->network[0] != '\0' ? order->network : "-",
		 order->cut_id[0] != '\0' ? order->cut_id : "-");
	return buf;
}

static bool decode_seq(const char *text, struct failover_order *order)
{
	int end = 0;

	order->latest = strcmp(text, "latest") == 0;
	return order->latest ||
	       (sscanf(text, "%" SCNu64 "%n", &order->seq, &end) == 1 && text[end] == '\0');
}

bool failover_order_decode(const char *text, struct failover_order *ret_order)
{
	struct failover_order order = {0};
	char kind[FAILOVER_KIND_LEN + 1], way[8], seq[24], cut[CUT_ID_LEN + 2];
	char again[FAILOVER_ORDER_LEN];
	int end = 0;

	if (strlen(text) >= FAILOVER_ORDER_LEN ||
	    sscanf(text, "%24s %8s %7s %23s %" SCNu64 " %36s %253s %64s %17s%n", kind, order.job,
		   way, seq, &order.epoch.number, order.epoch.lineage, order.epoch.site,
		   order.network, cut, &end) != 9 ||
	    text[end] != '\0') {
		return false;
	}
	order.kind = failover_kind_from_string(kind);
	order.undo = strcmp(way, "undo") == 0;
	order.forced = strcmp(way, "force") == 0;
	if (order.kind == VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_NONE ||
	    strspn(order.job, "0123456789abcdef") != JOB_ID_LEN || !decode_seq(seq, &order) ||
	    (!order.undo && !order.forced && strcmp(way, "do") != 0)) {
		return false;
	}
	if (order.epoch.number == 0) {
		order.epoch.lineage[0] = order.epoch.site[0] = '\0';
	} else if (!validate_uuid(order.epoch.lineage) || !validate_site_name(order.epoch.site)) {
		return false;
	}
	if (strcmp(order.network, "-") == 0) {
		order.network[0] = '\0';
	} else if (!network_name_is_valid(order.network)) {
		return false;
	}
	if (strcmp(cut, "-") != 0) {
		if (!validate_cut_id(cut)) {
			return false;
		}
		memcpy(order.cut_id, cut, sizeof(order.cut_id));
	}
	/* sscanf takes signs, and numbers that are too large */
	if (order.epoch.number > INT64_MAX ||
	    strcmp(failover_order_encode(&order, again), text) != 0) {
		return false;
	}
	*ret_order = order;
	return true;
}
