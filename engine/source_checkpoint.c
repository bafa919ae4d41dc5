/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Our checkpoints: which of them stand on every disk, and libvirt's knowledge of them. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "engine/source_bitmap.h"
#include "engine/source_error.h"
#include "engine/source_offline.h"
#include "engine/source_private.h"
#include "engine/source_rpc.h"

_Static_assert(DISKS_MAX <= 64, "a set of disks is a 64 bit mask");

/* A checkpoint as its bitmaps show it. */
struct seen {
	char text[CHECKPOINT_NAME_LEN];
	struct checkpoint_name name;
	uint64_t sound_disks; /* mask of disks whose bitmap of that name can be relied on */
	uint64_t any_disks;   /* ... that have one at all */
};

static uint64_t replicated_disks(const struct source *source)
{
	uint64_t mask = 0;

	for (size_t i = 0; i < source->domain.count; i++) {
		if (source_disk_is_replicated(&source->domain.disks[i])) {
			mask |= UINT64_C(1) << i;
		}
	}
	return mask;
}

static int compare_seen(const void *a, const void *b)
{
	const struct checkpoint_name *one = &((const struct seen *)a)->name;
	const struct checkpoint_name *other = &((const struct seen *)b)->name;

	if (one->epoch != other->epoch) {
		return one->epoch < other->epoch ? -1 : 1;
	}
	if (one->seq != other->seq) {
		return one->seq < other->seq ? -1 : 1;
	}
	return strcmp(one->cut_id, other->cut_id);
}

static struct seen *find_seen(struct seen *list, size_t count, const char *text)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(list[i].text, text) == 0) {
			return &list[i];
		}
	}
	return NULL;
}

/* Gather bitmaps by name, ascending. Returns an array to free of at most bitmaps->count; NULL when
 * out of memory. */
static struct seen *gather(const struct source_bitmaps *bitmaps, size_t *ret_count)
{
	struct seen *list = calloc(bitmaps->count + 1, sizeof(*list));
	size_t count = 0;

	if (list == NULL) {
		return NULL;
	}
	for (size_t i = 0; i < bitmaps->count; i++) {
		const struct source_bitmap *bitmap = &bitmaps->items[i];
		struct seen *seen = find_seen(list, count, bitmap->text);

		if (seen == NULL) {
			seen = &list[count++];
			memcpy(seen->text, bitmap->text, sizeof(seen->text));
			seen->name = bitmap->name;
		}
		if (bitmap->disk != SIZE_MAX) {
			seen->any_disks |= UINT64_C(1) << bitmap->disk;
		}
		if (bitmap->sound && bitmap->disk != SIZE_MAX) {
			seen->sound_disks |= UINT64_C(1) << bitmap->disk;
		}
	}
	qsort(list, count, sizeof(*list), compare_seen);
	*ret_count = count;
	return list;
}

/* True when name stands on a line of its own in list. */
static bool is_listed(const char *list, const char *name)
{
	size_t length = strlen(name);
	const char *at = list;

	while ((at = strstr(at, name)) != NULL) {
		if ((at == list || at[-1] == '\n') && at[length] == '\n') {
			return true;
		}
		at += length;
	}
	return false;
}

/* libvirt lost its metadata (the VM has migrated, or was started anew as a transient domain): tell
 * it again. */
static int redefine(struct source *source, const struct seen *seen, const char *parent,
		    char error[SOURCE_ERROR_LEN])
{
	struct source_xml_disk disks[DISKS_MAX];
	size_t count = source_xml_disks(source, seen->sound_disks, disks);
	cleanup_free char *xml = source_xml_redefine(seen->text, parent, (int64_t)time(NULL), disks,
						     count, source->live_xml);

	if (xml == NULL) {
		return source_fail(-ENOMEM, error, "out of memory");
	}
	return source_rpc_checkpoint_redefine(source->connection, source->vm, xml, error);
}

/* Go through each line of list; a name of ours is handed to each. Stops at the first error. */
static int for_each_ours(const char *list, const char *relationship,
			 int (*each)(void *arg, const char *text), void *arg)
{
	cleanup_free char *copy = strdup(list);
	char *rest = copy, *line;
	int result = copy != NULL ? 0 : -ENOMEM;

	while (result == 0 && (line = strsep(&rest, "\n")) != NULL) {
		struct checkpoint_name name;

		if (checkpoint_name_parse(line, &name) &&
		    strcmp(name.relationship, relationship) == 0) {
			result = each(arg, line);
		}
	}
	return result;
}

