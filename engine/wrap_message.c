/* SPDX-License-Identifier: GPL-2.0-or-later */
/* wrap_node.h: between a node's work and its messages. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/vm_status.h"
#include "engine/wrap_node.h"
#include "proto/validate.h"

static bool is_path(const char *text, size_t size, bool may_be_empty)
{
	return (text[0] == '/' || (may_be_empty && text[0] == '\0')) && strlen(text) < size;
}

int wrap_node_take_disks(struct wrap_node *node, Vmreplica__Admin__WrapDisk *const *disks,
			 size_t count)
{
	if (count > DISKS_MAX) {
		return -EINVAL;
	}
	for (size_t i = 0; i < count; i++) {
		struct wrap_disk *to = &node->disks[i];
		const Vmreplica__Admin__WrapDisk *from = disks[i];

		if (!validate_disk_name(from->name) || strlen(from->name) > DISK_NAME_MAX ||
		    !is_path(from->raw, sizeof(to->raw), false) ||
		    !is_path(from->header, sizeof(to->header), false) ||
		    !is_path(from->image, sizeof(to->image), true)) {
			return -EINVAL;
		}
		*to = (struct wrap_disk){.block = from->block,
					 .size_bytes = from->size_bytes,
					 .granted = from->granted};
		snprintf(to->name, sizeof(to->name), "%s", from->name);
		snprintf(to->raw, sizeof(to->raw), "%s", from->raw);
		snprintf(to->header, sizeof(to->header), "%s", from->header);
		snprintf(to->image, sizeof(to->image), "%s", from->image);
	}
	node->count = count;
	return 0;
}

int wrap_node_take(struct wrap_node *node, const Vmreplica__Admin__WrapNodeRequest *request)
{
	if (!validate_vm_name(request->vm) ||
	    !is_path(request->config, sizeof(node->config), true) ||
	    !is_path(request->directory, sizeof(node->directory), true)) {
		return -EINVAL;
	}
	snprintf(node->vm, sizeof(node->vm), "%s", request->vm);
	snprintf(node->config, sizeof(node->config), "%s", request->config);
	snprintf(node->directory, sizeof(node->directory), "%s", request->directory);
	node->step = request->step;
	node->unwrap = request->unwrap;
	node->dry_run = request->dry_run;
	node->files = request->files;
	node->may_run = request->may_run;
	return wrap_node_take_disks(node, request->disks, request->n_disks);
}

void wrap_node_fill_disks(const struct wrap_node *node, Vmreplica__Admin__WrapDisk *disks,
			  Vmreplica__Admin__WrapDisk **pointers)
{
	for (size_t i = 0; i < node->count; i++) {
		const struct wrap_disk *from = &node->disks[i];

		vmreplica__admin__wrap_disk__init(&disks[i]);
		disks[i].name = vm_status_borrow(from->name);
		disks[i].raw = vm_status_borrow(from->raw);
		disks[i].header = vm_status_borrow(from->header);
		disks[i].image = vm_status_borrow(from->image);
		disks[i].block = from->block;
		disks[i].size_bytes = from->size_bytes;
		disks[i].granted = from->granted;
		pointers[i] = &disks[i];
	}
}
