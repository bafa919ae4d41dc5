/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a program of QEMU's is left with that works on one store: its image files, and the VM's
 * disks that were lent to it. It makes, removes and renames nothing there (but in import/), does
 * not see the manifest, and has neither sockets but those that it is given, nor processes. So one
 * that was taken over by what it read reaches no other store. The kernel's part is that of
 * common/confine.h, within what is left to the receiver.
 */
#ifndef VMR_RECEIVER_CELL_H
#define VMR_RECEIVER_CELL_H

#include "common/confine.h"
#include "receiver/manifest.h"

/* Of which store. */
struct cell {
	const char *directory;		 /* borrowed */
	const struct manifest *manifest; /* names the adopted disks; borrowed; NULL = none */
};

/* What a program of it is to enter. */
struct cell_walls {
	int files;			     /* -1: the kernel cannot restrict them */
	const struct confine_program *calls; /* borrowed, for the process's life */
};

/* As the store is now. 0, or a negative errno with a sentence. Blocks for as long as storage does.
 */
int cell_build(const struct cell *cell, struct cell_walls *ret_walls,
	       char error[CONFINE_ERROR_LEN]);
void cell_walls_destroy(struct cell_walls *walls);

/* In the new process, between fork and exec: async-signal-safe. 0 or a negative errno. */
int cell_enter(const struct cell_walls *walls);

/* What programs need to run at all, into a set of paths of common/confine.h. 0 or a negative errno.
 */
int cell_add_programs(int fd);

#endif
