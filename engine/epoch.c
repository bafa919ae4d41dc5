/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/epoch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/peer_contact.h"
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

/* ---- given back ---- */

struct given_back {
	struct engine *engine;
	char relationship[RELATIONSHIP_LEN + 1], value[EPOCH_TEXT_LEN];
	cluster_done_cb done;
	void *arg;
};

/* Without the VM's resource, which may be gone: the epoch counts all the same. */
static void given_back_cb(void *arg, int error, const char *text)
{
	struct given_back *given = arg;

	if (error == 0) {
		given->done(given->arg, 0, text);
	} else {
		standing_set(given->engine, EPOCH_SETTING, given->relationship, given->value,
			     given->done, given->arg);
	}
	free(given);
}

/* Order and colocation of a primary went when its VM was handed over, and have to be there again
 * before it starts: else nothing ends our job before it is moved. False: there is nothing to be
 * done. */
static bool store_given_back(struct engine *engine, const char *relationship, const char *value,
			     cluster_done_cb done, void *arg)
{
	Vmreplica__Ipc__CibSwitch request = VMREPLICA__IPC__CIB_SWITCH__INIT;
	Vmreplica__Ipc__CibNvpair pair = VMREPLICA__IPC__CIB_NVPAIR__INIT, *pairs[] = {&pair};
	struct given_back *given;
	char name[STANDING_NAME_LEN];
	struct peer_contact contact;
	int result;

	if (engine->config->standalone || peer_contact_find(engine, relationship, &contact) < 0 ||
	    contact.role != VMREPLICA__ROLE__ROLE_PRIMARY || contact.vm_resource[0] == '\0' ||
	    (given = calloc(1, sizeof(*given))) == NULL) {
		return false;
	}
	*given = (struct given_back){.engine = engine, .done = done, .arg = arg};
	memcpy(given->relationship, contact.relationship, sizeof(given->relationship));
	snprintf(given->value, sizeof(given->value), "%s", value);
	standing_name(EPOCH_SETTING, contact.relationship, name);
	pair.name = name;
	pair.value = given->value;
	request.settings = pairs;
	request.n_settings = 1;
	request.resource = contact.resource;
	request.vm_resource = contact.vm_resource;
	request.follow = VMREPLICA__IPC__CIB_FOLLOW__CIB_FOLLOW_ADD;
	result = engine->cluster.ops->switch_role(&engine->cluster, &request, given_back_cb, given);
	if (result < 0) {
		given_back_cb(given, result, "Pacemaker is not reached");
	}
	return true;
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
	epoch_format(epoch, value);
	if (!epoch_is_held_by(epoch, engine->config->site) ||
	    !store_given_back(engine, relationship, value, done, arg)) {
		standing_set(engine, EPOCH_SETTING, relationship, value, done, arg);
	}
}

bool engine_epoch_is_refused(const struct engine *engine, const char *relationship,
			     const struct epoch *epoch)
{
	struct epoch refused;

	return epoch_parse(standing_get(engine, STANDING_REFUSED, relationship), &refused) == 0 &&
	       epoch_equal(&refused, epoch);
}
