/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One step of wrap or unwrap on one node, on a worker. Each may be done again: what is done already
 * stays as it is.
 *
 *   wrap:   LOOK here, CHECK everywhere, [the VM is shut off,] MAKE here, ALLOW everywhere, DEFINE
 * everywhere unwrap: LOOK here, ALLOW everywhere (only that the VM is off), [MERGE here, ALLOW
 * everywhere,] DEFINE everywhere, REMOVE everywhere
 */
#ifndef VMR_ENGINE_WRAP_NODE_H
#define VMR_ENGINE_WRAP_NODE_H

#include <stdatomic.h>

#include "engine/sentence_list.h"
#include "engine/wrap_domain.h"
#include "proto/admin.pb-c.h"

struct wrap_node {
	/* in */
	struct source_connection *libvirt; /* borrowed */
	const char *node;		   /* borrowed: our name */
	char vm[VM_NAME_MAX + 1];
	char config[PATH_LEN_MAX + 1]; /* the definition's file; "" = libvirt has it */
	Vmreplica__Admin__WrapStep step;
	char directory[PATH_LEN_MAX + 1]; /* headers of block devices; "" = the default */
	bool unwrap, dry_run, files, may_run;
	uint64_t reserve_bytes;	 /* MERGE: of the storage, to stay free */
	const atomic_bool *stop; /* MERGE: give up; borrowed */
	/* in and out: LOOK fills it */
	struct wrap_disk *disks; /* owned, room for DISKS_MAX */
	size_t count;
	/* out */
	bool running; /* LOOK: the VM runs here */
	bool wrapped; /* LOOK for wrap: no raw disk is left, disks are the wrapped ones */
	bool above;   /* LOOK: a disk stands on a header by way of images that are no store's */
	struct sentence_list steps, warnings;
	char error[SOURCE_ERROR_LEN];
};

/* 0 or -ENOMEM. */
int wrap_node_init(struct wrap_node *node);
void wrap_node_destroy(struct wrap_node *node);
/* Blocks for a second or two. 0, or a negative errno with a sentence in error: -EBUSY while the VM
 * runs here. */
int wrap_node_run(struct wrap_node *node);

/* For its files: the VM's definition, to free; the step LOOK. 0, or a negative errno with a
 * sentence. */
int wrap_node_read(struct wrap_node *node, char **ret_xml);
int wrap_node_look(struct wrap_node *node);
/* The steps MERGE and REMOVE; is the VM off here (-EBUSY)? Likewise. */
int wrap_node_merge(struct wrap_node *node);
int wrap_node_remove(struct wrap_node *node);
int wrap_node_check_off(struct wrap_node *node);
/* Where the definition is kept as it was before the wrap, or before the unwrap. Into buf. */
void wrap_node_kept_path(const struct wrap_node *node, bool unwrap, char *buf, size_t size);

/* Between a node's work and its messages. take checks every field: 0, -EINVAL, -ENOMEM. The
 * messages that fill makes borrow from node; disks and pointers have room for DISKS_MAX. */
int wrap_node_take(struct wrap_node *node, const Vmreplica__Admin__WrapNodeRequest *request);
int wrap_node_take_disks(struct wrap_node *node, Vmreplica__Admin__WrapDisk *const *disks,
			 size_t count);
void wrap_node_fill_disks(const struct wrap_node *node, Vmreplica__Admin__WrapDisk *disks,
			  Vmreplica__Admin__WrapDisk **pointers);

#endif
