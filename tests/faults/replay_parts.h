/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside replay: what was understood of a record, and names in the making. */
#ifndef VMR_TESTS_FAULTS_REPLAY_PARTS_H
#define VMR_TESTS_FAULTS_REPLAY_PARTS_H

#include "tests/faults/replay.h"

#define NEVER	SIZE_MAX
#define NOTHING SIZE_MAX

/* A file or directory that there was, by whatever names. */
struct object {
	uint64_t ino;
	bool directory;
};

/* A thing done, with what it was done to. */
struct deed {
	const struct shim_record *record;
	size_t object;	       /* written, synced, or named */
	size_t parent, target; /* directories */
	size_t durable;	       /* the deed that made it durable; NEVER */
};

struct entry {
	size_t parent, object;
	char name[SHIM_NAME];
};

struct names {
	struct entry *entries; /* owned */
	size_t count;
};

struct replay {
	const struct shim *shim;
	struct object *objects;
	size_t object_count;
	struct deed *deeds;
	size_t count;
};

/* count elements of zeros; does not return without memory. */
void *replay_memory(size_t count, size_t size);
/* NULL: there is no such name. */
struct entry *name_find(const struct names *names, size_t parent, const char *name);
/* Do to the names what was done. */
void name_apply(struct names *names, const struct deed *deed);

#endif
