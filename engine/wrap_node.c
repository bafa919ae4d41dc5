/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/wrap_node.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "engine/source_error.h"
#include "engine/source_image.h"
#include "engine/source_rpc.h"
#include "engine/wrap_access.h"
#include "engine/wrap_file.h"
#include "engine/wrap_image.h"
#include "engine/wrap_record.h"

#define STEP(name)	  VMREPLICA__ADMIN__WRAP_STEP__WRAP_STEP_##name
#define DEFAULT_DIRECTORY "/var/lib/libvirt/images" /* where no definition's file has a place */
#define KEPT_WRAP	  ".before-wrap"
#define KEPT_UNWRAP	  ".before-unwrap"

int wrap_node_init(struct wrap_node *node)
{
	node->disks = calloc(DISKS_MAX, sizeof(*node->disks));
	return node->disks != NULL ? 0 : -ENOMEM;
}

void wrap_node_destroy(struct wrap_node *node)
{
	sentence_list_destroy(&node->steps);
	sentence_list_destroy(&node->warnings);
	free(node->disks);
	node->disks = NULL;
}

/* ---- the VM ---- */

static int ask_running(struct wrap_node *node)
{
	struct source_rpc_domain domain;
	int result = source_rpc_domain(node->libvirt, node->vm, &domain, node->error);

	node->running = false;
	if (result == -ENOENT) {
		return 0; /* VirtualDomain's VMs are transient */
	}
	if (result < 0) {
		return result;
	}
	free(domain.live_xml);
	free(domain.config_xml);
	node->running = domain.active;
	return 0;
}

static int check_off(struct wrap_node *node)
{
	int result = ask_running(node);

	if (result < 0) {
		return result;
	}
	return node->running
		       ? source_fail(-EBUSY, node->error, "%s runs on %s", node->vm, node->node)
		       : 0;
}

static int read_definition(struct wrap_node *node, char **ret_xml)
{
	int result;

	if (node->config[0] == '\0') {
		return source_rpc_definition(node->libvirt, node->vm, ret_xml, node->error);
	}
	result = wrap_file_read(node->config, ret_xml);
	return result == 0 ? 0
			   : source_fail(result, node->error, "%s: %s", node->config,
					 strerror(-result));
}

/* ---- LOOK ---- */

static int find_place(struct wrap_node *node, struct wrap_disk *disk)
{
	char config[PATH_LEN_MAX + 1];
	const char *directory = node->directory;
	int len;

	if (!disk->block) {
		len = snprintf(disk->header, sizeof(disk->header), "%s" WRAP_HEADER_SUFFIX,
			       disk->raw);
	} else {
		memcpy(config, node->config, sizeof(config));
		if (directory[0] == '\0') {
			directory = config[0] != '\0' ? dirname(config) : DEFAULT_DIRECTORY;
		}
		len = snprintf(disk->header, sizeof(disk->header), "%s/%s-%s" WRAP_HEADER_SUFFIX,
			       directory, node->vm, disk->name);
	}
	return len < PATH_MAX
		       ? 0
		       : source_fail(-ENAMETOOLONG, node->error, "%s: too long a path", disk->raw);
}

static int look_at_raw(struct wrap_node *node, struct wrap_disk *disk)
{
	struct source_image image;
	struct stat status;
	int result = source_image_examine(disk->raw, &image);

	if (result < 0 || stat(disk->raw, &status) < 0) {
		result = result < 0 ? result : -errno;
		return source_fail(result, node->error,
				   "the raw disk %s of %s cannot be read on %s: %s", disk->raw,
				   disk->name, node->node, strerror(-result));
	}
	/* a guest may well keep an image in its disk: the size is the raw disk's own */
	disk->block = S_ISBLK(status.st_mode);
	result = source_image_raw_size(disk->raw, &disk->size_bytes);
	if (result < 0) {
		return source_fail(result, node->error, "%s: %s", disk->raw, strerror(-result));
	}
	return find_place(node, disk);
}

