/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/route.h"

#include <stddef.h>
#include <string.h>

const char *route_source_to_string(enum route_source source)
{
	switch (source) {
	case ROUTE_SOURCE_ANNOUNCEMENT:
		return "announcement";
	case ROUTE_SOURCE_PLACEMENT:
		return "placement";
	case ROUTE_SOURCE_NONE:
		break;
	}
	return "none";
}

static void verdict_moving(struct route_verdict *verdict, const char *why)
{
	verdict->moving = true;
	verdict->why = why;
}

static void verdict_owner(struct route_verdict *verdict, const char *owner,
			  enum route_source source, int64_t since_ms)
{
	verdict->owner = owner;
	verdict->source = source;
	verdict->since_ms = since_ms;
}

/* Nobody announces it: the cluster database alone speaks. */
static void judge_by_placement(const struct route_evidence *evidence, struct route_verdict *verdict)
{
	verdict_owner(verdict, evidence->placed_on, ROUTE_SOURCE_PLACEMENT, evidence->placement_ms);
	switch (evidence->placement) {
	case PLACEMENT_STOPPED:
		verdict_moving(verdict, "its resource is stopped");
		return;
	case PLACEMENT_MOVING:
		verdict_moving(verdict, "its resource is moving");
		return;
	case PLACEMENT_UNKNOWN:
		verdict_moving(verdict, evidence->placement_why != NULL
						? evidence->placement_why
						: "the cluster does not know where it runs");
		return;
	case PLACEMENT_RUNNING:
		break;
	}
	if (!evidence->placed_engine_known) {
		verdict_moving(verdict, "the engine on its node has not announced itself");
	} else if (evidence->placed_engine_complete) {
		verdict_moving(verdict, "the engine on its node has not attached it yet");
	}
}

/* Is what the engines say newer than the snapshot? Then the claimer has it, and the node of the
 * snapshot has spoken since without naming it (or is gone altogether). */
static bool announcements_are_newer(const struct route_evidence *evidence)
{
	if (evidence->claim_ms <= evidence->placement_ms) {
		return false;
	}
	return evidence->placed_on == NULL || !evidence->placed_engine_known ||
	       (evidence->placed_engine_complete &&
		evidence->placed_engine_ms > evidence->placement_ms);
}

static void judge_both(const struct route_evidence *evidence, struct route_verdict *verdict)
{
	bool same = evidence->placed_on != NULL &&
		    strcmp(evidence->placed_on, evidence->claimed_by) == 0;

	if (same && evidence->placement == PLACEMENT_MOVING) {
		verdict_moving(verdict, "its resource is moving");
	} else if (!same && evidence->placement != PLACEMENT_UNKNOWN &&
		   !announcements_are_newer(evidence)) {
		/* UNKNOWN (a failed monitor, say) contradicts nobody: the engine that has it goes
		 * on. */
		verdict_moving(verdict, "the cluster and the engines do not agree yet on its node");
	}
}

void route_judge(const struct route_evidence *evidence, struct route_verdict *ret_verdict)
{
	struct route_verdict verdict = {.source = ROUTE_SOURCE_NONE};

	if (evidence->claimed_by == NULL) {
		if (evidence->placement_known) {
			judge_by_placement(evidence, &verdict);
		} else {
			verdict_moving(&verdict, "nothing is known about its node yet");
		}
		*ret_verdict = verdict;
		return;
	}
	verdict_owner(&verdict, evidence->claimed_by, ROUTE_SOURCE_ANNOUNCEMENT,
		      evidence->claim_ms);
	if (evidence->claim_contested) {
		verdict_moving(&verdict, "two nodes claim it");
	} else if (evidence->claim_moving) {
		verdict_moving(&verdict, "its node is handing it over");
	} else if (evidence->placement_known) {
		judge_both(evidence, &verdict);
	}
	*ret_verdict = verdict;
}
