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

#define PAGE	     4096u
#define PATH_MAX_LEN (RIG_PATH * 2)

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
				.there = replay_memory(index + 1, sizeof(bool)),
				.directory = directory,
				.uid = geteuid(),
				.gid = getegid()};
	struct names names = {replay_memory(SHIM_RECORDS, sizeof(struct entry)), 0};
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