/* Of the qcow2 disks those that wrap has made stay. */
static void keep_wrapped(struct wrap_node *node)
{
	size_t kept = 0;

	for (size_t i = 0; i < node->count; i++) {
		struct wrap_disk *disk = &node->disks[i];
		size_t len = strlen(disk->header), suffix = strlen(WRAP_HEADER_SUFFIX);
		struct source_image image;
		struct wrap_record record;
		struct wrap_notes notes;
		struct stat status;

		if (len <= suffix || strcmp(disk->header + len - suffix, WRAP_HEADER_SUFFIX) != 0 ||
		    source_image_examine(disk->header, &image) != 0 || !image.has_data_file ||
		    !image.data_file_raw || image.data_file[0] != '/') {
			continue;
		}
		wrap_record_read(disk->header, &record, &notes);
		snprintf(disk->raw, sizeof(disk->raw), "%s", image.data_file);
		disk->block = stat(disk->raw, &status) == 0 && S_ISBLK(status.st_mode);
		disk->size_bytes = image.size_bytes;
		disk->granted = notes.granted;
		node->disks[kept++] = *disk;
	}
	node->count = kept;
}

static int look(struct wrap_node *node)
{
	cleanup_free char *xml = NULL;
	int result = ask_running(node);

	if (result == 0) {
		result = read_definition(node, &xml);
	}
	if (result == 0 && !node->unwrap) {
		result = wrap_domain_raw(xml, node->disks, &node->count, node->error);
		for (size_t i = 0; result == 0 && i < node->count; i++) {
			result = look_at_raw(node, &node->disks[i]);
		}
	}
	if (result == 0 && (node->unwrap || node->count == 0)) {
		result = wrap_domain_qcow2(xml, node->disks, &node->count, node->error);
		keep_wrapped(node);
		node->wrapped = result == 0 && !node->unwrap;
	}
	return result;
}

/* ---- MAKE ---- */

static int make_one(struct wrap_node *node, const struct wrap_disk *disk)
{
	struct wrap_record record = {.state = WRAP_CLOSED};
	const struct wrap_notes notes = {0};
	int result = wrap_image_make(disk->raw, disk->size_bytes, disk->header, node->error);

	if (result < 0) {
		return result;
	}
	wrap_look(disk->raw, &record.look);
	result = wrap_record_write(disk->header, &record, &notes);
	return result == 0 ? 0
			   : source_fail(result, node->error,
					 "the record beside %s cannot be written: %s", disk->header,
					 strerror(-result));
}

static int make(struct wrap_node *node)
{
	int result = check_off(node);

	for (size_t i = 0; result == 0 && i < node->count; i++) {
		const struct wrap_disk *disk = &node->disks[i];

		sentence_list_add(&node->steps, "%s: the header %s over %s (%llu MiB)", disk->name,
				  disk->header, disk->raw,
				  (unsigned long long)(disk->size_bytes >> 20));
		if (!node->dry_run) {
			result = make_one(node, disk);
		}
	}
	return result;
}

/* ---- ALLOW ---- */

/* The note that unwrap goes by lies beside the header, which may be another node's as well. */
static void note_grant(const struct wrap_disk *disk, const struct source_security *security)
{
	struct wrap_record record;
	struct wrap_notes notes;

	wrap_record_read(disk->header, &record, &notes);
	if (disk->granted && !notes.granted && record.state != WRAP_NONE) {
		notes.granted = true;
		notes.uid = security->uid;
		wrap_record_write(disk->header, &record, &notes);
	}
}

static int allow_one(struct wrap_node *node, struct wrap_disk *disk,
		     const struct source_security *security)
{
	struct sentence_list problems = {0};
	int result = 0;

	if (access(disk->raw, F_OK) < 0) {
		sentence_list_add(&node->warnings,
				  "%s is not there on %s: the VM cannot run there now", disk->raw,
				  node->node);
		return 0;
	}
	if (!node->dry_run && !wrap_image_belongs(disk->header, disk->raw)) {
		return source_fail(-ENOENT, node->error,
				   "%s is not there on %s, where the VM may run: give a directory "
				   "that its nodes share (--directory)",
				   disk->header, node->node);
	}
	if (!node->dry_run) {
		result = wrap_access_give(node->vm, disk, security, node->error);
	}
	if (result == 0) {
		wrap_access_examine(disk, security, node->dry_run ? &node->warnings : &problems,
				    &node->warnings);
	}
	if (problems.count > 0) {
		result = source_fail(-EACCES, node->error, "on %s %s %s %s", node->node,
				     problems.items[0], problems.count > 1 ? problems.items[1] : "",
				     problems.count > 2 ? problems.items[2] : "");
	}
	sentence_list_destroy(&problems);
	if (result == 0 && !node->dry_run) {
		note_grant(disk, security);
	}
	return result;
}

