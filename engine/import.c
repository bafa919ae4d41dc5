/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * import: files of an admin's directory become a replica's first image. The engine, which may read
 * them, only copies bytes into <store>/import/ and compares hashes; what is in them is looked at by
 * the receiver, without privileges.
 *
 *   look at the media (worker) -> which replica, may it? (control thread)
 *     -> copy and check (worker) -> STORE_IMPORT to the receiver -> STORE_IMPORTED
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "engine/admin_vm.h"
#include "engine/replica_sizes.h"
#include "engine/receiver_child.h"
#include "engine/transfer.h"

#define COPY_STEP   (4u * 1024u * 1024u)
#define IMPORT_NAME "import"

__attribute__((format(printf, 4, 5))) static int refuse(struct transfer *transfer, int rc,
							const char *advice, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(transfer->text, sizeof(transfer->text), format, args);
	va_end(args);
	snprintf(transfer->advice, sizeof(transfer->advice), "%s", advice);
	return rc;
}

static bool import_is_cancelled(void *arg)
{
	const struct transfer *transfer = arg;

	return atomic_load(&transfer->cancelled);
}

/* ---- copying: on a worker ---- */

/* Data only: what is a hole stays one. */
static int copy_data(struct transfer *transfer, int from, int to, off_t size)
{
	cleanup_free uint8_t *buffer = malloc(COPY_STEP);
	off_t at = 0;

	if (buffer == NULL || ftruncate(to, size) < 0) {
		return buffer == NULL ? -ENOMEM : -errno;
	}
	while (at < size) {
		off_t data = lseek(from, at, SEEK_DATA), end;

		if (data < 0 && errno == ENXIO) {
			break; /* a hole to the end */
		}
		at = data < 0 ? at : data; /* a file system that knows no holes */
		end = data < 0 ? size : lseek(from, at, SEEK_HOLE);
		end = end < 0 ? size : end;
		while (at < end) {
			size_t length =
				end - at < (off_t)COPY_STEP ? (size_t)(end - at) : COPY_STEP;
			ssize_t n = pread(from, buffer, length, at);

			if (n <= 0 || pwrite(to, buffer, (size_t)n, at) != n) {
				return n == 0 ? -EIO : errno != 0 ? -errno : -ENOSPC;
			}
			at += n;
			atomic_fetch_add(&transfer->done_bytes, (uint64_t)n);
			if (import_is_cancelled(transfer)) {
				return -ECANCELED;
			}
		}
	}
	return 0;
}

/* Whose hash must be that of the media's manifest. */
static int file_check(struct transfer *transfer, const struct media_disk *disk, int fd)
{
	uint8_t hash[SHA256_LEN];
	int rc;

	if (!transfer->media.exported) {
		return 0;
	}
	rc = media_hash_file(fd, hash, import_is_cancelled, transfer);
	if (rc < 0) {
		return refuse(transfer, rc, "", "%s cannot be read: %s", disk->file, strerror(-rc));
	}
	return memcmp(hash, disk->sha256, SHA256_LEN) == 0
		       ? 0
		       : refuse(transfer, -EBADMSG, "copy the media again, or export again",
				"%s is not what was exported (SHA-256): it was damaged or changed "
				"on its way",
				disk->file);
}

/* A copy that an earlier import has left whole: by its size and time, as they were given to it. */
static bool copy_is_there(int dir_fd, const char *name, const struct stat *source)
{
	struct stat st;

	return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	       st.st_size == source->st_size && st.st_mtim.tv_sec == source->st_mtim.tv_sec &&
	       st.st_mtim.tv_nsec == source->st_mtim.tv_nsec;
}

