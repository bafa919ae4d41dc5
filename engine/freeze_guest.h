/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Freezing and thawing the file systems of one guest through its agent, by libvirt. All block, in
 * the worst case for as long as the guest does: for vmreplica-freeze alone, a process with nothing
 * else to do.
 */
#ifndef VMR_ENGINE_FREEZE_GUEST_H
#define VMR_ENGINE_FREEZE_GUEST_H

#include <libvirt/libvirt.h>
#include <stdbool.h>

#define FREEZE_TEXT_LEN 384

struct freeze_guest {
	const char *uri, *vm; /* borrowed; uri NULL = qemu:///system */
	virConnectPtr conn;
	virDomainPtr domain;
	int id; /* of the running domain: another one is another boot */
};

/* Connect and find the VM running. 0, -ENOENT (not there, or not running), -ENOTCONN, with a
 * sentence in text. */
int freeze_guest_open(struct freeze_guest *guest, char text[FREEZE_TEXT_LEN]);
void freeze_guest_close(struct freeze_guest *guest);
/* Does its agent answer, as that of a guest that nobody has frozen does? 0 or -EIO with a sentence
 * that says what to do. */
int freeze_guest_probe(struct freeze_guest *guest, char text[FREEZE_TEXT_LEN]);
/* Number of file systems that are frozen now, or -EIO with a sentence. */
int freeze_guest_freeze(struct freeze_guest *guest, char text[FREEZE_TEXT_LEN]);

enum freeze_thaw {
	FREEZE_THAWED,	/* *ret_count file systems were thawed by this call */
	FREEZE_GONE,	/* that boot of the VM does not run here any more */
	FREEZE_REFUSED, /* the agent answered with an error */
	FREEZE_AGAIN,	/* no answer, or libvirt is away */
};
/* Once. A connection that broke is opened anew. */
enum freeze_thaw freeze_guest_thaw(struct freeze_guest *guest, int *ret_count,
				   char text[FREEZE_TEXT_LEN]);

#endif
