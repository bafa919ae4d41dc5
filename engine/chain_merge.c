/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/chain_merge.h"

#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "common/cleanup.h"
#include "engine/engine.h"
#include "engine/source_access.h"
#include "engine/source_image.h"
#include "engine/source_run.h"
#include "engine/source_tool.h"
#include "engine/store_walk.h"

/* ---- what stands on what ---- */

/* Names differ: libvirt's are absolute, the receiver's relative to the image. */
static bool is_same_file(const char *one, const char *other)
{
	struct stat a, b;

	return stat(one, &a) == 0 && stat(other, &b) == 0 && a.st_ino == b.st_ino &&
	       a.st_dev == b.st_dev;
}

int chain_merge_find(const char *path, char *const *chain, size_t count, size_t *ret_lowest,
		     size_t *ret_top)
{
	char below[PATH_MAX];
	size_t at = count, lowest = 0, top = 0;

	while (at != 0) {
		int result = source_image_backing(at == count ? path : chain[at], below);
		size_t next = 0;

		if (result < 0) {
			return result == -ENOENT ? -EBADMSG : result;
		}
		while (next < at && !is_same_file(below, chain[next])) {
			next++;
		}
		if (next == at) {
			return -EBADMSG;
		}
		top = at == count ? next : top;
		lowest = next != 0 ? next : lowest;
		at = next;
	}
	*ret_lowest = lowest;
	*ret_top = top;
	return 0;
}

size_t chain_merge_layers(const Vmreplica__Ipc__StoreTaken *taken)
{
	size_t most = 0;

	for (size_t i = 0; i < taken->n_disks; i++) {
		most = taken->disks[i]->n_chain > most ? taken->disks[i]->n_chain : most;
	}
	return most > 0 ? most - 1 : 0;
}

bool chain_merge_is_hopeless(int error)
{
	/* not ENOTSUP: so libvirt calls that another job has the disk */
	return error == -EBADMSG || error == -EIO || error == -EACCES || error == -EINVAL ||
	       error == -EPERM;
}

/* ---- access ---- */

/* The receiver parses what peers send, and owns the directories of its store. */
static bool path_is_sound(const struct chain_merge *merge, const char *path)
{
	size_t len = strlen(merge->store);
	cleanup_close int directory = -1;
	const char *name;
	int result;

	if (strncmp(path, merge->store, len) != 0 || path[len] != '/') {
		return false;
	}
	result = store_walk(path, len, 0, &directory, &name);
	return result == 0 || result == -ENOENT; /* merged away, and its directory with it */
}

static uid_t receiver_uid(void)
{
	struct passwd buffer, *user = NULL;
	char strings[1024];

	getpwnam_r(ENGINE_GROUP, &buffer, strings, sizeof(strings), &user);
	return user != NULL ? user->pw_uid : 0;
}

static int find(struct chain_merge *merge, const Vmreplica__Ipc__TakenDisk *disk,
		size_t *ret_lowest, size_t *ret_top)
{
	int result = chain_merge_find(disk->path, disk->chain, disk->n_chain, ret_lowest, ret_top);

	if (result < 0) {
		snprintf(merge->error, sizeof(merge->error),
			 "the images below %.300s are not those of the store: %s", disk->path,
			 strerror(-result));
	}
	return result;
}

/* The files are those of the store before anybody is let write one of them. */
static int layers_look(struct chain_merge *merge, const Vmreplica__Ipc__TakenDisk *disk,
		       size_t *ret_lowest)
{
	bool sound = path_is_sound(merge, disk->path);
	size_t top = 0;

	for (size_t i = 0; i < disk->n_chain; i++) {
		sound &= path_is_sound(merge, disk->chain[i]);
	}
	if (!sound) {
		snprintf(merge->error, sizeof(merge->error),
			 "an image of disk %.32s is not in the store", disk->name);
		return -EBADMSG;
	}
	return find(merge, disk, ret_lowest, &top);
}

int chain_merge_admit(struct chain_merge *merge, const Vmreplica__Ipc__TakenDisk *disk,
		      uid_t receiver, uid_t uid, char ret_base[PATH_MAX])
{
	size_t store = strlen(merge->store), lowest = 0;
	int result = layers_look(merge, disk, &lowest);

	if (result < 0 || lowest == 0) {
		return result;
	}
	for (size_t i = 0; i < disk->n_chain && result == 0; i++) {
		result = i == 0 ? source_access_base(disk->chain[0], store, receiver, uid, ret_base,
						     merge->error)
				: source_access_file(disk->chain[i], store, uid, merge->error);
		/* merged away before: it is named until that is recorded */
		result = result == -ENOENT && i > 0 ? 0 : result;
	}
	if (result == -ENOTDIR) {
		return -EBADMSG; /* a link was put there meanwhile */
	}
	return result == -ENOTSUP ? -EACCES : result < 0 ? result : 1; /* no ACLs there */
}

