/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/planned_plan.h"

#define STAY PLANNED_STEPS /* nothing changes */

struct row {
	const char *word;
	enum planned_step done, failed, unknown, taken, not_taken, cancel, force, lost, granted;
};

/* done, failed, unknown, taken, not taken, cancel, force, lost, granted */
static const struct row rows[PLANNED_STEPS] = {
	[PLANNED_CHECK] = {"1 checks", PLANNED_HANDOVER, PLANNED_FAILED, STAY, STAY, STAY,
			   PLANNED_FAILED, PLANNED_FAILED, STAY, STAY},
	[PLANNED_HANDOVER] = {"2 handover", PLANNED_CATCH_UP, PLANNED_BACK_START, STAY, STAY, STAY,
			      PLANNED_BACK_START, PLANNED_BACK_START, STAY, STAY},
	[PLANNED_CATCH_UP] = {"3 catch-up", PLANNED_STOP, PLANNED_BACK_START, STAY, STAY, STAY,
			      PLANNED_BACK_START, PLANNED_BACK_START, STAY, STAY},
	[PLANNED_STOP] = {"4 stop", PLANNED_STOPPED, PLANNED_BACK_START, STAY, STAY, STAY,
			  PLANNED_BACK_START, PLANNED_BACK_START, STAY, STAY},
	[PLANNED_STOPPED] = {"5 stopped", PLANNED_FINAL, PLANNED_BACK_START, STAY, STAY, STAY,
			     PLANNED_BACK_START, PLANNED_BACK_START, STAY, STAY},
	[PLANNED_FINAL] = {"6 final cycle", PLANNED_TAKE, PLANNED_BACK_START, STAY, STAY, STAY,
			   PLANNED_BACK_START, PLANNED_BACK_START, STAY, STAY},
	/* From here on the other side may have acted: only its word leads back. */
	[PLANNED_TAKE] = {"7 take", PLANNED_ROLE, PLANNED_BACK_CANCEL, PLANNED_ASK, PLANNED_ROLE,
			  STAY, PLANNED_BACK_CANCEL, PLANNED_BACK_START, PLANNED_LOST,
			  PLANNED_BACK_START},
	[PLANNED_ASK] = {"7 in doubt", PLANNED_ROLE, STAY, STAY, PLANNED_ROLE, PLANNED_TAKE,
			 PLANNED_BACK_CANCEL, PLANNED_BACK_START, PLANNED_LOST, PLANNED_BACK_START},
	/* The point of no return is behind: what fails is tried again. */
	/* ... unless the other side has given it back, or failed over anew, and that is known. */
	[PLANNED_ROLE] = {"8 role", PLANNED_REVERSE, STAY, STAY, STAY, STAY, STAY, STAY,
			  PLANNED_LOST, PLANNED_BACK_START},
	[PLANNED_REVERSE] = {"9 reverse replication", PLANNED_END, PLANNED_END, STAY, STAY, STAY,
			     STAY, STAY, STAY, STAY},
	[PLANNED_BACK_CANCEL] = {"back: the other side's word", PLANNED_BACK_START, STAY, STAY,
				 PLANNED_ROLE, STAY, STAY, PLANNED_BACK_START, PLANNED_LOST,
				 PLANNED_BACK_START},
	[PLANNED_BACK_START] = {"back: start", PLANNED_BACK_RUNNING, STAY, STAY, STAY, STAY, STAY,
				STAY, STAY, STAY},
	[PLANNED_BACK_RUNNING] = {"back: running", PLANNED_FAILED, PLANNED_FAILED, STAY, STAY, STAY,
				  STAY, STAY, STAY, STAY},
	[PLANNED_END] = {"done", STAY, STAY, STAY, STAY, STAY, STAY, STAY, STAY, STAY},
	[PLANNED_FAILED] = {"failed", STAY, STAY, STAY, STAY, STAY, STAY, STAY, STAY, STAY},
	[PLANNED_LOST] = {"failed over there", STAY, STAY, STAY, STAY, STAY, STAY, STAY, STAY,
			  STAY},
};

static enum planned_step row_next(const struct row *row, enum planned_event event)
{
	switch (event) {
	case PLANNED_EVENT_DONE:
		return row->done;
	case PLANNED_EVENT_FAILED:
		return row->failed;
	case PLANNED_EVENT_UNKNOWN:
		return row->unknown;
	case PLANNED_EVENT_TAKEN:
		return row->taken;
	case PLANNED_EVENT_NOT_TAKEN:
		return row->not_taken;
	case PLANNED_EVENT_CANCEL:
		return row->cancel;
	case PLANNED_EVENT_FORCE:
		return row->force;
	case PLANNED_EVENT_LOST:
		return row->lost;
	case PLANNED_EVENT_GRANTED:
		return row->granted;
	case PLANNED_EVENT_LATER:
	case PLANNED_EVENTS:
		break;
	}
	return STAY;
}

enum planned_step planned_plan_next(enum planned_step step, enum planned_event event)
{
	enum planned_step next = row_next(&rows[step], event);

	return next == STAY ? step : next;
}

enum planned_event planned_plan_judge(const struct epoch *order, const struct epoch *theirs,
				      const char *own_site, bool takes)
{
	if (order->number == 0) {
		return PLANNED_EVENT_NOT_TAKEN;
	}
	if (epoch_equal(order, theirs)) {
		return PLANNED_EVENT_TAKEN;
	}
	if (takes || !epoch_is_near(order, theirs)) {
		return PLANNED_EVENT_LATER;
	}
	if (theirs->number < order->number) {
		return PLANNED_EVENT_NOT_TAKEN;
	}
	return theirs->number > order->number && epoch_is_held_by(theirs, own_site)
		       ? PLANNED_EVENT_GRANTED
		       : PLANNED_EVENT_LOST;
}

enum planned_step planned_plan_resume(bool handed_over, bool final_done, enum planned_event known,
				      bool undo)
{
	if (known == PLANNED_EVENT_TAKEN) {
		/* what was taken in the moment of the promise is given back: that side knows */
		return undo ? PLANNED_BACK_CANCEL : PLANNED_ROLE;
	}
	if (known == PLANNED_EVENT_GRANTED) {
		return PLANNED_BACK_START;
	}
	if (known != PLANNED_EVENT_NOT_TAKEN) {
		return PLANNED_LOST;
	}
	if (final_done) {
		return undo ? PLANNED_BACK_CANCEL : PLANNED_ASK;
	}
	if (undo) {
		return PLANNED_BACK_START;
	}
	/* stopping twice is harmless, and so is a cycle more */
	return handed_over ? PLANNED_CATCH_UP : PLANNED_HANDOVER;
}

bool planned_step_may_run(enum planned_step step)
{
	return step <= PLANNED_STOPPED || step == PLANNED_BACK_START ||
	       step == PLANNED_BACK_RUNNING || step == PLANNED_FAILED;
}

bool planned_step_starts(enum planned_step step)
{
	return step == PLANNED_BACK_START;
}

bool planned_step_can_cancel(enum planned_step step)
{
	return planned_plan_next(step, PLANNED_EVENT_CANCEL) != step;
}

const char *planned_step_to_string(enum planned_step step)
{
	return step < PLANNED_STEPS ? rows[step].word : "unknown";
}

const char *planned_event_to_string(enum planned_event event)
{
	static const char *const words[PLANNED_EVENTS] = {
		"done",	     "failed", "later", "unknown", "taken",
		"not taken", "cancel", "force", "lost",	   "granted",
	};

	return event < PLANNED_EVENTS ? words[event] : "unknown";
}