struct sweep {
	struct source *source;
	struct seen *seen;
	size_t count;
};

/* Metadata whose bitmaps are all gone (left on a host by a VM that has been elsewhere since) is
 * only in the way. */
static int drop_leftover(void *arg, const char *text)
{
	struct sweep *sweep = arg;
	char error[SOURCE_ERROR_LEN];

	if (find_seen(sweep->seen, sweep->count, text) == NULL &&
	    source_rpc_checkpoint_delete(sweep->source->connection, sweep->source->vm, text, true,
					 error) != 0) {
		log_warning(
			"vm %s: libvirt keeps the record of checkpoint %s, which has no bitmap: "
			"%s",
			sweep->source->vm, text, error);
	}
	return 0;
}

uint64_t source_missing_disks(const struct source *source, const char *text)
{
	for (size_t i = 0; i < source->partial_count; i++) {
		if (strcmp(source->partial[i].text, text) == 0) {
			return source->partial[i].missing;
		}
	}
	return 0;
}

/* Does the checkpoint hold? Each disk has a sound bitmap of it, or none at all: such a disk was
 * added since (or its image replaced), and will be read whole. A bitmap that is there and not sound
 * is another matter. */
static bool seen_holds(const struct seen *seen, uint64_t wanted)
{
	uint64_t missing = wanted & ~seen->any_disks;

	return (seen->sound_disks & wanted) != 0 && (wanted & ~seen->sound_disks) == missing;
}

static bool note_partial(struct source *source, const struct seen *seen, uint64_t wanted)
{
	uint64_t missing = wanted & ~seen->any_disks;

	if (missing == 0) {
		return true;
	}
	if (source->partial_count == SOURCE_PARTIAL_MAX) {
		return false;
	}
	memcpy(source->partial[source->partial_count].text, seen->text, sizeof(seen->text));
	source->partial[source->partial_count++].missing = missing;
	return true;
}

/* Decide which stand, and make libvirt know those. Fills ret_names (room for count) and the counts.
 */
static int settle(struct source *source, const struct seen *seen, size_t count, const char *listed,
		  struct checkpoint_name *ret_names, size_t *ret_count, size_t *ret_broken,
		  char error[SOURCE_ERROR_LEN])
{
	uint64_t wanted = replicated_disks(source);
	const char *parent = NULL;
	size_t standing = 0;

	source->partial_count = 0;
	for (size_t i = 0; i < count; i++) {
		if (!seen_holds(&seen[i], wanted) || !note_partial(source, &seen[i], wanted)) {
			continue;
		}
		if (source->active && !is_listed(listed, seen[i].text)) {
			int result = redefine(source, &seen[i], parent, error);

			if (result == -ESTALE) {
				log_warning("vm %s: checkpoint %s does not hold: %s", source->vm,
					    seen[i].text, error);
				continue;
			}
			if (result != 0) {
				return result;
			}
		}
		parent = seen[i].text;
		ret_names[standing++] = seen[i].name;
	}
	*ret_count = standing;
	*ret_broken = count - standing;
	return 0;
}

/* Our bitmaps, wherever the VM's state puts them. */
static int query(struct source *source, const char *relationship,
		 struct source_bitmaps *ret_bitmaps, char error[SOURCE_ERROR_LEN])
{
	if (!source->active) {
		return source_offline_bitmaps(&source->domain, relationship, ret_bitmaps, error);
	}
	return source_bitmaps_query(source->connection, source->vm, &source->domain, relationship,
				    ret_bitmaps, error);
}

