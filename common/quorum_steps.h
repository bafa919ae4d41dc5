/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What to do without quorum: said by the daemons, and by the tool where no daemon runs. */
#ifndef VMR_COMMON_QUORUM_STEPS_H
#define VMR_COMMON_QUORUM_STEPS_H

#include <stdbool.h>
#include <stddef.h>

/* The steps, said of the missing nodes ("start it; if ..."). wait_for_all: this node waits for all
 * others since it started, which a majority would not end. A constant. */
const char *quorum_steps(bool wait_for_all);

/* What `corosync-quorumtool -s` says of this node. */
struct quorum_report {
	bool quorate;
	bool wait_for_all;
	unsigned int votes, expected; /* present, and all there are; 0 = not said */
};

/* Read its output. 0, or -EBADMSG when it does not speak of quorum. Pure. */
int quorum_report_parse(const char *text, struct quorum_report *ret_report);

#endif
