/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What ocf:vmreplica:guard asks of the engine. */
#ifndef VMR_ADMIN_AGENT_GUARD_H
#define VMR_ADMIN_AGENT_GUARD_H

#include "admin/command.h"

#define AGENT_SILENT                                                                               \
	3 /* no daemon, or none that answers in time; guard: the other side is silent */

/* word: "start" (may it?), "monitor" (should it have?), "blind" (it does, without the other side's
 * word). Prints a sentence; the exit status is 0 yes, 1 no, 3 nobody says. */
int agent_guard(const struct common_options *common, const char *word, const char *relationship,
		int timeout_ms);

#endif
