/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "receiver/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "receiver/adopt.h"
#include "receiver/overlay.h"
#include "receiver/states.h"
#include "receiver/stores.h"
#include "receiver/sums.h"

#define RETRY_MOVED_MS	      1000
#define RETRY_STORAGE_MS      15000
#define RETRY_STORAGE_FULL_MS 5000

/* Condition waits are bounded, so they count on the monotonic clock. */
static int condition_init(pthread_cond_t *condition)
{
	pthread_condattr_t attributes;
	int rc;

	if (pthread_condattr_init(&attributes) != 0) {
		return -ENOMEM;
	}
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	rc = pthread_cond_init(condition, &attributes);
	pthread_condattr_destroy(&attributes);
	return rc == 0 ? 0 : -ENOMEM;
}

void store_set_points(struct store *store, const Vmreplica__Ipc__StoreOpen *request)
{
	atomic_store(&store->points, request->points);
	atomic_store(&store->point_interval_s, request->point_interval_s);
	atomic_store(&store->app_interval_s, request->app_interval_s);
	atomic_store(&store->frequency_s, request->frequency_s);
	if (request->qemu_uid != 0) {
		atomic_store(&store->qemu_uid, request->qemu_uid);
	}
	atomic_store(&store->merge_wanted, true); /* that looks at the points, too */
}

struct store *store_new(struct receiver *receiver, const Vmreplica__Ipc__StoreOpen *request)
{
	struct store *store = calloc(1, sizeof(*store));

	if (store == NULL) {
		return NULL;
	}
	if (view_init(&store->view) < 0) {
		free(store);
		return NULL;
	}
	if (pthread_mutex_init(&store->lock, NULL) != 0 || condition_init(&store->changed) < 0) {
		view_destroy(&store->view);
		free(store);
		return NULL;
	}
	store->receiver = receiver;
	atomic_init(&store->references, 1);
	atomic_init(&store->suspended, request->suspended);
	store->dir_fd = store->lock_fd = -1;
	snprintf(store->relationship, sizeof(store->relationship), "%s", request->relationship);
	snprintf(store->vm, sizeof(store->vm), "%s", request->vm);
	snprintf(store->peer_site, sizeof(store->peer_site), "%s", request->peer_site);
	snprintf(store->directory, sizeof(store->directory), "%s", request->directory);
	snprintf(store->resource, sizeof(store->resource), "%s", request->resource);
	store_set_points(store, request);
	view_set_suspended(&store->view, request->suspended);
	view_set_frequency(&store->view, request->frequency_s);
	return store;
}

struct store *store_ref(struct store *store)
{
	atomic_fetch_add(&store->references, 1);
	return store;
}

void store_unref(struct store *store)
{
	if (store == NULL || atomic_fetch_sub(&store->references, 1) != 1) {
		return;
	}
	adopt_request_free(store->adoption);
	manifest_destroy(&store->manifest);
	history_destroy(&store->history);
	view_destroy(&store->view);
	pthread_cond_destroy(&store->changed);
	pthread_mutex_destroy(&store->lock);
	free(store);
}

/* What forbids to record anything. */
static int store_check_owner(struct store *store, struct answer *answer)
{
	if (store->stale) {
		return answer_moved(answer, RETRY_MOVED_MS,
				    "another node has taken over the replica of %s", store->vm);
	}
	if (store->broken && store->dir_fd >= 0 && store_check_space(store, false, answer) < 0) {
		return -EBUSY; /* that is why */
	}
	if (store->broken) {
		return answer_busy(answer, "storage-error", RETRY_STORAGE_MS,
				   "the manifest of %s could not be made durable: look at the "
				   "storage; it is tried again by itself",
				   store->vm);
	}
	return 0;
}

void store_wait(struct store *store, int timeout_ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += timeout_ms / 1000;
	until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_cond_timedwait(&store->changed, &store->lock, &until);
}

int store_check_open(struct store *store, struct answer *answer)
{
	if (atomic_load(&store->closing) || store->dir_fd < 0) {
		return answer_moved(answer, RETRY_MOVED_MS,
				    "the replica of %s is leaving this node", store->vm);
	}
	return store_check_owner(store, answer);
}

int store_check(struct store *store, struct answer *answer)
{
	const struct manifest *manifest = &store->manifest;
	int rc = store_check_open(store, answer);

	if (rc == 0 && manifest->failover.kind != VMREPLICA__TAKEOVER_KIND__TAKEOVER_NONE) {
		return answer_denied(answer, "epoch",
				     "the replica of %s has failed over to cycle %" PRIu64
				     " (epoch %" PRIu64 " of %.100s): nothing more is taken",
				     store->vm, manifest->failover.cut.seq, manifest->epoch.number,
				     manifest->epoch.site);
	}
	return rc;
}

