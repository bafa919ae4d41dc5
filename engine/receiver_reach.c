/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/receiver_reach.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"

/* A store that is looked at for somebody who asks again. */
struct look {
	struct look *next;
	struct receiver_reach *reach; /* borrowed */
	char directory[PATH_LEN_MAX + 1];
	bool done;
	struct store_reach found;
};

struct receiver_reach {
	struct engine *engine;	   /* borrowed */
	struct store_reach told;   /* to the receiver that runs */
	struct store_reach wanted; /* that, and what it is to reach besides */
	struct look *looks;	   /* owned */
};

struct receiver_reach *receiver_reach_new(struct engine *engine)
{
	struct receiver_reach *reach = calloc(1, sizeof(*reach));

	if (reach != NULL) {
		reach->engine = engine;
	}
	return reach;
}

static void look_free(struct look *look)
{
	store_reach_destroy(&look->found);
	free(look);
}

void receiver_reach_free(struct receiver_reach *reach)
{
	struct look *look = reach != NULL ? reach->looks : NULL, *next;

	if (reach == NULL) {
		return;
	}
	for (; look != NULL; look = next) {
		next = look->next;
		look_free(look);
	}
	store_reach_destroy(&reach->told);
	store_reach_destroy(&reach->wanted);
	free(reach);
}

bool receiver_reach_has(struct receiver_reach *reach, const struct store_reach *wanted)
{
	if (store_reach_covers(&reach->told, wanted)) {
		return true;
	}
	if (store_reach_join(&reach->wanted, wanted) < 0) {
		log_error("out of memory"); /* it is asked again */
	}
	return false;
}

bool receiver_reach_is_due(const struct receiver_reach *reach)
{
	return !store_reach_covers(&reach->told, &reach->wanted);
}

size_t receiver_reach_tell(struct receiver_reach *reach, char ***ret_places)
{
	char **places = calloc(reach->wanted.count + 1, sizeof(*places));

	if (places == NULL || store_reach_join(&reach->told, &reach->wanted) < 0) {
		*ret_places = places;
		return 0; /* what it cannot open is asked for again */
	}
	for (size_t i = 0; i < reach->told.count; i++) {
		places[i] = reach->told.places[i].path;
	}
	*ret_places = places;
	return reach->told.count;
}

/* ---- looks ---- */

static int look_run(void *arg)
{
	struct look *look = arg;
	struct passwd buffer, *user = NULL;
	char strings[1024];

	getpwnam_r(ENGINE_GROUP, &buffer, strings, sizeof(strings), &user);
	return user == NULL
		       ? -ENOENT
		       : store_reach_find(look->directory, NULL, 0, user->pw_uid, &look->found);
}

/* What cannot be looked at, the receiver will say of it. */
static void look_done(void *arg, int result)
{
	struct look *look = arg;

	look->done = true;
	if (result < 0) {
		log_warning("%s cannot be looked at: %s", look->directory, strerror(-result));
	}
	engine_wake(look->reach->engine);
}

static void look_begin(struct receiver_reach *reach, const char *directory)
{
	struct look *look = calloc(1, sizeof(*look));

	if (look == NULL) {
		return;
	}
	look->reach = reach;
	snprintf(look->directory, sizeof(look->directory), "%s", directory);
	if (workers_submit(reach->engine->storage_workers, look_run, look_done, look) < 0) {
		free(look);
		return;
	}
	look->next = reach->looks;
	reach->looks = look;
}

bool receiver_reach_has_store(struct receiver_reach *reach, const char *directory)
{
	struct look **link = &reach->looks, *look;

	while (*link != NULL && strcmp((*link)->directory, directory) != 0) {
		link = &(*link)->next;
	}
	look = *link;
	if (look == NULL) {
		look_begin(reach, directory);
		return false;
	}
	if (!look->done || !receiver_reach_has(reach, &look->found)) {
		return false;
	}
	*link = look->next;
	look_free(look);
	return true;
}
