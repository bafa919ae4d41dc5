/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/check_replica.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "engine/definition_file.h"
#include "engine/replica.h"
#include "engine/replica_fit.h"

struct check_replica {
	char vm[VM_NAME_MAX + 1];
	char store[PATH_LEN_MAX + 1];
	char disks[DISKS_MAX][DISK_NAME_MAX + 1];
	size_t disk_count;
	struct network_map networks;
	struct kept_definition kept;
};

static void take_replica(struct check_replica *item, const struct replica *replica)
{
	const Vmreplica__VmStatus *status = replica->status;

	snprintf(item->vm, sizeof(item->vm), "%s", replica->settings.vm);
	snprintf(item->store, sizeof(item->store), "%s", replica->directory);
	item->networks = replica->settings.networks;
	kept_definition_take(&item->kept, replica);
	for (size_t i = 0; status != NULL && i < status->n_disks && i < DISKS_MAX; i++) {
		snprintf(item->disks[item->disk_count++], sizeof(item->disks[0]), "%s",
			 status->disks[i]->name);
	}
}

int check_replicas_collect(const struct engine *engine, const char *vm, struct check_replicas *ret)
{
	struct check_replicas replicas = {0};
	size_t most = 0;

	for (const struct replica *replica = engine->replicas; replica != NULL;
	     replica = replica->next) {
		most++;
	}
	replicas.items = calloc(most + 1, sizeof(*replicas.items));
	if (replicas.items == NULL) {
		return -ENOMEM;
	}
	for (const struct replica *replica = engine->replicas; replica != NULL;
	     replica = replica->next) {
		if (vm[0] == '\0' || strcmp(vm, replica->settings.vm) == 0) {
			take_replica(&replicas.items[replicas.count++], replica);
		}
	}
	*ret = replicas;
	return 0;
}

static void list_sentences(const struct sentence_list *sentences, enum check_verdict verdict,
			   const char *item, const char *advice, struct check_list *list)
{
	for (size_t i = 0; i < sentences->count; i++) {
		check_list_add(list, verdict, item, advice, "%s", sentences->items[i]);
	}
	if (sentences->left_out > 0) {
		check_list_add(list, verdict, item, advice, "and %zu more", sentences->left_out);
	}
}

static void check_one(struct check_replica *replica, const struct config *config,
		      struct source_connection *libvirt, struct check_list *list)
{
	const char *disks[DISKS_MAX];
	struct replica_fit request = {.config = config,
				      .libvirt = libvirt,
				      .vm = replica->vm,
				      .disks = disks,
				      .disk_count = replica->disk_count,
				      .networks = &replica->networks,
				      .kept = &replica->kept};
	cleanup_free char *xml = NULL;
	struct domain_fit fit = {0};
	char item[VM_NAME_MAX + 16];
	int result = definition_file_read(replica->store, &xml, &request.xml_len);

	snprintf(item, sizeof(item), "replica VM %s", replica->vm);
	if (result < 0) {
		check_list_add(list, CHECK_WARNING, item,
			       "it comes with a cycle: vmreplica sync on the primary side",
			       "the VM's definition is not here (%s)", strerror(-result));
		return;
	}
	for (size_t i = 0; i < replica->disk_count; i++) {
		disks[i] = replica->disks[i];
	}
	request.xml = xml;
	replica_fit_run(&request, &fit);
	if (fit.refusals.count == 0) {
		check_list_add(list, CHECK_OK, item, NULL, "would start on this node");
	}
	list_sentences(&fit.refusals, CHECK_FAIL, item, "until then it cannot start on this node",
		       list);
	list_sentences(&fit.warnings, CHECK_WARNING, item, NULL, list);
	domain_fit_destroy(&fit);
}

void check_replicas_run(const struct check_replicas *replicas, const struct config *config,
			struct source_connection *libvirt, struct check_list *list)
{
	for (size_t i = 0; i < replicas->count; i++) {
		check_one(&replicas->items[i], config, libvirt, list);
	}
}

void check_replicas_destroy(struct check_replicas *replicas)
{
	for (size_t i = 0; i < replicas->count; i++) {
		kept_definition_destroy(&replicas->items[i].kept);
	}
	free(replicas->items);
	*replicas = (struct check_replicas){0};
}
