/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * protect: from a VM's name to a relationship on both sides.
 *
 *   find its resource (protect_vm.c) -> look at its disks where it runs (inspect.c)
 *     -> ENROLL at the other side's broker -> make our resource (protect_create.c)
 *
 * Each step that blocks is a worker's; a failure after ENROLL takes the other side's part back
 * (WITHDRAW).
 */
#ifndef VMR_ENGINE_PROTECT_H
#define VMR_ENGINE_PROTECT_H

#include "engine/engine.h"
#include "engine/vm_settings.h"
#include "proto/admin.pb-c.h"

#define VIRTUAL_DOMAIN_AGENT "ocf:heartbeat:VirtualDomain"
#define PROTECT_CONFIGS_MAX  512u

/* The VM's own resource, and libvirt's name of it. */
struct protect_vm {
	/* in */
	char asked[RESOURCE_ID_MAX + 1]; /* a VM's name or a resource's id */
	/* out */
	char resource[RESOURCE_ID_MAX + 1]; /* "" = none (standalone) */
	char name[VM_NAME_MAX + 1];
	/* private: candidates */
	struct {
		char id[RESOURCE_ID_MAX + 1];
		char config[PATH_LEN_MAX + 1];
	} * candidates; /* owned */
	size_t count;
};

/* Note every VirtualDomain resource of the configuration. 0 or -ENOMEM. Control thread. */
int protect_vm_list(struct protect_vm *vm, const Vmreplica__Ipc__CibSettings *settings);
/* Read their domain files and choose: the one that defines the VM asked for, else the one with that
 * id. 0 or -ENOENT. Blocking. */
int protect_vm_choose(struct protect_vm *vm);
void protect_vm_destroy(struct protect_vm *vm);
/* The content of a domain file's <name> line into name (VirtualDomain reads it in the same way:
 * line by line). 0 or -ENOENT. Pure. */
int protect_domain_name(const char *xml, char *name, size_t size);

/* The ocf:vmreplica:vm resource, role primary, of a VM (by its name, relationship or resource id);
 * NULL = not protected. */
const Vmreplica__Ipc__CibResource *protect_find(const Vmreplica__Ipc__CibSettings *settings,
						const char *vm);
/* Does the request ask for something else than a VM is protected with? What it leaves open is as it
 * is. Fills what (a sentence) and how (the way to change it). Pure. */
bool protect_differs(const struct vm_settings *existing,
		     const Vmreplica__Admin__ProtectRequest *request, bool standalone,
		     char what[REASON_MAX], char how[REASON_MAX]);
const char *protect_parameter(const Vmreplica__Ipc__CibResource *resource,
			      const char *name); /* "" when it has none */

#endif