int store_fenced(struct store *store, struct answer *answer)
{
	if (!store->stale) {
		log_error("%s: another node has taken over %s; this one writes nothing more",
			  store->vm, store->directory);
	}
	store->stale = true;
	return store_check_owner(store, answer);
}

int store_check_generation(struct store *store, struct answer *answer)
{
	int rc = store_check_owner(store, answer);

	rc = rc < 0 ? rc : manifest_check_generation(store->dir_fd, store->manifest.generation);
	if (rc == -ESTALE && !store->stale) {
		return store_fenced(store, answer);
	}
	return rc < 0 && !store->stale && !store->broken
		       ? answer_storage(answer, rc, "reading " MANIFEST_NAME)
		       : rc;
}

int store_save(struct store *store, struct manifest *next, struct answer *answer)
{
	bool uncertain = false;
	struct manifest before;
	int rc = store_check_generation(store, answer);

	if (rc < 0) {
		return rc;
	}
	manifest_states_trim(next);
	rc = manifest_save(store->dir_fd, next, &uncertain);
	if (rc == -ESTALE) {
		return store_fenced(store, answer);
	}
	if (rc < 0) {
		store->broken = store->broken || uncertain;
		return answer_storage(answer, rc, "writing " MANIFEST_NAME);
	}
	before = store->manifest;
	store->manifest = *next;
	memset(next, 0, sizeof(*next));
	states_unlink(store, &before);
	manifest_destroy(&before);
	view_set_manifest(&store->view, &store->manifest, store->directory);
	stores_status_soon(store->receiver);
	pthread_cond_broadcast(&store->changed);
	return 0;
}

int store_ask_resync(struct store *store, struct answer *answer, const char *format, ...)
{
	struct manifest next = {0};
	va_list args;
	int rc;

	if (store->manifest.resync_needed) {
		return 0;
	}
	if (manifest_copy(&store->manifest, &next) < 0) {
		return answer_storage(answer, -ENOMEM, "planning a resynchronization");
	}
	va_start(args, format);
	vsnprintf(next.resync_reason, sizeof(next.resync_reason), format, args);
	va_end(args);
	memset(&next.mark, 0, sizeof(next.mark)); /* of a delta that will not be needed */
	next.resync_needed = true;
	rc = store_save(store, &next, answer);
	manifest_destroy(&next);
	if (rc == 0) {
		receiver_event(store->receiver, "warning", store->vm,
			       "resynchronization required: %s", store->manifest.resync_reason);
	}
	return rc;
}

int store_check_space(struct store *store, bool applying, struct answer *answer)
{
	uint64_t reserve =
		atomic_load(&store->receiver->storage_reserve_bytes) / (applying ? 4 : 1);
	struct statvfs fs;
	uint64_t available;

	if (fstatvfs(store->dir_fd, &fs) < 0) {
		return answer_storage(answer, -errno, "looking at the free space");
	}
	available = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (available > reserve) {
		return 0;
	}
	return answer_busy(answer, "storage-full", RETRY_STORAGE_FULL_MS,
			   "the replica's storage %.200s has %" PRIu64
			   " MiB free and a reserve of %" PRIu64
			   " MiB: make room there; replication goes on by itself",
			   store->directory, available >> 20, reserve >> 20);
}

static bool answer_is_storage(const struct answer *answer)
{
	return answer->kind == ANSWER_MOVED || strcmp(answer->code, "storage-full") == 0 ||
	       strcmp(answer->code, "storage-error") == 0 ||
	       strcmp(answer->code, "spool-full") == 0;
}

bool store_note(struct store *store, const struct answer *answer)
{
	bool fresh;

	if (atomic_load(&store->closing) || answer->kind == ANSWER_LOST ||
	    strcmp(answer->code, "suspended") == 0) {
		return false; /* the engine or the admin asked for it, or the sender will tell */
	}
	if (answer_is_storage(answer)) {
		fresh = view_set_storage(&store->view, answer->code, answer->reason);
	} else {
		fresh = view_set_stream(&store->view, answer->code, answer->reason);
	}
	if (fresh) {
		receiver_event(store->receiver, "warning", store->vm, "%s", answer->reason);
	}
	stores_status_soon(store->receiver);
	return fresh;
}

