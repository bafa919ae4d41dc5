/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/guard_patience.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct guard_refusal {
	struct guard_refusal *next;
	char relationship[RELATIONSHIP_LEN + 1];
	int64_t since_ms; /* monotonic */
};

int64_t guard_patience_note(struct engine *engine, const char *relationship, bool refused,
			    int64_t now_ms)
{
	struct guard_refusal **at = &engine->guard_refusals, *found;

	while (*at != NULL && strcmp((*at)->relationship, relationship) != 0) {
		at = &(*at)->next;
	}
	found = *at;
	if (found != NULL && !refused) {
		*at = found->next;
		free(found);
		return 0;
	}
	if (found == NULL && refused && (found = calloc(1, sizeof(*found))) != NULL) {
		snprintf(found->relationship, sizeof(found->relationship), "%s", relationship);
		found->since_ms = now_ms;
		found->next = engine->guard_refusals;
		engine->guard_refusals = found;
	}
	return found != NULL ? now_ms - found->since_ms : 0;
}

void guard_patience_free_all(struct engine *engine)
{
	while (engine->guard_refusals != NULL) {
		struct guard_refusal *first = engine->guard_refusals;

		engine->guard_refusals = first->next;
		free(first);
	}
}