/* ---- merging ---- */

/* The base grows by what the layer has, and no layer goes before all are merged. A full file system
 * would have QEMU pause the VM. */
static int check_room(struct chain_merge *merge, const char *base, const char *layer)
{
	struct statvfs room;
	struct stat file;
	uint64_t available, wanted;

	if (statvfs(base, &room) < 0 || stat(layer, &file) < 0) {
		snprintf(merge->error, sizeof(merge->error), "%.300s: %s", layer, strerror(errno));
		return -EAGAIN;
	}
	available = (uint64_t)room.f_bavail * room.f_frsize;
	wanted = (uint64_t)file.st_blocks * 512 + merge->reserve_bytes;
	if (available < wanted) {
		snprintf(merge->error, sizeof(merge->error),
			 "the merge of %.250s waits for room: %" PRIu64
			 " MiB have to be free beside %.100s, %" PRIu64 " MiB are",
			 layer, wanted >> 20, base, available >> 20);
		return -ENOSPC;
	}
	return 0;
}

/* One layer at a time: what is merged stays merged when this is given up. */
static int merge_running(struct chain_merge *merge, const Vmreplica__Ipc__TakenDisk *disk,
			 const char *base)
{
	size_t lowest = 0, top = 0, before = 0;
	int result = find(merge, disk, &lowest, &top);

	while (result == 0 && lowest != 0) {
		if (*merge->stop) {
			snprintf(merge->error, sizeof(merge->error), "given up");
			return -ECANCELED;
		}
		before = lowest;
		result = check_room(merge, base, disk->chain[lowest]);
		if (result < 0) {
			return result;
		}
		result = source_run_commit(merge->libvirt, merge->vm, disk->name, base,
					   disk->chain[lowest], merge->stop, merge->error);
		result = result < 0 ? result : find(merge, disk, &lowest, &top);
		if (result == 0 && lowest == before) {
			snprintf(merge->error, sizeof(merge->error),
				 "QEMU has not merged %.300s: is there room beside %.100s?",
				 disk->chain[lowest], disk->chain[0]);
			return -EAGAIN;
		}
		merge->merged += result == 0;
	}
	return result;
}

static int merge_off(struct chain_merge *merge, const Vmreplica__Ipc__TakenDisk *disk,
		     const char *base, uid_t uid)
{
	size_t lowest = 0, top = 0;
	int result = find(merge, disk, &lowest, &top);

	if (result < 0 || top == 0) {
		return result;
	}
	result = source_tool_merge(disk->path, base, disk->chain[0], disk->chain[top], uid,
				   merge->stop, merge->error);
	merge->merged += result == 0;
	return result;
}

static int disk_merge(struct chain_merge *merge, const Vmreplica__Ipc__TakenDisk *disk,
		      bool running, uid_t uid)
{
	char base[PATH_MAX];
	int result;

	if (disk->n_chain < 2) {
		return 0;
	}
	result = chain_merge_admit(merge, disk, receiver_uid(), uid, base);
	if (result <= 0) {
		return result;
	}
	return running ? merge_running(merge, disk, base) : merge_off(merge, disk, base, uid);
}

int chain_merge_run(struct chain_merge *merge)
{
	enum source_run_state state = SOURCE_RUN_ABSENT;
	uid_t uid = 0;
	gid_t gid = 0;
	int result;

	merge->merged = 0;
	if (chain_merge_layers(merge->taken) == 0) {
		return 0;
	}
	result = source_run_user(merge->libvirt, &uid, &gid, merge->error);
	result = result < 0 ? result
			    : source_run_state(merge->libvirt, merge->vm, &state, merge->error);
	if (result == 0 && state != SOURCE_RUN_RUNNING && merge->running_only) {
		snprintf(merge->error, sizeof(merge->error), "the VM does not run here");
		return -EAGAIN;
	}
	for (size_t i = 0; i < merge->taken->n_disks && result == 0; i++) {
		result =
			disk_merge(merge, merge->taken->disks[i], state == SOURCE_RUN_RUNNING, uid);
	}
	return result;
}
