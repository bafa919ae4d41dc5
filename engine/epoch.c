/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/epoch.h"

#include <stdio.h>

#include "engine/standing.h"

_Static_assert(sizeof(EPOCH_SETTING) <= sizeof(STANDING_SUSPENDED), "names have room");

void engine_epoch_known(const struct engine *engine, const char *relationship,
			const char *primary_site, struct epoch *ret_epoch)
{
	const char *text = standing_get(engine, EPOCH_SETTING, relationship);

	if (text == NULL) {
		epoch_first(relationship, primary_site, ret_epoch);
	} else if (epoch_parse(text, ret_epoch) < 0) {
		*ret_epoch = (struct epoch){.number = INT64_MAX};
		snprintf(ret_epoch->lineage, sizeof(ret_epoch->lineage), "%s", relationship);
		snprintf(ret_epoch->site, sizeof(ret_epoch->site), "unreadable.invalid");
	}
}

void engine_epoch_store(struct engine *engine, const char *relationship, const struct epoch *epoch,
			cluster_done_cb done, void *arg)
{
	const char *text = standing_get(engine, EPOCH_SETTING, relationship);
	struct epoch known = {0};
	char value[EPOCH_TEXT_LEN];

	if (text != NULL && epoch_parse(text, &known) == 0 && known.number >= epoch->number) {
		done(arg, 0, "");
		return;
	}
	standing_set(engine, EPOCH_SETTING, relationship, epoch_format(epoch, value), done, arg);
}

bool engine_epoch_is_refused(const struct engine *engine, const char *relationship,
			     const struct epoch *epoch)
{
	struct epoch refused;

	return epoch_parse(standing_get(engine, STANDING_REFUSED, relationship), &refused) == 0 &&
	       epoch_equal(&refused, epoch);
}
