/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * On a host without a cluster libvirt would start a VM with the host (virsh autostart) whatever has
 * become of it meanwhile. So the engine takes that over for the VMs that this side may run: it
 * records the mark with the VM's settings (STANDING_AUTOSTART), takes it away from libvirt, and
 * when the host has booted asks the other side (guard.h) before it starts the VM: once a boot, and
 * never one that an admin shut off. Control thread only; libvirt and the network are workers'.
 */
#ifndef VMR_ENGINE_HOST_START_H
#define VMR_ENGINE_HOST_START_H

#include "engine/engine.h"

/* Nothing in a cluster. */
void host_start_tick(struct engine *engine, int64_t now_ms);
/* At the end; nobody answers any more. */
void host_start_free_all(struct engine *engine);
/* Has the engine taken it over? Ask before the relationship's settings go. */
bool host_start_is_ours(const struct engine *engine, const char *relationship);
/* The VM is protected no more: libvirt starts it with the host again. */
void host_start_give_back(struct engine *engine, const char *relationship);

#endif
