/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/freeze_note.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"

#define NOTE_LEN 64

static int path_make(const char *directory, const char *vm, char path[FREEZE_NOTE_PATH_LEN])
{
	int len;

	if (vm[0] == '\0' || vm[0] == '.' || strchr(vm, '/') != NULL) {
		return -EINVAL;
	}
	len = snprintf(path, FREEZE_NOTE_PATH_LEN, "%s/%s", directory, vm);
	return len < FREEZE_NOTE_PATH_LEN ? 0 : -ENAMETOOLONG;
}

/* Between our open and our lock its holder may have removed the file: the lock would be on a file
 * that nobody else finds. */
static bool is_the_path_s(int fd, const char *path)
{
	struct stat ours, theirs;

	return fstat(fd, &ours) == 0 && lstat(path, &theirs) == 0 && ours.st_dev == theirs.st_dev &&
	       ours.st_ino == theirs.st_ino;
}

int freeze_note_take(const char *directory, const char *vm, struct freeze_note *ret_note)
{
	struct freeze_note note;
	int result = path_make(directory, vm, note.path);

	if (result < 0) {
		return result;
	}
	if (mkdir(directory, 0700) < 0 && errno != EEXIST) {
		return -errno;
	}
	for (;;) {
		cleanup_close int fd =
			open(note.path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

		if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0) {
			return -errno;
		}
		if (is_the_path_s(fd, note.path)) {
			note.fd = steal_fd(&fd);
			*ret_note = note;
			return 0;
		}
	}
}

int freeze_note_write(struct freeze_note *note, int domain_id, bool frozen)
{
	char text[NOTE_LEN];
	int len =
		snprintf(text, sizeof(text), "%d %s\n", domain_id, frozen ? "frozen" : "freezing");
	ssize_t written = pwrite(note->fd, text, (size_t)len, 0);

	if (written < 0) {
		return -errno;
	}
	return written == len && ftruncate(note->fd, len) == 0 ? 0 : -EIO;
}

int freeze_note_read(const struct freeze_note *note)
{
	char text[NOTE_LEN];
	ssize_t got = pread(note->fd, text, sizeof(text) - 1, 0);
	char *end;
	long id;

	if (got <= 0) {
		return -ENODATA;
	}
	text[got] = '\0';
	id = strtol(text, &end, 10);
	/* What cannot be read says at least that a freeze was begun; 0 is no running domain's. */
	return end != text && *end == ' ' && id > 0 && id <= INT32_MAX ? (int)id : 0;
}

void freeze_note_remove(struct freeze_note *note)
{
	unlink(note->path);
	freeze_note_release(note);
}

void freeze_note_release(struct freeze_note *note)
{
	close(note->fd);
	note->fd = -1;
}
