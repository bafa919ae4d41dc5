/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/faults/replay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "receiver/manifest.h"
#include "tests/unit/receiver_rig.h"

#define NEVER	     SIZE_MAX
#define NOTHING	     SIZE_MAX
#define PAGE	     4096u
#define PATH_MAX_LEN (RIG_PATH * 2)

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

static void *memory(size_t count, size_t size)
{
	void *found = calloc(count, size);

	if (found == NULL) {
		rig_die("no memory");
	}
	return found;
}

/* ---- names ---- */

static struct entry *name_find(const struct names *names, size_t parent, const char *name)
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

static void name_apply(struct names *names, const struct deed *deed)
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
	struct replay *replay = memory(1, sizeof(*replay));
	struct names names = {memory(SHIM_RECORDS, sizeof(struct entry)), 0};

	replay->shim = shim;
	replay->count = atomic_load(&shim->records);
	if (replay->count > SHIM_RECORDS) {
		rig_die("the record is full");
	}
	replay->objects = memory(replay->count + 1, sizeof(*replay->objects));
	replay->deeds = memory(replay->count, sizeof(*replay->deeds));
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

/* ---- making a directory of it ---- */

/* A directory in the making. */
struct making {
	const struct replay *replay;
	size_t index;
	enum replay_rest rest;
	uint32_t odds; /* of 100, that something not durable is there */
	bool *there;   /* of each deed before index */
	const char *directory;
	uid_t uid;
	gid_t gid;
};

static void deeds_choose(struct making *making)
{
	for (size_t i = 0; i < making->index; i++) {
		const struct deed *deed = &making->replay->deeds[i];

		making->there[i] =
			deed->durable < making->index || making->rest == REPLAY_ALL ||
			(making->rest == REPLAY_CHANCE && rig_random(100) < making->odds);
	}
}

static void piece_write(int fd, const uint8_t *data, size_t len, uint64_t offset)
{
	if (pwrite(fd, data, len, (off_t)offset) != (ssize_t)len) {
		rig_die("pwrite: %s", strerror(errno));
	}
}

/* Whole, or torn: some of its pages. */
static void write_apply(const struct making *making, int fd, const struct deed *deed)
{
	const struct shim_record *record = deed->record;
	const uint8_t *data = making->replay->shim->data + record->data;
	bool torn = making->rest == REPLAY_CHANCE && deed->durable >= making->index &&
		    rig_random(4) == 0;
	uint64_t done = 0;

	while (done < record->size) {
		uint64_t at = record->offset + done, page = PAGE - at % PAGE;
		uint64_t len = !torn			    ? record->size
			       : page < record->size - done ? page
							    : record->size - done;

		if (!torn || rig_random(2) == 0) {
			piece_write(fd, data + done, (size_t)len, at);
		}
		done += len;
	}
}

static void zero_apply(int fd, const struct shim_record *record)
{
	static const uint8_t zeros[65536];
	struct stat st;
	uint64_t end = record->offset + record->size;

	if (fstat(fd, &st) == 0 && end > (uint64_t)st.st_size) { /* a hole does not lengthen it */
		end = (uint64_t)st.st_size;
	}
	for (uint64_t at = record->offset; at < end; at += sizeof(zeros)) {
		piece_write(fd, zeros, end - at < sizeof(zeros) ? end - at : sizeof(zeros), at);
	}
}

static void file_make(const struct making *making, size_t object, const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);

	if (fd < 0 || fchown(fd, making->uid, making->gid) < 0) {
		rig_die("%s: %s", path, strerror(errno));
	}
	for (size_t i = 0; i < making->index; i++) {
		const struct deed *deed = &making->replay->deeds[i];

		if (deed->object != object || !making->there[i]) {
			continue;
		}
		if (deed->record->what == SHIM_DID_WRITE) {
			write_apply(making, fd, deed);
		} else if (deed->record->what == SHIM_DID_ZERO) {
			zero_apply(fd, deed->record);
		} else if (deed->record->what == SHIM_DID_TRUNCATE &&
			   ftruncate(fd, (off_t)deed->record->offset) < 0) {
			rig_die("ftruncate: %s", strerror(errno));
		}
	}
	close(fd);
}

