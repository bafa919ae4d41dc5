/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/replica_state.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "proto/validate.h"
#include "proto/vm_state.h"

#define PLACED_END ".placed"

static int fail(int code, char *error, const char *doing, const char *path)
{
	snprintf(error, REPLICA_STATE_ERROR_LEN, "%s %.300s: %s", doing, path, strerror(-code));
	return code;
}

/* ---- reading, in a directory that the receiver's user owns ---- */

/* "<store>/<directory>/<file>": no link is followed on the way. The fd, or -errno. */
static int archive_open(const char *store, const char *archive)
{
	size_t len = strlen(store);
	const char *inner =
		strncmp(archive, store, len) == 0 && archive[len] == '/' ? archive + len + 1 : NULL;
	const char *slash = inner != NULL ? strchr(inner, '/') : NULL;
	char directory[NAME_MAX + 1];
	cleanup_close int store_fd = -1;
	cleanup_close int directory_fd = -1;
	int fd;

	if (slash == NULL || strchr(slash + 1, '/') != NULL || inner[0] == '.' ||
	    (size_t)snprintf(directory, sizeof(directory), "%.*s", (int)(slash - inner), inner) >=
		    sizeof(directory)) {
		return -EINVAL;
	}
	store_fd = open(store, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	directory_fd = store_fd < 0 ? -1
				    : openat(store_fd, directory,
					     O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	fd = directory_fd < 0 ? -1
			      : openat(directory_fd, slash + 1,
				       O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int archive_read(const char *store, const char *archive, uint8_t **ret_data, size_t *ret_len)
{
	cleanup_close int fd = archive_open(store, archive);
	cleanup_free uint8_t *data = NULL;
	size_t len = 0;
	struct stat st;

	if (fd < 0) {
		return fd;
	}
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > (off_t)VM_STATE_MAX) {
		return -EBADMSG;
	}
	data = malloc((size_t)st.st_size + 1);
	if (data == NULL) {
		return -ENOMEM;
	}
	while (len < (size_t)st.st_size) {
		ssize_t got = read(fd, data + len, (size_t)st.st_size - len);

		if (got == 0 || (got < 0 && errno != EINTR)) {
			return got < 0 ? -errno : -EBADMSG;
		}
		len += got > 0 ? (size_t)got : 0;
	}
	*ret_data = steal_ptr(data);
	*ret_len = len;
	return 0;
}

/* ---- writing, in directories of root's ---- */

static int write_whole(int fd, const struct vm_state_file *file)
{
	for (size_t done = 0; done < file->len;) {
		ssize_t written = write(fd, file->data + done, file->len - done);

		if (written < 0 && errno != EINTR) {
			return -errno;
		}
		done += written > 0 ? (size_t)written : 0;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

static int file_place(const char *path, const struct vm_state_file *file,
		      char error[REPLICA_STATE_ERROR_LEN])
{
	char aside[PATH_LEN_MAX + 8];
	cleanup_close int fd = -1;
	int result;

	if ((size_t)snprintf(aside, sizeof(aside), "%s.new", path) >= sizeof(aside)) {
		return fail(-ENAMETOOLONG, error, "placing", path);
	}
	unlink(aside); /* what a crash left */
	fd = open(aside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	result = fd < 0 ? -errno : write_whole(fd, file);
	if (result == 0 && rename(aside, path) < 0) {
		result = -errno;
	}
	if (result < 0) {
		unlink(aside);
		return fail(result, error, "placing", path);
	}
	return 0;
}

/* ---- a TPM's, as libvirt lays it out ---- */

static const struct tpm_layout {
	const char *name, *directory, *file;
} tpm_layouts[] = {
	{VM_STATE_TPM_1_2, "tpm1.2", "tpm-00.permall"},
	{VM_STATE_TPM_2_0, "tpm2", "tpm2-00.permall"},
};

static const char *tpm_top(const struct replica_state_places *places)
{
	return places->tpm_directory != NULL ? places->tpm_directory : REPLICA_STATE_TPM_DIRECTORY;
}

/* The umask is strict, and swtpm's user passes through the outer ones. One that is there stays as
 * it is. */
static void directory_make(const char *path, mode_t mode)
{
	if (mkdir(path, mode) == 0) {
		chmod(path, mode);
	}
}

/* libvirt gives the innermost directory, and what is in it, to swtpm's user. */
static int tpm_place(const struct replica_state_places *places, const struct tpm_layout *layout,
		     const struct vm_state_file *file, char error[REPLICA_STATE_ERROR_LEN])
{
	char path[PATH_LEN_MAX + 1];
	const char *top = tpm_top(places);

	directory_make(top, 0711);
	snprintf(path, sizeof(path), "%.512s/%s", top, places->uuid);
	directory_make(path, 0711);
	snprintf(path, sizeof(path), "%.512s/%s/%s", top, places->uuid, layout->directory);
	directory_make(path, 0700);
	snprintf(path, sizeof(path), "%.512s/%s/%s/%s", top, places->uuid, layout->directory,
		 layout->file);
	return file_place(path, file, error);
}

static int tpms_place(const struct replica_state_places *places, const struct vm_state *state,
		      char error[REPLICA_STATE_ERROR_LEN])
{
	int result = 0;

	if (!validate_uuid(places->uuid)) {
		return fail(-EINVAL, error, "placing a TPM's state for", places->uuid);
	}
	for (size_t i = 0; i < sizeof(tpm_layouts) / sizeof(tpm_layouts[0]) && result == 0; i++) {
		const struct vm_state_file *file = vm_state_find(state, tpm_layouts[i].name);

		result = file != NULL ? tpm_place(places, &tpm_layouts[i], file, error) : 0;
	}
	return result;
}

int replica_state_place(const char *store, const char *archive,
			const struct replica_state_places *places,
			char error[REPLICA_STATE_ERROR_LEN])
{
	cleanup_free uint8_t *data = NULL;
	const struct vm_state_file *nvram;
	struct vm_state state = {.count = 0};
	const char *why = "";
	size_t len = 0;
	int result = archive[0] != '\0' ? archive_read(store, archive, &data, &len) : 0;

	if (result < 0) {
		return fail(result, error, "reading the VM's state from", archive);
	}
	if (data != NULL && vm_state_decode(data, len, &state, &why) < 0) {
		snprintf(error, REPLICA_STATE_ERROR_LEN,
			 "%.300s is damaged (%s): vmreplica store check shows what else is",
			 archive, why);
		return -EBADMSG;
	}
	nvram = vm_state_find(&state, VM_STATE_NVRAM);
	if (places->nvram != NULL && nvram != NULL) {
		result = file_place(places->nvram, nvram, error);
	}
	return result == 0 && places->uuid != NULL ? tpms_place(places, &state, error) : result;
}

/* ---- for a definition ---- */

#define UUID_TAG "<uuid>"

/* Of our own writer's text. uuid has room for RELATIONSHIP_LEN + 1. */
static struct replica_state_places places_of(const char *nvram, const char *xml, char *uuid)
{
	const char *tag = strstr(xml, UUID_TAG);
	struct replica_state_places places = {.nvram =
						      strstr(xml, "<nvram") != NULL ? nvram : NULL};

	if (tag != NULL && strstr(xml, "<tpm ") != NULL) {
		snprintf(uuid, RELATIONSHIP_LEN + 1, "%s", tag + strlen(UUID_TAG));
		places.uuid = uuid;
	}
	return places;
}

static int note_path(const char *nvram, char path[PATH_LEN_MAX + 1])
{
	return snprintf(path, PATH_LEN_MAX + 1, "%s" PLACED_END, nvram) <= (int)PATH_LEN_MAX
		       ? 0
		       : -ENAMETOOLONG;
}

static int note_make(const char *path)
{
	cleanup_close int fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

int replica_state_prepare(const char *store, const char *archive, const char *nvram,
			  const char *xml, bool is_test, char error[REPLICA_STATE_ERROR_LEN])
{
	char uuid[RELATIONSHIP_LEN + 1], note[PATH_LEN_MAX + 1];
	struct replica_state_places places = places_of(nvram, xml, uuid);
	int result = note_path(nvram, note);

	if (result < 0) {
		return fail(result, error, "placing", nvram);
	}
	if (!is_test && access(note, F_OK) == 0) {
		return 0;
	}
	result = replica_state_place(store, archive, &places, error);
	if (result == 0 && !is_test) {
		result = note_make(note);
		return result < 0 ? fail(result, error, "writing", note) : 0;
	}
	return result;
}

void replica_state_forget(const char *nvram)
{
	char note[PATH_LEN_MAX + 1];

	if (note_path(nvram, note) == 0 && access(note, F_OK) == 0) {
		unlink(nvram);
		unlink(note);
	}
}