int source_checkpoints(struct source *source, const char *relationship,
		       struct checkpoint_name **ret_names, size_t *ret_count, size_t *ret_broken,
		       char error[SOURCE_ERROR_LEN])
{
	cleanup_source_bitmaps struct source_bitmaps bitmaps = {0};
	cleanup_free char *listed = NULL;
	cleanup_free struct seen *seen = NULL;
	cleanup_free struct checkpoint_name *names = NULL;
	struct sweep sweep;
	size_t count;
	int result;

	if (source->lender != NULL) {
		*ret_names = NULL;
		*ret_count = *ret_broken = 0;
		return 0;
	}
	result = source_refresh(source, error);

	if (result == 0) {
		result = source_check_at_rest(source, error);
	}
	if (result == 0) {
		result = query(source, relationship, &bitmaps, error);
	}
	if (result == 0) {
		result = source_rpc_checkpoints(source->connection, source->vm, &listed, error);
	}
	if (result != 0) {
		return result;
	}
	seen = gather(&bitmaps, &count);
	names = calloc(bitmaps.count + 1, sizeof(*names));
	if (seen == NULL || names == NULL) {
		return source_fail(-ENOMEM, error, "out of memory");
	}
	sweep = (struct sweep){.source = source, .seen = seen, .count = count};
	result = for_each_ours(listed, relationship, drop_leftover, &sweep);
	if (result != 0) {
		return source_fail(result, error, "out of memory");
	}
	result = settle(source, seen, count, listed, names, ret_count, ret_broken, error);
	if (result == 0) {
		*ret_names = steal_ptr(names);
	}
	return result;
}

static int remove_bitmap(struct source *source, const struct source_bitmap *bitmap,
			 char error[SOURCE_ERROR_LEN])
{
	return source->active ? source_bitmap_remove(source->connection, source->vm, bitmap, error)
			      : source_offline_remove(bitmap->node, bitmap->text, error);
}

/* Remove what libvirt does not know (any more), or cannot remove because the VM is shut off. text
 * NULL: all of the relationship. */
static int remove_bitmaps(struct source *source, const char *relationship, const char *text,
			  char error[SOURCE_ERROR_LEN])
{
	cleanup_source_bitmaps struct source_bitmaps bitmaps = {0};
	int result = query(source, relationship, &bitmaps, error);

	for (size_t i = 0; result == 0 && i < bitmaps.count; i++) {
		if (text == NULL || strcmp(bitmaps.items[i].text, text) == 0) {
			result = remove_bitmap(source, &bitmaps.items[i], error);
		}
	}
	return result;
}

int source_checkpoint_delete(struct source *source, const struct checkpoint_name *name,
			     char error[SOURCE_ERROR_LEN])
{
	char text[CHECKPOINT_NAME_LEN];
	int result = source->lender != NULL ? 0 : source_check_at_rest(source, error);

	if (result != 0 || source->lender != NULL) {
		return result;
	}
	checkpoint_name_format(name, text);
	/* Of a VM that is shut off, libvirt deletes its record alone. */
	result = source_rpc_checkpoint_delete(source->connection, source->vm, text, !source->active,
					      error);
	if (result == -ESTALE || (result == 0 && !source->active)) {
		result = remove_bitmaps(source, name->relationship, text, error);
	}
	return result;
}

struct release {
	struct source *source;
	char *error; /* SOURCE_ERROR_LEN bytes */
};

static int release_checkpoint(void *arg, const char *text)
{
	struct release *release = arg;
	struct source *source = release->source;
	int result = source_rpc_checkpoint_delete(source->connection, source->vm, text,
						  !source->active, release->error);

	if (result != 0 && result != -ENOTCONN && result != -ETIMEDOUT) {
		/* Its bitmaps may be in a state that libvirt refuses; they are taken away one by
		 * one afterwards. */
		result = source_rpc_checkpoint_delete(source->connection, source->vm, text, true,
						      release->error);
	}
	return result == -ESTALE ? 0 : result;
}

int source_checkpoints_release(struct source *source, const char *relationship,
			       char error[SOURCE_ERROR_LEN])
{
	struct release release = {.source = source, .error = error};
	cleanup_free char *listed = NULL;
	int result;

	if (source->lender != NULL) {
		return 0;
	}
	result = source_check_at_rest(source, error);
	if (result == 0) {
		result = source_rpc_checkpoints(source->connection, source->vm, &listed, error);
	}
	if (result == 0) {
		result = for_each_ours(listed, relationship, release_checkpoint, &release);
	}
	if (result == 0) {
		result = remove_bitmaps(source, relationship, NULL, error);
	}
	return result;
}
