/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What to do when no engine listens on this node. */
#ifndef VMR_ADMIN_ENGINE_ABSENT_H
#define VMR_ADMIN_ENGINE_ABSENT_H

#include <stddef.h>

/* The steps, into buf, by the way in which this host starts its engine. Without quorum Pacemaker
 * starts none, and the usual advice would not help: asks Corosync's own tool, which takes a few
 * seconds at most. Returns buf. */
const char *engine_absent_advice(char *buf, size_t size);

#endif
