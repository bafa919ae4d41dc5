/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The part of a check that must be tried and may block: workers only. Works on copies, so that the
 * control thread goes on. */
#ifndef VMR_ENGINE_CHECK_PROBE_H
#define VMR_ENGINE_CHECK_PROBE_H

#include "cluster/authorization.h"
#include "common/config.h"
#include "engine/check_list.h"
#include "engine/check_replica.h"
#include "engine/check_storage.h"
#include "engine/source.h"
#include "common/tls_store.h"
#include "engine/vm_settings.h"

#define CHECK_VMS_MAX 256

/* One VM to look at. */
struct check_vm {
	char vm[VM_NAME_MAX + 1];
	char relationship[RELATIONSHIP_LEN + 1]; /* "" = not protected yet */
	char host[VM_SETTINGS_HOST_LEN];	 /* the other side's broker; "" = none */
	uint16_t port;
	uint32_t frequency_s;
	bool disks; /* it runs here: look at its disks too */
};

struct check_probe {
	const struct config *config;		   /* borrowed */
	const char *config_path;		   /* borrowed; NULL: no file to look at */
	struct source_connection *libvirt;	   /* borrowed */
	struct tls_store *tls;			   /* borrowed */
	struct authorization_table authorizations; /* owned */
	struct check_vm *vms;			   /* owned */
	size_t vm_count;
	struct check_replicas replicas;
	struct check_storages storages;
	struct check_list list;
};

/* The configuration file, certificates, clock, scratch, storage, libvirt and QEMU, then the disks
 * and the other side of each VM. Blocking for up to a minute. */
void check_probe_run(struct check_probe *probe);

#endif
