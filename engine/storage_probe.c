/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/storage_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cluster/authorization.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/log.h"
#include "engine/announcer.h"
#include "engine/vm_status.h"
#include "proto/names.h"
#include "proto/validate.h"

struct storage_probe {
	struct engine *engine; /* borrowed */
	struct storage_info infos[STORAGE_PROBES_MAX];
	size_t count;
	struct storage_info work[STORAGE_PROBES_MAX]; /* the worker's */
	size_t work_count;
	bool busy, again;
	int64_t next_ms; /* monotonic */
};

struct storage_probe *storage_probe_new(struct engine *engine)
{
	struct storage_probe *probe = calloc(1, sizeof(*probe));

	if (probe != NULL) {
		probe->engine = engine;
	}
	return probe;
}

void storage_probe_free(struct storage_probe *probe)
{
	free(probe);
}

bool storage_probe_is_busy(const struct storage_probe *probe)
{
	return probe->busy;
}

static void storage_fail(struct storage_info *info, const char *doing, int error)
{
	snprintf(info->error, sizeof(info->error), "%s %.300s: %s", doing, info->path,
		 strerror(error));
}

/* Read the marker's id, or make one. The first of two nodes that make it at once wins (O_EXCL by
 * link). */
static int storage_marker(struct storage_info *info, int directory)
{
	char id[RELATIONSHIP_LEN + 1], temporary[sizeof(STORAGE_MARKER) + RELATIONSHIP_LEN + 2];
	cleanup_close int fd = openat(directory, STORAGE_MARKER, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	cleanup_close int fresh = -1;
	int result = 0;

	if (fd < 0 && errno == ENOENT) {
		if (name_make_uuid(id) < 0) {
			return -EIO;
		}
		snprintf(temporary, sizeof(temporary), "%s.%s", STORAGE_MARKER, id);
		fresh = openat(directory, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		if (fresh < 0) {
			return -errno;
		}
		if (fchmod(fresh, 0644) < 0 ||
		    write(fresh, id, RELATIONSHIP_LEN) != RELATIONSHIP_LEN || fsync(fresh) < 0) {
			result = -errno;
		} else if (linkat(directory, temporary, directory, STORAGE_MARKER, 0) < 0 &&
			   errno != EEXIST) {
			result = -errno;
		}
		unlinkat(directory, temporary, 0);
		if (result < 0) {
			return result;
		}
		fd = openat(directory, STORAGE_MARKER, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	}
	if (fd < 0) {
		return -errno;
	}
	memset(info->id, 0, sizeof(info->id));
	if (read(fd, info->id, RELATIONSHIP_LEN) < 0) {
		return -errno;
	}
	return validate_uuid(info->id) ? 0 : -EBADMSG;
}

/* Can the receiver's user reach the directory? The check runs with that user's rights on files, in
 * this thread alone. */
static int storage_reach(const struct storage_info *info, unsigned int uid, unsigned int gid)
{
	cleanup_close int fd = -1;
	int result = 0;

	setfsgid(gid);
	setfsuid(uid);
	fd = open(info->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || faccessat(fd, ".", X_OK, AT_EACCESS) < 0) {
		result = -errno;
	}
	setfsuid(0);
	setfsgid(0);
	return result;
}

void storage_examine(struct storage_info *info, unsigned int uid, unsigned int gid)
{
	cleanup_close int directory = open(info->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct statvfs fs;
	int result;

	info->id[0] = info->error[0] = '\0';
	info->free_bytes = 0;
	info->writable = false;
	if (directory < 0 || fstatvfs(directory, &fs) < 0) {
		storage_fail(info, "no storage directory", errno);
		return;
	}
	info->free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	if ((fs.f_flag & ST_RDONLY) != 0) {
		storage_fail(info, "cannot write to", EROFS);
		return;
	}
	result = storage_marker(info, directory);
	if (result < 0) {
		storage_fail(info,
			     result == -EBADMSG ? "the marker file holds no id in"
						: "cannot write to",
			     -result);
		return;
	}
	result = storage_reach(info, uid, gid);
	if (result < 0) {
		storage_fail(info, "user " ENGINE_GROUP " cannot enter", -result);
		return;
	}
	info->writable = true;
}

void storage_user(unsigned int *ret_uid, unsigned int *ret_gid)
{
	struct passwd buffer, *user = NULL;
	char strings[1024];

	getpwnam_r(ENGINE_GROUP, &buffer, strings, sizeof(strings), &user);
	*ret_uid = user != NULL ? user->pw_uid : 0;
	*ret_gid = user != NULL ? user->pw_gid : 0;
}

static int probe_run(void *arg)
{
	struct storage_probe *probe = arg;
	unsigned int uid, gid;

	storage_user(&uid, &gid);
	for (size_t i = 0; i < probe->work_count; i++) {
		storage_examine(&probe->work[i], uid, gid);
	}
	return 0;
}

static bool storage_info_differs(const struct storage_info *a, const struct storage_info *b)
{
	return a->writable != b->writable || strcmp(a->id, b->id) != 0 ||
	       strcmp(a->error, b->error) != 0;
}

static void probe_done(void *arg, int result)
{
	struct storage_probe *probe = arg;
	bool changed = probe->count != probe->work_count;

	probe->busy = false;
	if (result < 0) {
		return;
	}
	for (size_t i = 0; i < probe->work_count; i++) {
		const struct storage_info *old = storage_probe_find(probe, probe->work[i].path);

		if (old == NULL || storage_info_differs(old, &probe->work[i])) {
			changed = true;
			if (probe->work[i].error[0] != '\0') {
				engine_event(probe->engine, "warning", "", "storage: %s",
					     probe->work[i].error);
			}
		}
	}
	memcpy(probe->infos, probe->work, probe->work_count * sizeof(probe->work[0]));
	probe->count = probe->work_count;
	if (changed) {
		announcer_touch(probe->engine->announcer);
	}
	if (probe->again) {
		probe->again = false;
		probe->next_ms = 0;
	}
}

const struct storage_info *storage_probe_find(const struct storage_probe *probe, const char *path)
{
	for (size_t i = 0; i < probe->count; i++) {
		if (strcmp(probe->infos[i].path, path) == 0) {
			return &probe->infos[i];
		}
	}
	return NULL;
}

void storage_probe_configure(struct storage_probe *probe)
{
	probe->next_ms = 0;
	probe->again = probe->busy;
}

/* The distinct paths of all entries. */
static void probe_list_paths(struct storage_probe *probe)
{
	struct authorization_table table = {0};

	probe->work_count = 0;
	if (authorization_table_load(engine_settings(probe->engine), &table, NULL) < 0) {
		return;
	}
	for (size_t i = 0; i < table.count && probe->work_count < STORAGE_PROBES_MAX; i++) {
		bool known = false;

		for (size_t k = 0; k < probe->work_count && !known; k++) {
			known = strcmp(probe->work[k].path, table.entries[i].storage) == 0;
		}
		if (!known) {
			struct storage_info *info = &probe->work[probe->work_count++];

			memset(info, 0, sizeof(*info));
			snprintf(info->path, sizeof(info->path), "%s", table.entries[i].storage);
		}
	}
	authorization_table_destroy(&table);
}

void storage_probe_tick(struct storage_probe *probe, int64_t now_ms)
{
	if (probe->busy || now_ms < probe->next_ms) {
		return;
	}
	probe->next_ms = now_ms + STORAGE_PROBE_MS;
	probe_list_paths(probe);
	probe->busy =
		workers_submit(probe->engine->storage_workers, probe_run, probe_done, probe) == 0;
}

void storage_probe_fill(const struct storage_probe *probe,
			Vmreplica__Cluster__Announcement *announcement)
{
	Vmreplica__Cluster__Storage *storages;

	announcement->n_storages = 0;
	announcement->storages = NULL;
	if (probe->count == 0) {
		return;
	}
	storages = calloc(probe->count, sizeof(*storages));
	announcement->storages = calloc(probe->count, sizeof(*announcement->storages));
	if (storages == NULL || announcement->storages == NULL) {
		free(storages);
		free(announcement->storages);
		announcement->storages = NULL;
		return;
	}
	for (size_t i = 0; i < probe->count; i++) {
		const struct storage_info *info = &probe->infos[i];

		vmreplica__cluster__storage__init(&storages[i]);
		storages[i].path = vm_status_borrow(info->path);
		storages[i].id = vm_status_borrow(info->id);
		storages[i].free_bytes = info->free_bytes;
		storages[i].writable = info->writable;
		storages[i].error = vm_status_borrow(info->error);
		announcement->storages[i] = &storages[i];
	}
	announcement->n_storages = probe->count;
}

void storage_probe_release(Vmreplica__Cluster__Announcement *announcement)
{
	if (announcement->n_storages > 0) {
		free(announcement->storages[0]);
		free(announcement->storages);
	}
	announcement->n_storages = 0;
	announcement->storages = NULL;
}