static void directory_make(const struct making *making, const struct names *names, size_t object,
			   const char *path)
{
	if (mkdir(path, 0750) < 0 || chown(path, making->uid, making->gid) < 0) {
		rig_die("%s: %s", path, strerror(errno));
	}
	for (size_t i = 0; i < names->count; i++) {
		const struct entry *entry = &names->entries[i];
		char below[PATH_MAX_LEN];

		if (entry->parent != object) {
			continue;
		}
		snprintf(below, sizeof(below), "%s/%s", path, entry->name);
		if (making->replay->objects[entry->object].directory) {
			directory_make(making, names, entry->object, below);
		} else {
			file_make(making, entry->object, below);
		}
	}
}

/* ---- fingerprints ---- */

/* The object's time of change: fsync makes it durable, fdatasync need not. */
static int64_t object_mtime(const struct making *making, size_t object)
{
	int64_t durable = 0, latest = 0;

	for (size_t i = 0; i < making->index; i++) {
		const struct deed *deed = &making->replay->deeds[i];
		const struct shim_record *record = deed->record;

		if (deed->object != object || record->mtime_ns == 0) {
			continue;
		}
		latest = record->mtime_ns;
		if (record->what == SHIM_DID_SYNC || record->what == SHIM_DID_CREATE) {
			durable = record->mtime_ns;
		}
	}
	return making->rest == REPLAY_ALL || (making->rest == REPLAY_CHANCE && rig_random(2) == 0)
		       ? latest
		       : durable;
}

static size_t path_object(const struct names *names, const char *file)
{
	char directory[SHIM_NAME];
	const char *slash = strchr(file, '/');
	const struct entry *entry;

	if (slash == NULL) {
		return NOTHING;
	}
	snprintf(directory, sizeof(directory), "%.*s", (int)(slash - file), file);
	entry = name_find(names, 0, directory);
	entry = entry == NULL ? NULL : name_find(names, entry->object, slash + 1);
	return entry == NULL ? NOTHING : entry->object;
}

/* A fingerprint that would hold on the disk is made to hold for the copy; another one stays wrong.
 */
static void layer_translate(const struct making *making, const struct names *names, int dir_fd,
			    struct manifest_layer *layer)
{
	size_t object = path_object(names, layer->file);
	struct stat st;

	if (!layer->frozen || object == NOTHING ||
	    layer->inode != making->replay->objects[object].ino ||
	    layer->mtime_ns != object_mtime(making, object) ||
	    fstatat(dir_fd, layer->file, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		return;
	}
	layer->inode = st.st_ino;
	layer->mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
}

static void image_translate(const struct making *making, const struct names *names, int dir_fd,
			    struct manifest_image *image)
{
	for (size_t i = 0; i < image->disk_count; i++) {
		for (size_t k = 0; k < image->disks[i].layer_count; k++) {
			layer_translate(making, names, dir_fd, &image->disks[i].layers[k]);
		}
	}
}

/* Without a manifest, or with a damaged one, there is nothing to translate: its reader will tell.
 */
static void manifest_translate(const struct making *making, const struct names *names)
{
	int dir_fd = open(making->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd;
	char error[MANIFEST_ERROR_LEN], *text;
	struct manifest manifest = {0};
	size_t len = 0;

	if (manifest_load(dir_fd, &manifest, error) == 0) {
		image_translate(making, names, dir_fd, &manifest.current);
		image_translate(making, names, dir_fd, &manifest.pending);
		image_translate(making, names, dir_fd, &manifest.retired);
		text = manifest_encode(&manifest, &len);
		fd = openat(dir_fd, MANIFEST_NAME, O_WRONLY | O_TRUNC | O_CLOEXEC);
		if (text == NULL || fd < 0) {
			rig_die("no manifest");
		}
		piece_write(fd, (const uint8_t *)text, len, 0);
		close(fd);
		free(text);
		manifest_destroy(&manifest);
	}
	close(dir_fd);
}

void replay_make(const struct replay *replay, size_t index, enum replay_rest rest,
		 const char *directory)
{
	static const uint32_t odds[] = {5, 50, 95};
	struct making making = {.replay = replay,
				.index = index,
				.rest = rest,
				.odds = odds[rig_random(3)],
				.there = memory(index + 1, sizeof(bool)),
				.directory = directory,
				.uid = geteuid(),
				.gid = getegid()};
	struct names names = {memory(SHIM_RECORDS, sizeof(struct entry)), 0};
	bool drops = false;

	rig_user(&making.uid, &making.gid, &drops);
	deeds_choose(&making);
	for (size_t i = 0; i < index; i++) {
		if (making.there[i]) {
			name_apply(&names, &replay->deeds[i]);
		}
	}
	directory_make(&making, &names, 0, directory);
	manifest_translate(&making, &names);
	free(names.entries);
	free(making.there);
}
