/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `vmreplica check`: is all fit for replication? Each line says ok, or what is wrong and what to
 * do.
 *
 *   check.c              the course of one check: probes here, and the other nodes' answers
 *   check_facts.c        what the control thread knows: quorum, fencing, the engines, the broker
 *   check_probe.c        what a worker tries: certificate, clock, scratch, libvirt, disks, peer
 *   check_storage.c      the storage of authorized sites
 *   check_replica.c      would the replica VMs of this node start here?
 *   check_guard.c        VMs without a guard
 *   check_wrap.c         wrapped raw disks: may QEMU use them here?
 *   check_unprotected.c  a VM that is not protected yet
 *   check_list.c         the lines
 */
#ifndef VMR_ENGINE_CHECK_H
#define VMR_ENGINE_CHECK_H

#include "engine/engine.h"

/* The lines (error 0), or a negative errno with a sentence and what to do: -ENOENT for a VM that is
 * known nowhere. All are borrowed for the call. */
typedef void (*check_reply_cb)(void *arg, int error, const char *text, const char *advice,
			       const Vmreplica__Admin__CheckResponse *response);

/* Start a check; reply is called once, later, within about a minute. request is borrowed for the
 * call. 0 or a negative errno (reply is then not called). Control thread only. */
int check_start(struct engine *engine, const Vmreplica__Admin__CheckRequest *request,
		check_reply_cb reply, void *arg);

#endif
