/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How a store becomes ours, and how it is left. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/lock_holder.h"
#include "common/log.h"
#include "receiver/adopt.h"
#include "receiver/durable.h"
#include "receiver/image.h"
#include "receiver/lend.h"
#include "receiver/merge.h"
#include "receiver/ownership.h"
#include "receiver/spool.h"
#include "receiver/store.h"
#include "receiver/stores.h"
#include "receiver/takeover.h"

#define LOCK_WAIT_MS  5000 /* a receiver that is just going down gets this long to let go */
#define STREAM_END_MS 15000
#define APPLY_END_MS  20000

__attribute__((format(printf, 3, 4))) static int refuse(char error[STORE_ERROR_LEN], int rc,
							const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error, STORE_ERROR_LEN, format, args);
	va_end(args);
	return rc;
}

static int directory_open(struct store *store, char error[STORE_ERROR_LEN])
{
	cleanup_close int fd =
		open(store->directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0) {
		return refuse(error, -errno,
			      "cannot open the store %.300s: %s; it must exist, be reachable for "
			      "and belong to the receiver's user",
			      store->directory, strerror(errno));
	}
	if (st.st_uid != geteuid() || (st.st_mode & 0002) != 0) {
		return refuse(
			error, -EACCES,
			"the store %.300s must belong to the receiver's user (uid %u) and not "
			"be writable by others",
			store->directory, (unsigned int)geteuid());
	}
	store->dir_fd = steal_fd(&fd);
	return 0;
}