void store_storage_ok(struct store *store)
{
	struct answer still;
	bool was_full;

	pthread_mutex_lock(&store->view.lock);
	was_full = strcmp(store->view.storage.code, "storage-full") == 0;
	pthread_mutex_unlock(&store->view.lock);
	if (was_full && store_check_space(store, false, &still) < 0) {
		return; /* room to apply, but none to receive */
	}
	if (view_set_storage(&store->view, "", "")) {
		receiver_event(store->receiver, "notice", store->vm,
			       "the replica's storage takes data again");
		stores_status_soon(store->receiver);
	}
}

/* ---- sweeping ---- */

static bool name_ends_with(const char *name, const char *suffix)
{
	size_t len = strlen(name), suffix_len = strlen(suffix);

	return len > suffix_len && strcmp(name + len - suffix_len, suffix) == 0;
}

/* What belongs to a cycle that the stream is bringing, which the manifest does not name yet. The
 * log has its name before its commit has the lock. */
static bool file_is_coming(const struct store *store, const char *name)
{
	return store->stream != NULL && name[0] >= '1' && name[0] <= '9' &&
	       strtoull(name, NULL, 10) > store->manifest.committed.seq;
}

/* Is this file of a generation's directory nothing that counts? */
static bool file_is_left_over(const struct store *store, const char *generation, const char *name)
{
	char file[PATH_LEN_MAX], index[64];

	snprintf(file, sizeof(file), "%s/%s", generation, name);
	if (name_ends_with(name, SUMS_SUFFIX)) { /* they stay as long as their layer does */
		file[strlen(file) - strlen(SUMS_SUFFIX)] = '\0';
		return !manifest_refers_to(&store->manifest, file);
	}
	snprintf(index, sizeof(index), "gen-%" PRIu64 "/" HISTORY_NAME,
		 store->manifest.history_generation);
	if (store->manifest.generation == 0) {
		return name[0] != '.';
	}
	if (strncmp(name, HISTORY_NAME, strlen(HISTORY_NAME)) == 0) {
		return strcmp(file, index) != 0;
	}
	if (name_ends_with(name, ".extents")) {
		return true; /* whoever asked for it is gone */
	}
	return (name_ends_with(name, ".part") || name_ends_with(name, ".vrl") ||
		name_ends_with(name, SUMS_SUFFIX ".new") || name_ends_with(name, STATE_SUFFIX) ||
		name_ends_with(name, STATE_SUFFIX ".new") || name_ends_with(name, ".qcow2")) &&
	       !manifest_refers_to(&store->manifest, file) &&
	       !history_refers_to(&store->history, file);
}

static bool file_shall_go(struct store *store, const char *generation, const char *name,
			  bool logs_only)
{
	bool is_log = name_ends_with(name, ".vrl");

	if ((logs_only && !is_log) || file_is_coming(store, name) ||
	    !file_is_left_over(store, generation, name)) {
		return false;
	}
	store->logs_linger |= is_log && store->log_readers > 0;
	return !is_log || store->log_readers == 0;
}

static void sweep_generation(struct store *store, const char *generation, bool logs_only)
{
	int fd = openat(store->dir_fd, generation, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (dir == NULL) {
		if (fd >= 0) {
			close(fd);
		}
		return;
	}
	while ((entry = readdir(dir)) != NULL) {
		if (file_shall_go(store, generation, entry->d_name, logs_only)) {
			unlinkat(dirfd(dir), entry->d_name, 0);
		}
	}
	closedir(dir);
}

static void sweep(struct store *store, bool logs_only)
{
	int fd = openat(store->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	char own[32];
	struct dirent *entry;

	if (dir == NULL) {
		if (fd >= 0) {
			close(fd);
		}
		return;
	}
	snprintf(own, sizeof(own), "gen-%" PRIu64, store->manifest.generation);
	while ((entry = readdir(dir)) != NULL) {
		if (strncmp(entry->d_name, "gen-", 4) != 0) {
			continue;
		}
		sweep_generation(store, entry->d_name, logs_only);
		if (strcmp(entry->d_name, own) != 0 &&
		    !overlay_directories_stay(&store->manifest)) {
			unlinkat(store->dir_fd, entry->d_name, AT_REMOVEDIR); /* once it is empty */
		}
	}
	closedir(dir);
}

void store_sweep(struct store *store)
{
	sweep(store, false);
	overlay_sweep(store, &store->manifest.failover);
}

void store_sweep_logs(struct store *store)
{
	store->logs_linger = false;
	sweep(store, true);
}
