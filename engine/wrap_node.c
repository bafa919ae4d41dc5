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
#include "engine/source_rpc.h"
#include "engine/wrap_access.h"
#include "engine/wrap_file.h"
#include "engine/wrap_header.h"
#include "engine/wrap_image.h"
#include "engine/wrap_record.h"

#define STEP(name)  VMREPLICA__ADMIN__WRAP_STEP__WRAP_STEP_##name
#define KEPT_WRAP   ".before-wrap"
#define KEPT_UNWRAP ".before-unwrap"

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

int wrap_node_check_off(struct wrap_node *node)
{
	int result = ask_running(node);

	if (result < 0) {
		return result;
	}
	return node->running
		       ? source_fail(-EBUSY, node->error, "%s runs on %s", node->vm, node->node)
		       : 0;
}

int wrap_node_read(struct wrap_node *node, char **ret_xml)
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

/* A node that does not see the raw disk cannot run the VM now, wrapped or not. */
static bool is_visible(struct wrap_node *node, const struct wrap_disk *disk)
{
	if (access(disk->raw, F_OK) == 0) {
		return true;
	}
	sentence_list_add(&node->warnings, "%s is not there: the VM cannot run there now",
			  disk->raw);
	return false;
}

static int check_problem(struct wrap_node *node, const struct wrap_disk *disk,
			 const struct source_security *security, bool given)
{
	struct wrap_problem problem;

	if (!wrap_access_problem(disk, security, given, &problem)) {
		return 0;
	}
	if (node->dry_run) {
		sentence_list_add(&node->warnings, "%s", problem.text);
		sentence_list_add(&node->warnings, "%s", problem.advice);
		return 0;
	}
	return source_fail(-EACCES, node->error, "%.200s; %.300s", problem.text, problem.advice);
}

/* ---- CHECK: before the VM is shut off ---- */

static int check_directory(struct wrap_node *node, const struct wrap_disk *disk,
			   const struct source_security *security)
{
	char header[PATH_MAX];
	const char *directory;
	struct stat status;
	int result;

	memcpy(header, disk->header, sizeof(header));
	directory = dirname(header);
	if (stat(directory, &status) < 0 || !S_ISDIR(status.st_mode)) {
		return source_fail(-ENOENT, node->error,
				   "%s, where the header of %s would be, is no directory there: "
				   "give one that the nodes share (--directory)",
				   directory, disk->raw);
	}
	result = wrap_access_reach(directory, security);
	return result == 0
		       ? 0
		       : source_fail(result, node->error,
				     "QEMU's user (uid %u) cannot reach %s, where the header of "
				     "%s would be: %s; give another directory (--directory)",
				     (unsigned int)security->uid, directory, disk->raw,
				     strerror(-result));
}

static int check(struct wrap_node *node)
{
	struct source_security security;
	int result = source_security_ask(node->libvirt, &security, node->error);

	for (size_t i = 0; result == 0 && i < node->count; i++) {
		const struct wrap_disk *disk = &node->disks[i];

		if (is_visible(node, disk)) {
			result = check_directory(node, disk, &security);
			if (result == 0) {
				result = check_problem(node, disk, &security, false);
			}
			wrap_access_warn(disk, &security, &node->warnings);
		}
	}
	return result;
}

/* ---- MAKE ---- */

static int make(struct wrap_node *node)
{
	int result = node->dry_run ? 0 : wrap_node_check_off(node);

	for (size_t i = 0; result == 0 && i < node->count; i++) {
		struct wrap_disk *disk = &node->disks[i];

		sentence_list_add(&node->steps, "%s: the header %s over %s (%llu MiB)", disk->name,
				  disk->header, disk->raw,
				  (unsigned long long)(disk->size_bytes >> 20));
		if (!node->dry_run) {
			result = wrap_header_make(disk, node->error);
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
	int result;

	if (!is_visible(node, disk)) {
		return 0;
	}
	if (!wrap_image_belongs(disk->header, disk->raw)) {
		return source_fail(-ENOENT, node->error,
				   "%s is not there, where the VM may run: give a directory that "
				   "its nodes share (--directory)",
				   disk->header);
	}
	result = wrap_access_give(node->vm, disk, security, node->error);
	if (result == 0) {
		result = check_problem(node, disk, security, true);
	}
	if (result == 0) {
		note_grant(disk, security);
	}
	return result;
}

static int allow(struct wrap_node *node)
{
	struct source_security security;
	int result = node->may_run ? 0 : wrap_node_check_off(node);

	if (result < 0 || node->unwrap || node->dry_run) {
		return result;
	}
	result = source_security_ask(node->libvirt, &security, node->error);
	for (size_t i = 0; result == 0 && i < node->count; i++) {
		result = allow_one(node, &node->disks[i], &security);
	}
	return result;
}

/* ---- DEFINE ---- */

void wrap_node_kept_path(const struct wrap_node *node, bool unwrap, char *buf, size_t size)
{
	const char *suffix = unwrap ? KEPT_UNWRAP : KEPT_WRAP;

	if (node->config[0] != '\0') {
		snprintf(buf, size, "%s%s", node->config, suffix);
	} else {
		snprintf(buf, size, VMR_STATEDIR "/%s.xml%s", node->vm, suffix);
	}
}

static int put_definition(struct wrap_node *node, const char *old, const char *xml)
{
	const char *suffix = node->unwrap ? KEPT_UNWRAP : KEPT_WRAP;
	char kept[PATH_LEN_MAX + 64];
	int result;

	wrap_node_kept_path(node, node->unwrap, kept, sizeof(kept));
	if (node->config[0] != '\0') {
		result = wrap_file_replace(node->config, suffix, xml);
		if (result < 0) {
			source_fail(result, node->error, "%s: %s", node->config, strerror(-result));
		}
	} else {
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
	result = wrap_node_read(node, &xml);
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

int wrap_node_run(struct wrap_node *node)
{
	int result;

	switch (node->step) {
	case STEP(LOOK):
		result = ask_running(node);
		return result < 0 ? result : wrap_node_look(node);
	case STEP(CHECK):
		return check(node);
	case STEP(MAKE):
		return make(node);
	case STEP(ALLOW):
		return allow(node);
	case STEP(MERGE):
		return wrap_node_merge(node);
	case STEP(DEFINE):
		return define(node);
	case STEP(REMOVE):
		return wrap_node_remove(node);
	default:
		return source_fail(-ENOSYS, node->error, "update the older of the nodes");
	}
}
