/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An engine that starts while its VMs' resources run already (it was restarted) attaches them at
 * once, from placement and settings, without waiting for the agents' next monitor. Done once in a
 * cluster, where from then on only agents attach and detach; on a host without one, whenever the
 * configuration changes.
 */
#ifndef VMR_ENGINE_ADOPTION_H
#define VMR_ENGINE_ADOPTION_H

#include "engine/engine.h"

/* Look whether something is to be attached (or, standalone, detached). Cheap; call when placement
 * or settings came. */
void adoption_look(struct engine *engine);

#endif
