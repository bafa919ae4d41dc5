/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The durable note that a guest's file systems may be frozen by us: <directory>/<vm>, empty until
 * just before the freeze, removed after the thaw. Its holder has it locked; a note that is not
 * empty and that nobody holds is a thaw that somebody owes. Below /run: a guest does not outlive
 * its host.
 */
#ifndef VMR_ENGINE_FREEZE_NOTE_H
#define VMR_ENGINE_FREEZE_NOTE_H

#include <stdbool.h>

#define FREEZE_NOTE_PATH_LEN 512

struct freeze_note {
	int fd; /* locked */
	char path[FREEZE_NOTE_PATH_LEN];
};

/* Take the note of vm, making it (and directory) when it is not there. 0, -EWOULDBLOCK (another
 * process holds it: its freeze is not over), -EINVAL (no name for a file), or another errno. Does
 * not block. */
int freeze_note_take(const char *directory, const char *vm, struct freeze_note *ret_note);
/* Write that the running domain of that id is, or is about to be, frozen. 0 or -errno. */
int freeze_note_write(struct freeze_note *note, int domain_id, bool frozen);
/* The domain's id, or -ENODATA when the note says nothing (no freeze was begun). */
int freeze_note_read(const struct freeze_note *note);
/* The guest is thawed, or was never frozen: remove it, and let go. */
void freeze_note_remove(struct freeze_note *note);
/* Let go of it as it is. */
void freeze_note_release(struct freeze_note *note);

#endif