/* Who holds the lock wrote its name into the file. */
static void lock_holder_read(int fd, char *text, size_t size)
{
	ssize_t n = pread(fd, text, size - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
}

/* Without a name the engine of this node could not end us if we hung. */
static int lock_holder_write(struct store *store, int fd)
{
	struct lock_holder holder;
	char text[LOCK_HOLDER_LEN];
	int rc = lock_holder_self(store->receiver->node, &holder);
	ssize_t n;

	if (rc < 0) {
		return rc;
	}
	n = (ssize_t)strlen(lock_holder_format(&holder, text));
	if (pwrite(fd, text, (size_t)n, 0) != n) { /* over the old one: that works on a full disk */
		return -ENOSPC;
	}
	return ftruncate(fd, n) < 0 ? -errno : 0;
}

static int lock_take(struct store *store, char error[STORE_ERROR_LEN])
{
	cleanup_close int fd = openat(store->dir_fd, STORE_LOCK_NAME,
				      O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640);
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int64_t deadline_ms = clock_monotonic_ms() + LOCK_WAIT_MS;
	char holder[LOCK_HOLDER_LEN];
	int rc;

	if (fd < 0) {
		return refuse(error, -errno, "cannot open the lock of %.300s: %s", store->directory,
			      strerror(errno));
	}
	while (fcntl(fd, F_OFD_SETLK, &lock) < 0) {
		if (errno != EAGAIN && errno != EACCES && errno != EINTR) {
			return refuse(error, -errno, "cannot lock %.300s: %s", store->directory,
				      strerror(errno));
		}
		if (clock_monotonic_ms() > deadline_ms || atomic_load(&store->closing)) {
			lock_holder_read(fd, holder, sizeof(holder));
			return refuse(error, -EBUSY,
				      "the store %.200s is in use by another receiver (%.200s): "
				      "stop it there first",
				      store->directory, holder);
		}
		clock_sleep_ms(100);
	}
	rc = lock_holder_write(store, fd);
	if (rc < 0) {
		log_warning("%s: the lock carries no name: %s", store->vm, strerror(-rc));
	}
	store->lock_fd = steal_fd(&fd);
	return 0;
}

/* A store without a manifest is a new one, unless it holds data. */
static int manifest_begin(struct store *store, struct manifest *next, char error[STORE_ERROR_LEN])
{
	if (faccessat(store->dir_fd, "gen-1", F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		struct stat st;

		/* An empty gen-1 is a first open that was cut short. */
		if (fstatat(store->dir_fd, "gen-1", &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    unlinkat(store->dir_fd, "gen-1", AT_REMOVEDIR) < 0) {
			return refuse(error, -EBADMSG,
				      "%.300s holds a replica but no " MANIFEST_NAME
				      ": put it back, or remove the directory and protect the VM "
				      "anew",
				      store->directory);
		}
	}
	*next = (struct manifest){.generation = 1, .next_seq = 1, .next_layer = 1};
	snprintf(next->relationship, sizeof(next->relationship), "%s", store->relationship);
	return 0;
}

static int manifest_read(struct store *store, struct manifest *next, char error[STORE_ERROR_LEN])
{
	int rc = manifest_load(store->dir_fd, next, error);

	if (rc == -ENOENT) {
		return manifest_begin(store, next, error);
	}
	if (rc == 0 && strcmp(next->relationship, store->relationship) != 0) {
		manifest_destroy(next);
		return refuse(error, -EINVAL,
			      "%.300s belongs to another relationship (%s of VM %s)",
			      store->directory, next->relationship, next->vm);
	}
	if (rc == 0 && strcmp(next->owner_node, store->receiver->node) != 0) {
		next->generation++;
	}
	return rc;
}

/* What the manifest says once no older owner can change it any more. One that we must not touch is
 * refused before anything is done to the store. */
static int manifest_read_final(struct store *store, struct manifest *next,
			       char error[STORE_ERROR_LEN])
{
	int rc = manifest_read(store, next, error);

	if (rc < 0) {
		return rc;
	}
	manifest_destroy(next);
	rc = ownership_fence(store->dir_fd);
	if (rc < 0) {
		return refuse(error, rc, "cannot take %.300s away from its last owner: %s",
			      store->directory, strerror(-rc));
	}
	return manifest_read(store, next, error);
}

/* Compare the layers of image with what their last owner left. The points that stand on a changed
 * one go, and it gets a new fingerprint: all that is read through it from now on is compared with
 * the primary. True when all are as they were; else why tells of the last. */
static bool image_judge(struct store *store, struct manifest *next, struct manifest_image *image,
			char *why, size_t why_size)
{
	struct manifest_layer *layer;
	bool unchanged = true;

	while ((layer = image_find_changed(store, image, why, why_size)) != NULL) {
		char file[MANIFEST_FILE_MAX + 1];
		size_t dropped;

		layer->frozen = unchanged = false;
		memcpy(file, layer->file, sizeof(file)); /* the layer may go with its points */
		dropped = manifest_point_drop_over(next, file);
		if (dropped > 0) {
			receiver_event(store->receiver, "error", store->vm,
				       "%zu recovery points are dropped: the layer they stand on "
				       "was changed behind our back: %s",
				       dropped, why);
		}
	}
	return unchanged;
}

/* A changed replica is never offered as it is. */
static void images_judge(struct store *store, struct manifest *next)
{
	char why[MANIFEST_FILE_MAX + 64];

	/* One layer can be in all three. */
	image_judge(store, next, &next->retired, why, sizeof(why));
	if (!image_judge(store, next, &next->current, why, sizeof(why))) {
		if (!next->resync_needed) {
			snprintf(next->resync_reason, sizeof(next->resync_reason),
				 "the replica's image was changed behind our back: %s", why);
		}
		next->resync_needed = next->distrusted = true;
		memset(&next->mark, 0, sizeof(next->mark));
		log_warning("%s: %s", store->vm, next->resync_reason);
	}
	if (!image_judge(store, next, &next->pending, why, sizeof(why))) {
		log_warning("%s: an unfinished copy was changed behind our back (%s): it is begun "
			    "anew",
			    store->vm, why);
		memset(&next->mark, 0, sizeof(next->mark));
	}
}

/* Is the file no index of ours, so that reading it once more would not help? */
static bool history_is_lost(int rc)
{
	return rc == -EFBIG || rc == -EINVAL || rc == -EUCLEAN;
}

/* The index of logs, in our own directory. One that is lost costs the cycles between points, not
 * the points; one that storage does not give now must not cost anything: opening is tried again. */
static int history_take_over(struct store *store, struct manifest *next)
{
	uint64_t end_seq = next->log_count > 0 ? next->logs[0].seq : next->applied_seq + 1;
	int rc = history_load(store->dir_fd, next->history_generation, next->history_from, end_seq,
			      &store->history);

	if (history_is_lost(rc)) {
		log_warning("%s: the index of kept logs is lost (%s): cycles between recovery "
			    "points cannot be recovered",
			    store->vm, strerror(-rc));
		next->history_generation = 0;
		return 0;
	}
	if (rc < 0 || next->history_generation == 0 ||
	    next->history_generation == next->generation) {
		return rc;
	}
	rc = history_save(store->dir_fd, next->generation, &store->history);
	if (rc == 0) {
		next->history_generation = next->generation;
	} else { /* the old file is read until there are more logs to write down */
		log_warning("%s: the index of kept logs cannot be written (%s): it stays where "
			    "it is for now",
			    store->vm, strerror(-rc));
		store->history.lines = 0; /* the next append writes all */
	}
	return 0;
}

/* Take the manifest over in our name: from here on an older owner's saves are refused. */
static int manifest_take(struct store *store, char error[STORE_ERROR_LEN])
{
	struct manifest next = {0};
	char generation[32];
	bool uncertain;
	int rc = manifest_read_final(store, &next, error);

	if (rc < 0) {
		return rc;
	}
	snprintf(next.vm, sizeof(next.vm), "%s", store->vm);
	snprintf(next.peer_site, sizeof(next.peer_site), "%s", store->peer_site);
	snprintf(next.owner_node, sizeof(next.owner_node), "%s", store->receiver->node);
	snprintf(generation, sizeof(generation), "gen-%" PRIu64, next.generation);
	next.closed = false;
	store->manifest.generation = next.generation; /* whose tops stay unfrozen */
	if (!next.failover.committed) {		      /* then libvirt merges them */
		bool taken = next.failover.kind != VMREPLICA__TAKEOVER_KIND__TAKEOVER_NONE;

		images_judge(store, &next);
		image_freeze(store, &next, &next.current, taken);
		image_freeze(store, &next, &next.pending, taken);
	}
	rc = ownership_take(store->dir_fd, next.generation);
	rc = rc < 0 ? rc : durable_directory_make(store->dir_fd, generation);
	rc = rc < 0 ? rc : spool_take_over(store, &next);
	rc = rc < 0 ? rc : history_take_over(store, &next);
	rc = rc < 0 ? rc : manifest_save(store->dir_fd, &next, &uncertain);
	if (rc < 0) {
		manifest_destroy(&next);
		return refuse(error, rc, "cannot take over %.300s: %s", store->directory,
			      strerror(-rc));
	}
	store->manifest = next;
	return 0;
}

static void store_release(struct store *store)
{
	if (store->lock_fd >= 0) {
		close(store->lock_fd);
	}
	if (store->dir_fd >= 0) {
		close(store->dir_fd);
	}
	store->lock_fd = store->dir_fd = -1;
}

/* Then the images are the VM's. */
static bool failover_stands(const struct store *store)
{
	return store->manifest.failover.kind != VMREPLICA__TAKEOVER_KIND__TAKEOVER_NONE;
}

/* Open the image, so that its locks are held and a damaged one shows at once. */
static int image_open(struct store *store, char error[STORE_ERROR_LEN])
{
	struct answer answer;
	int bad_disk;
	int rc;

	if (store->manifest.current.disk_count == 0 || failover_stands(store)) {
		return 0;
	}
	rc = image_attach(store, STORE_CURRENT, false, &answer, &bad_disk);
	if (rc < 0 && bad_disk >= 0) {
		rc = store_distrust(store, &answer, "%.400s", answer.reason);
	}
	return rc < 0 ? refuse(error, rc, "%s", answer.reason) : 0;
}

int store_open(struct store *store, char error[STORE_ERROR_LEN])
{
	int rc;

	pthread_mutex_lock(&store->lock);
	rc = directory_open(store, error);
	rc = rc < 0 ? rc : lock_take(store, error);
	rc = rc < 0 ? rc : manifest_take(store, error);
	if (rc == 0 && store->adoption != NULL) {
		rc = adopt_carry_out(store, store->adoption, error);
	}
	if (rc == 0) {
		store_sweep(store);
		rc = image_open(store, error);
	}
	if (rc < 0) {
		image_stop(store);
		store_release(store);
		manifest_destroy(&store->manifest);
		history_destroy(&store->history);
	} else {
		atomic_store(&store->taken, failover_stands(store));
		lend_opened(store);
		view_set_manifest(&store->view, &store->manifest, store->directory);
	}
	pthread_mutex_unlock(&store->lock);
	return rc;
}

/* ---- closing ---- */

/* Leave the layers with their fingerprints, after a daemon that ended well. Without them nothing is
 * lost: the next open cannot tell then whether somebody else wrote the tops meanwhile. */
static void manifest_leave(struct store *store)
{
	struct manifest next = {0};
	struct answer answer = {0};

	if (store->broken) { /* the last chance to record what is known */
		store->broken = false;
		store_impose(store, &answer);
	}
	if (store->stale || store->broken || manifest_copy(&store->manifest, &next) < 0) {
		return;
	}
	if (!next.failover.committed) {
		image_freeze(store, &next, &next.current, true);
		image_freeze(store, &next, &next.pending, true);
	}
	next.closed = true;
	if (store_save(store, &next, &answer) < 0) {
		log_warning("%s: the store is left without fingerprints: %s", store->vm,
			    answer.reason);
	}
	manifest_destroy(&next);
}

int store_close(struct store *store, bool destroy, char error[STORE_ERROR_LEN])
{
	bool kept;
	int rc;

	atomic_store(&store->closing, true);
	pthread_mutex_lock(&store->lock);
	if (store->dir_fd < 0) {
		pthread_mutex_unlock(&store->lock);
		return 0;
	}
	kept = failover_stands(store) || adopt_holds_disks(store);
	rc = store_stream_wait_gone(store, STREAM_END_MS);
	rc = rc < 0 ? rc : takeover_wait_idle(store, APPLY_END_MS);
	rc = rc < 0 ? rc : apply_wait_idle(store, APPLY_END_MS);
	rc = rc < 0 ? rc : merge_hold(store, APPLY_END_MS);
	if (rc < 0) {
		pthread_mutex_unlock(&store->lock);
		return refuse(error, rc, "a worker of %s does not end", store->vm);
	}
	if (image_stop(store) < 0) {
		log_warning("%s: qemu-storage-daemon did not end well", store->vm);
	} else if (!destroy || kept) {
		manifest_leave(store);
	}
	if (destroy && kept) {
		rc = refuse(error, -EPERM,
			    "the disks of %s are in this store, since it has failed over to it: "
			    "they are not removed",
			    store->vm);
	} else {
		rc = destroy ? store_destroy(store, error) : 0;
	}
	store_release(store);
	pthread_mutex_unlock(&store->lock);
	return rc;
}
