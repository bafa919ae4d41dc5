/* SPDX-License-Identifier: GPL-2.0-or-later */
/* wrap_node.h's MERGE and REMOVE: what unwrap takes back. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "engine/source_access.h"
#include "engine/source_error.h"
#include "engine/source_security.h"
#include "engine/storage_probe.h"
#include "engine/wrap_access.h"
#include "engine/wrap_header.h"
#include "engine/wrap_layers.h"
#include "engine/wrap_node.h"

/* ---- MERGE ---- */

static int merge_one(struct wrap_node *node, struct wrap_disk *disk,
		     const struct wrap_layers_users *users)
{
	unsigned int layers = 0;
	int result;

	if (node->dry_run) {
		sentence_list_add(&node->steps,
				  "%s: what was written since %s came home is merged from %s into "
				  "%s",
				  disk->name, node->vm, disk->image, disk->raw);
		return 0;
	}
	result = wrap_layers_merge(disk, users, node->reserve_bytes, node->stop, &layers,
				   node->error);
	if (result == 0) {
		sentence_list_add(&node->steps,
				  "%s: %u image%s above the header, with which %s came home, %s "
				  "merged into %s",
				  disk->name, layers, layers == 1 ? "" : "s", node->vm,
				  layers == 1 ? "is" : "are", disk->raw);
	}
	return result;
}

/* What the VM wrote since it came home lies above the header. */
int wrap_node_merge(struct wrap_node *node)
{
	struct wrap_layers_users users = {0};
	struct source_security security;
	unsigned int group;
	int result = node->dry_run ? 0 : wrap_node_check_off(node);

	if (node->stop == NULL) {
		return source_fail(-ENOSYS, node->error, "no other node merges for this one");
	}
	if (result == 0 && !node->dry_run) {
		result = source_security_ask(node->libvirt, &security, node->error);
		users.qemu = security.uid;
	}
	storage_user(&users.receiver, &group);
	for (size_t i = 0; result == 0 && i < node->count; i++) {
		if (node->disks[i].image[0] != '\0') {
			result = merge_one(node, &node->disks[i], &users);
		}
	}
	return result;
}

/* ---- REMOVE ---- */

static void remove_files(struct wrap_node *node, const struct wrap_disk *disk)
{
	int result = wrap_header_remove(disk);

	if (result < 0) {
		sentence_list_add(&node->warnings, "%s stays: %s", disk->header, strerror(-result));
	} else if (result > 0) {
		sentence_list_add(&node->steps, "%s: the header %s is gone; %s is as it is",
				  disk->name, disk->header, disk->raw);
	}
}

/* What came home with the VM goes with its header, unless somebody has written to it since it was
 * merged. */
static bool remove_image(struct wrap_node *node, const struct wrap_disk *disk, uid_t receiver)
{
	if (!wrap_layers_is_merged(disk)) {
		sentence_list_add(&node->warnings,
				  "%s stays with its header: it was written to after it had been "
				  "merged. Has %s run meanwhile?",
				  disk->image, node->vm);
		return false;
	}
	if (!wrap_layers_remove(disk, receiver, &node->warnings)) {
		return false;
	}
	sentence_list_add(&node->steps, "%s: %s is gone", disk->name, disk->image);
	return true;
}

static bool lies_in(const char *path, const char *directory)
{
	size_t len = strlen(directory);

	return strncmp(path, directory, len) == 0 && path[len] == '/';
}

/* Does an image lie in the store that is still there, or that the definition still names? */
static bool is_store_used(struct wrap_node *node, const char *directory)
{
	cleanup_free struct wrap_disk *left = calloc(DISKS_MAX, sizeof(*left));
	cleanup_free char *xml = NULL;
	char error[SOURCE_ERROR_LEN];
	bool used = false;
	size_t count = 0;

	if (left == NULL || wrap_node_read(node, &xml) < 0 ||
	    wrap_domain_qcow2(xml, left, &count, error) < 0) {
		return true;
	}
	for (size_t i = 0; i < count; i++) {
		used = used || lies_in(left[i].header, directory);
	}
	for (size_t i = 0; i < node->count; i++) {
		used = used || (lies_in(node->disks[i].image, directory) &&
				access(node->disks[i].image, F_OK) == 0);
	}
	return used;
}

static void remove_stores(struct wrap_node *node, uid_t receiver)
{
	char directory[PATH_MAX];

	for (size_t i = 0; i < node->count; i++) {
		if (wrap_layers_store(&node->disks[i], receiver, directory) &&
		    !is_store_used(node, directory) &&
		    wrap_layers_remove_store(directory, receiver, &node->warnings)) {
			sentence_list_add(&node->steps, "the store %s that they lay in is gone",
					  directory);
		}
	}
}

/* Of a block device each node has an ACL of its own. */
static void take_from_receiver(struct wrap_node *node, const struct wrap_disk *disk, uid_t receiver)
{
	int result = source_access_revoke_image(disk->raw, receiver);

	if (result < 0 && result != -ENOENT) {
		sentence_list_add(&node->warnings, "the ACL entry of uid %u stays on %s: %s",
				  (unsigned int)receiver, disk->raw, strerror(-result));
	}
}

static void remove_one(struct wrap_node *node, const struct wrap_disk *disk,
		       const struct source_security *security, uid_t receiver)
{
	if (node->files && disk->image[0] != '\0' && !remove_image(node, disk, receiver)) {
		return;
	}
	if (disk->image[0] != '\0') {
		take_from_receiver(node, disk, receiver);
	}
	wrap_access_take(node->vm, disk, security, &node->warnings);
	if (node->files) {
		remove_files(node, disk);
	}
}

int wrap_node_remove(struct wrap_node *node)
{
	struct source_security security = {0};
	unsigned int receiver, group;
	int result = 0;

	storage_user(&receiver, &group);
	if (!node->dry_run) {
		result = source_security_ask(node->libvirt, &security, node->error);
	}
	for (size_t i = 0; result == 0 && i < node->count; i++) {
		const struct wrap_disk *disk = &node->disks[i];

		if (node->dry_run) {
			sentence_list_add(&node->steps, "%s: the header %s is removed", disk->name,
					  disk->header);
			continue;
		}
		remove_one(node, disk, &security, receiver);
	}
	if (result == 0 && node->files && !node->dry_run) {
		remove_stores(node, receiver);
	}
	return result;
}
