/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The part of a check that the control thread knows without asking anybody. */
#ifndef VMR_ENGINE_CHECK_FACTS_H
#define VMR_ENGINE_CHECK_FACTS_H

#include "engine/check_list.h"
#include "engine/engine.h"

/* What is said once for the whole cluster: quorum, a lone survivor, fencing, engines, the broker.
 */
void check_facts_cluster(struct engine *engine, struct check_list *list);

#endif
