/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/handover.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/standing.h"
#include "proto/validate.h"

_Static_assert(PATH_LEN_MAX <= 4095, "sscanf below is bounded by it");

char *handover_encode(const struct handover *handover, char buf[HANDOVER_LEN])
{
	snprintf(buf, HANDOVER_LEN, "%" PRIu64 " %" PRIu64 " %s", handover->epoch, handover->seq,
		 handover->seq > 0 ? handover->cut_id : "-");
	return buf;
}

bool handover_decode(const char *text, struct handover *ret_handover)
{
	struct handover handover = {0};
	char cut[CUT_ID_LEN + 2], again[HANDOVER_LEN];

	if (text == NULL || strlen(text) >= HANDOVER_LEN ||
	    sscanf(text, "%" SCNu64 " %" SCNu64 " %17s", &handover.epoch, &handover.seq, cut) !=
		    3 ||
	    handover.epoch == 0 || handover.epoch > INT64_MAX) {
		return false;
	}
	if (handover.seq > 0 && !validate_cut_id(cut)) {
		return false;
	}
	if (handover.seq > 0) {
		memcpy(handover.cut_id, cut, sizeof(handover.cut_id));
	}
	/* sscanf takes signs, and numbers that are too large */
	if (strcmp(handover_encode(&handover, again), text) != 0) {
		return false;
	}
	*ret_handover = handover;
	return true;
}

char *adopt_order_encode(const struct adopt_order *order, char buf[ADOPT_LEN])
{
	snprintf(buf, ADOPT_LEN, "%" PRIu64 " %s %s %s", order->seq, order->cut_id,
		 order->digest ? "digest" : "delta",
		 order->extents[0] != '\0' ? order->extents : "-");
	return buf;
}

/* The path is the rest: it may hold spaces. */
bool adopt_order_decode(const char *text, struct adopt_order *ret_order)
{
	struct adopt_order order = {0};
	char cut[CUT_ID_LEN + 2], how[8], again[ADOPT_LEN];
	int end = 0;

	if (text == NULL || strlen(text) >= ADOPT_LEN ||
	    sscanf(text, "%" SCNu64 " %17s %7s %n", &order.seq, cut, how, &end) != 3 || end == 0 ||
	    !validate_cut_id(cut)) {
		return false;
	}
	order.digest = strcmp(how, "digest") == 0;
	if (!order.digest && strcmp(how, "delta") != 0) {
		return false;
	}
	memcpy(order.cut_id, cut, sizeof(order.cut_id));
	if (strcmp(text + end, "-") != 0) {
		if (!validate_absolute_path(text + end)) {
			return false;
		}
		snprintf(order.extents, sizeof(order.extents), "%s", text + end);
	}
	if (strcmp(adopt_order_encode(&order, again), text) != 0) {
		return false;
	}
	*ret_order = order;
	return true;
}

bool handover_read(const struct engine *engine, const char *relationship,
		   struct handover *ret_handover)
{
	return handover_decode(standing_get(engine, STANDING_HANDOVER, relationship), ret_handover);
}

bool adopt_order_read(const struct engine *engine, const char *relationship,
		      struct adopt_order *ret_order)
{
	return adopt_order_decode(standing_get(engine, STANDING_ADOPT, relationship), ret_order);
}

void reverse_read_extents(const struct engine *engine, const char *relationship, char *buf,
			  size_t size)
{
	const char *path = standing_get(engine, STANDING_EXTENTS, relationship);

	snprintf(buf, size, "%s", path != NULL && validate_absolute_path(path) ? path : "");
}