static int allow(struct wrap_node *node)
{
	struct source_security security;
	int result = node->may_run ? 0 : check_off(node);

	if (result < 0 || node->unwrap) {
		return result;
	}
	result = source_security_ask(node->libvirt, &security, node->error);
	for (size_t i = 0; result == 0 && i < node->count; i++) {
		result = allow_one(node, &node->disks[i], &security);
	}
	return result;
}

/* ---- DEFINE ---- */

static int put_definition(struct wrap_node *node, const char *old, const char *xml)
{
	const char *suffix = node->unwrap ? KEPT_UNWRAP : KEPT_WRAP;
	char kept[PATH_LEN_MAX + 64];
	int result;

	if (node->config[0] != '\0') {
		snprintf(kept, sizeof(kept), "%s%s", node->config, suffix);
		result = wrap_file_replace(node->config, suffix, xml);
		if (result < 0) {
			source_fail(result, node->error, "%s: %s", node->config, strerror(-result));
		}
	} else {
		snprintf(kept, sizeof(kept), VMR_STATEDIR "/%s.xml%s", node->vm, suffix);
		result = wrap_file_put(kept, old);
		result = result < 0 ? source_fail(result, node->error, "%s: %s", kept,
						  strerror(-result))
				    : source_rpc_define(node->libvirt, xml, node->error);
	}
	if (result == 0) {
		sentence_list_add(&node->steps, "the definition %s names %s; the old one is %s",
				  node->config[0] != '\0' ? node->config : "in libvirt",
				  node->unwrap ? "the raw disks again" : "the headers", kept);
	}
	return result;
}

static int define(struct wrap_node *node)
{
	cleanup_free char *xml = NULL, *changed = NULL;
	size_t count = 0;
	int result;

	if (node->config[0] != '\0' && access(node->config, F_OK) < 0) {
		return 0; /* a node without the definition cannot start the VM */
	}
	if (node->dry_run) {
		sentence_list_add(&node->steps, "the definition %s is changed",
				  node->config[0] != '\0' ? node->config : "in libvirt");
		return 0;
	}
	result = read_definition(node, &xml);
	if (result == 0) {
		result = wrap_domain_replace(xml, node->disks, node->count, !node->unwrap, &changed,
					     &count);
		if (result < 0) {
			source_fail(result, node->error, "the definition of %s is not understood",
				    node->vm);
		}
	}
	return result == 0 && count > 0 ? put_definition(node, xml, changed) : result;
}

/* ---- REMOVE ---- */

static void remove_files(struct wrap_node *node, const struct wrap_disk *disk)
{
	char record[PATH_MAX];

	if (!wrap_image_belongs(disk->header, disk->raw)) {
		return;
	}
	if (unlink(disk->header) < 0) {
		sentence_list_add(&node->warnings, "%s stays: %s", disk->header, strerror(errno));
		return;
	}
	if (wrap_record_path(disk->header, record, sizeof(record)) == 0) {
		unlink(record);
	}
	sentence_list_add(&node->steps, "%s: the header %s is gone; %s is as it is", disk->name,
			  disk->header, disk->raw);
}

static int take_back(struct wrap_node *node)
{
	struct source_security security = {0};
	int result = 0;

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
		wrap_access_take(node->vm, disk, &security, &node->warnings);
		if (node->files) {
			remove_files(node, disk);
		}
	}
	return result;
}

int wrap_node_run(struct wrap_node *node)
{
	switch (node->step) {
	case STEP(LOOK):
		return look(node);
	case STEP(MAKE):
		return make(node);
	case STEP(ALLOW):
		return allow(node);
	case STEP(DEFINE):
		return define(node);
	case STEP(REMOVE):
		return take_back(node);
	default:
		return source_fail(-ENOSYS, node->error, "update the older of the nodes");
	}
}
