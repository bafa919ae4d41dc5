/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/faults/replay_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "receiver/manifest.h"
#include "tests/unit/receiver_rig.h"

void *replay_memory(size_t count, size_t size)
{
	void *found = calloc(count, size);

	if (found == NULL) {
		rig_die("no memory");
	}
	return found;
}

/* ---- names ---- */

struct entry *name_find(const struct names *names, size_t parent, const char *name)
{
	for (size_t i = 0; i < names->count; i++) {
		if (names->entries[i].parent == parent &&
		    strcmp(names->entries[i].name, name) == 0) {
			return &names->entries[i];
		}
	}
	return NULL;
}

static void name_set(struct names *names, size_t parent, const char *name, size_t object)
{
	struct entry *entry = name_find(names, parent, name);

	if (entry == NULL) {
		entry = &names->entries[names->count++];
		entry->parent = parent;
		snprintf(entry->name, sizeof(entry->name), "%s", name);
	}
	entry->object = object;
}

static void name_remove(struct names *names, size_t parent, const char *name, size_t object)
{
	struct entry *entry = name_find(names, parent, name);

	if (entry != NULL && (object == NOTHING || entry->object == object)) {
		*entry = names->entries[--names->count];
	}
}

void name_apply(struct names *names, const struct deed *deed)
{
	const struct shim_record *record = deed->record;

	switch (record->what) {
	case SHIM_DID_CREATE:
	case SHIM_DID_MKDIR:
	case SHIM_DID_LINK:
		name_set(names, deed->parent, record->name, deed->object);
		break;
	case SHIM_DID_UNLINK:
	case SHIM_DID_RMDIR:
		name_remove(names, deed->parent, record->name, deed->object);
		break;
	case SHIM_DID_RENAME:
		name_remove(names, deed->parent, record->name, deed->object);
		name_set(names, deed->target, record->other_name, deed->object);
		break;
	default:
		break;
	}
}

/* ---- understanding the record ---- */

static size_t object_find(const struct replay *replay, uint64_t ino)
{
	for (size_t i = replay->object_count; i > 0; i--) { /* the newest of that number */
		if (replay->objects[i - 1].ino == ino) {
			return i - 1;
		}
	}
	return NOTHING;
}

static size_t object_add(struct replay *replay, uint64_t ino, bool directory)
{
	replay->objects[replay->object_count] = (struct object){.ino = ino, .directory = directory};
	return replay->object_count++;
}

static void deed_take(struct replay *replay, struct deed *deed, const struct names *names)
{
	const struct shim_record *record = deed->record;
	const struct entry *entry;

	deed->durable = NEVER;
	deed->parent = object_find(replay, record->parent);
	deed->target = object_find(replay, record->other_parent);
	switch (record->what) {
	case SHIM_DID_CREATE:
	case SHIM_DID_MKDIR:
		deed->object = object_add(replay, record->ino, record->what == SHIM_DID_MKDIR);
		break;
	case SHIM_DID_UNLINK:
	case SHIM_DID_RMDIR:
	case SHIM_DID_RENAME:
		entry = name_find(names, deed->parent, record->name);
		if (entry == NULL) {
			rig_die("the record does not say where %s comes from", record->name);
		}
		deed->object = entry->object;
		break;
	default:
		deed->object = object_find(replay, record->ino);
		break;
	}
}

/* Does fsync of object cover the deed? */
static bool is_covered(const struct deed *deed, size_t object)
{
	switch (deed->record->what) {
	case SHIM_DID_WRITE:
	case SHIM_DID_TRUNCATE:
	case SHIM_DID_ZERO:
		return deed->object == object;
	case SHIM_DID_RENAME:
		return deed->target == object;
	case SHIM_DID_SYNC:
	case SHIM_DID_MARK:
		return false;
	default:
		return deed->parent == object;
	}
}

static void durable_find(struct replay *replay)
{
	for (size_t i = 0; i < replay->count; i++) {
		const struct deed *flush = &replay->deeds[i];

		if (flush->record->what != SHIM_DID_SYNC) {
			continue;
		}
		for (size_t k = 0; k < i && k < flush->record->begun; k++) {
			struct deed *deed = &replay->deeds[k];

			if (deed->durable == NEVER && is_covered(deed, flush->object)) {
				deed->durable = i;
			}
		}
	}
}

struct replay *replay_new(const struct shim *shim, uint64_t root)
{
	struct replay *replay = replay_memory(1, sizeof(*replay));
	struct names names = {replay_memory(SHIM_RECORDS, sizeof(struct entry)), 0};

	replay->shim = shim;
	replay->count = atomic_load(&shim->records);
	if (replay->count > SHIM_RECORDS) {
		rig_die("the record is full");
	}
	replay->objects = replay_memory(replay->count + 1, sizeof(*replay->objects));
	replay->deeds = replay_memory(replay->count, sizeof(*replay->deeds));
	object_add(replay, root, true);
	for (size_t i = 0; i < replay->count; i++) {
		replay->deeds[i].record = &shim->record[i];
		if (atomic_load(&shim->record[i].ready) == 0) {
			rig_die("the record has a hole");
		}
		deed_take(replay, &replay->deeds[i], &names);
		name_apply(&names, &replay->deeds[i]);
	}
	free(names.entries);
	durable_find(replay);
	return replay;
}

void replay_free(struct replay *replay)
{
	free(replay->objects);
	free(replay->deeds);
	free(replay);
}

size_t replay_count(const struct replay *replay)
{
	return replay->count;
}

bool replay_is_flush(const struct replay *replay, size_t index)
{
	return replay->deeds[index].record->what == SHIM_DID_SYNC;
}

uint64_t replay_acknowledged(const struct replay *replay, size_t index)
{
	uint64_t seq = 0;

	for (size_t i = 0; i < index; i++) {
		if (replay->deeds[i].record->what == SHIM_DID_MARK) {
			seq = replay->deeds[i].record->offset;
		}
	}
	return seq;
}
