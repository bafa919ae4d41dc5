/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VM on a host without a cluster: libvirt starts, stops and defines it, and what Pacemaker would
 * remember of it is kept here. Its definition is saved before it is stopped or undefined, because a
 * VM of which this host has become the replica is unknown to libvirt: nobody starts it by hand on
 * disks that the replica stands on. All but the path block: workers only. Every function: 0 or a
 * negative errno with a sentence.
 */
#ifndef VMR_ENGINE_HOST_VM_H
#define VMR_ENGINE_HOST_VM_H

#include "engine/source_run.h"

/* Where the definition of the relationship's VM is kept. Returns buf. */
char *host_vm_definition(const char *relationship, char buf[PATH_LEN_MAX + 1]);

/* Save to path what libvirt has of it now. 0 also when libvirt does not know it, or only what was
 * defined to read its disks: what was saved before stays. */
int host_vm_save(struct source_connection *connection, const char *vm, const char *path,
		 char error[SOURCE_ERROR_LEN]);
/* Shut it down (after grace_ms by force), its definition saved to path before. 0 also when it does
 * not run. */
int host_vm_stop(struct source_connection *connection, const char *vm, const char *path,
		 int grace_ms, char error[SOURCE_ERROR_LEN]);
/* Have libvirt forget it, its definition saved to path before; its disks and its firmware's
 * variables stay. -EBUSY while it runs. 0 also when libvirt does not know it. */
int host_vm_forget(struct source_connection *connection, const char *vm, const char *path,
		   char error[SOURCE_ERROR_LEN]);
/* Start the VM that libvirt knows by that name, or else define it from path and start that. 0 also
 * when it runs. */
int host_vm_start(struct source_connection *connection, const char *vm, const char *path,
		  char error[SOURCE_ERROR_LEN]);
/* Define it from path without starting it, unless libvirt knows a VM of that name. */
int host_vm_define(struct source_connection *connection, const char *vm, const char *path,
		   char error[SOURCE_ERROR_LEN]);
/* Define it from path, over the definition that libvirt has of it, and start it. -EEXIST when
 * libvirt has another VM of that name. 0 also when it runs already. */
int host_vm_define_and_start(struct source_connection *connection, const char *vm, const char *path,
			     char error[SOURCE_ERROR_LEN]);
/* -EEXIST when libvirt has a VM of that name, on or off, which is not the one that path defines.
 * Where there is no such file, none is. */
int host_vm_check_name(struct source_connection *connection, const char *vm, const char *path,
		       char error[SOURCE_ERROR_LEN]);

/* Does libvirt start it with the host? Of a VM that it does not have defined: no. */
int host_vm_autostart(struct source_connection *connection, const char *vm, bool *ret_on,
		      char error[SOURCE_ERROR_LEN]);
int host_vm_set_autostart(struct source_connection *connection, const char *vm, bool on,
			  char error[SOURCE_ERROR_LEN]);

#endif