/* Into a file of our own making, whoever else may write the directory; then it gets its name. */
static int file_copy(struct transfer *transfer, int media_fd, int dir_fd,
		     const struct media_disk *disk, const struct passwd *user)
{
	char part[MEDIA_FILE_MAX + 8];
	cleanup_close int from = -1, to = -1;
	struct stat st;
	int rc;

	from = openat(media_fd, disk->file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (from < 0 || fstat(from, &st) < 0) {
		return refuse(transfer, -errno, "", "%s cannot be opened: %s", disk->file,
			      strerror(errno));
	}
	if (copy_is_there(dir_fd, disk->file, &st)) {
		atomic_fetch_add(&transfer->done_bytes, (uint64_t)st.st_size);
		return 0;
	}
	snprintf(part, sizeof(part), "%s.part", disk->file);
	unlinkat(dir_fd, part, 0);
	to = openat(dir_fd, part, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to < 0) {
		return refuse(transfer, -errno, "", "%s cannot be made in the store: %s", part,
			      strerror(errno));
	}
	rc = ioctl(to, FICLONE, from) == 0 ? 0 : copy_data(transfer, from, to, st.st_size);
	if (rc < 0) {
		return refuse(transfer, rc, "import again goes on where it was",
			      "%s cannot be copied into the store: %s", disk->file, strerror(-rc));
	}
	rc = file_check(transfer, disk, to);
	if (rc < 0) {
		unlinkat(dir_fd, part, 0);
		return rc;
	}
	if (fchown(to, user->pw_uid, user->pw_gid) < 0 ||
	    futimens(to, (struct timespec[]){st.st_atim, st.st_mtim}) < 0 || fsync(to) < 0 ||
	    renameat(dir_fd, part, dir_fd, disk->file) < 0) {
		return refuse(transfer, -errno, "", "%s cannot be kept: %s", disk->file,
			      strerror(errno));
	}
	return 0;
}

static int import_directory(struct transfer *transfer, const struct passwd *user)
{
	cleanup_close int store =
		open(transfer->store, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int fd;

	if (store < 0 || (mkdirat(store, IMPORT_NAME, 0700) < 0 && errno != EEXIST)) {
		return refuse(transfer, -errno, "", "%s cannot be written: %s", transfer->store,
			      strerror(errno));
	}
	fd = openat(store, IMPORT_NAME, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fchown(fd, user->pw_uid, user->pw_gid) < 0) {
		int rc = -errno;

		if (fd >= 0) {
			close(fd);
		}
		return refuse(transfer, rc, "", "%s/import cannot be written: %s", transfer->store,
			      strerror(-rc));
	}
	return fd;
}

static int copy_run(void *arg)
{
	struct transfer *transfer = arg;
	cleanup_close int media_fd = open(transfer->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_close int dir_fd = -1;
	struct passwd buffer, *user = NULL;
	char strings[1024];
	int rc = 0;

	getpwnam_r(ENGINE_GROUP, &buffer, strings, sizeof(strings), &user);
	if (user == NULL || media_fd < 0) {
		return refuse(transfer, -ENOENT, "", "%s cannot be opened",
			      user == NULL ? "the receiver's user" : transfer->directory);
	}
	dir_fd = import_directory(transfer, user);
	if (dir_fd < 0) {
		return dir_fd;
	}
	for (size_t i = 0; i < transfer->media.disk_count && rc == 0; i++) {
		rc = file_copy(transfer, media_fd, dir_fd, &transfer->media.disks[i], user);
	}
	return rc;
}

/* ---- the receiver ---- */

static void copy_done(void *arg, int result)
{
	Vmreplica__Ipc__StoreImport message = VMREPLICA__IPC__STORE_IMPORT__INIT;
	Vmreplica__Ipc__ImportDisk disks[DISKS_MAX], *list[DISKS_MAX];
	Vmreplica__Cut cut = VMREPLICA__CUT__INIT;
	struct transfer *transfer = arg;
	struct media *media = &transfer->media;
	static uint64_t last_id;

	if (result < 0) {
		transfer_end(transfer, result);
		return;
	}
	for (size_t i = 0; i < media->disk_count; i++) {
		vmreplica__ipc__import_disk__init(&disks[i]);
		disks[i].name = media->disks[i].name;
		disks[i].file = media->disks[i].file;
		disks[i].raw = media->disks[i].raw;
		disks[i].size_bytes = media->disks[i].size_bytes;
		list[i] = &disks[i];
	}
	message.id = transfer->ipc_id = ++last_id;
	message.relationship = transfer->relationship;
	message.disks = list;
	message.n_disks = media->disk_count;
	if (media->exported) {
		cut.seq = media->seq;
		cut.cut_id = media->cut_id;
		cut.log_hash.data = media->hash;
		cut.log_hash.len = sizeof(media->hash);
		cut.time_ms = media->cut_time_ms;
		message.cut = &cut;
	}
	transfer->awaits_receiver = true;
	if (receiver_child_send(transfer->engine->receiver, FRAME_STORE_IMPORT, &message.base) <
	    0) {
		refuse(transfer, -ENOTCONN, "import again", "the receiver does not run");
		transfer_end(transfer, -ENOTCONN);
	}
}

/* ---- which replica ---- */

static uint64_t media_size(const struct media *media)
{
	uint64_t size_bytes = 0;

	for (size_t i = 0; i < media->disk_count; i++) {
		if (__builtin_add_overflow(size_bytes, media->disks[i].size_bytes, &size_bytes)) {
			return UINT64_MAX;
		}
	}
	return size_bytes;
}

static int import_choose(struct transfer *transfer)
{
	struct engine *engine = transfer->engine;
	const struct media *media = &transfer->media;
	char why[AUTHORIZATION_ROOM_LEN];
	const struct replica *replica = media->exported
						? engine_find_replica(engine, media->relationship)
						: admin_find_replica(engine, transfer->vm);

	if (replica == NULL && media->exported) {
		return refuse(transfer, -ENOENT,
			      "run it on the replica's node (vmreplica status), and protect the VM "
			      "first",
			      "the media hold %s of %s (relationship %s), and this node has no "
			      "such replica",
			      media->vm, media->site, media->relationship);
	}
	if (replica == NULL) {
		return refuse(transfer, -ENOENT,
			      "name the VM with --vm, and run it on the replica's node (vmreplica "
			      "status); protect it first",
			      "this node has no replica of \"%s\", and the media do not say whose "
			      "disks these are",
			      transfer->vm);
	}
	if (media->exported && strcmp(media->site, replica->settings.peer) != 0) {
		return refuse(transfer, -EACCES, "",
			      "the media come from site %s, and the replica "
			      "is one of site %s",
			      media->site, replica->settings.peer);
	}
	if (replica_sizes_admit(engine, replica->settings.peer, replica->settings.relationship,
				media_size(media), why) < 0) {
		return refuse(transfer, -EACCES,
			      "vmreplica authorize list, vmreplica authorize add", "%s", why);
	}
	if (!replica_is_open(replica)) {
		return refuse(transfer, -EAGAIN, "vmreplica status says why",
			      "the store of %s is not open on this node", replica->settings.vm);
	}
	snprintf(transfer->relationship, sizeof(transfer->relationship), "%s",
		 replica->settings.relationship);
	snprintf(transfer->vm, sizeof(transfer->vm), "%s", replica->settings.vm);
	snprintf(transfer->store, sizeof(transfer->store), "%s", replica->directory);
	return 0;
}

static bool import_runs_already(const struct transfer *transfer)
{
	for (const struct transfer *t = transfer->engine->transfers; t != NULL; t = t->next) {
		if (t != transfer && t->phase == TRANSFER_RUNNING && t->import &&
		    strcmp(t->relationship, transfer->relationship) == 0) {
			return true;
		}
	}
	return false;
}

/* ---- the media: on a worker ---- */

static int look_run(void *arg)
{
	struct transfer *transfer = arg;
	cleanup_close int fd = open(transfer->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char error[MEDIA_ERROR_LEN];
	int rc;

	if (fd < 0) {
		return refuse(transfer, -errno, "", "%s cannot be opened: %s", transfer->directory,
			      strerror(errno));
	}
	rc = media_load(fd, &transfer->media, error);
	return rc < 0 ? refuse(transfer, rc, "nothing was changed", "%s: %s", transfer->directory,
			       error)
		      : 0;
}

static void look_done(void *arg, int result)
{
	struct transfer *transfer = arg;

	result = result < 0 ? result : import_choose(transfer);
	if (result == 0 && import_runs_already(transfer)) {
		result = refuse(transfer, -EBUSY, "wait for it", "an import of %s is under way",
				transfer->vm);
	}
	for (size_t i = 0; result == 0 && i < transfer->media.disk_count; i++) {
		atomic_fetch_add(&transfer->total_bytes, transfer->media.disks[i].file_bytes);
	}
	if (result == 0 &&
	    workers_submit(transfer->engine->storage_workers, copy_run, copy_done, transfer) < 0) {
		result = refuse(transfer, -ENOMEM, "", "out of memory");
	}
	if (result < 0) {
		transfer_end(transfer, result);
	}
}

int import_begin(struct transfer *transfer)
{
	return workers_submit(transfer->engine->storage_workers, look_run, look_done, transfer) < 0
		       ? refuse(transfer, -ENOMEM, "", "out of memory")
		       : 0;
}
