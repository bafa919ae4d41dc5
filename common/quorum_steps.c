/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/quorum_steps.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * votequorum(5): two_node implies wait_for_all, so a node that starts alone after both were down
 * waits for the other one. `pcs quorum unblock` fences the missing nodes and then cancels the wait;
 * without working fencing it is done by hand, and only a human can know that the other node is
 * really off. Whoever follows a blackout of both sites does not want quorum but the VM.
 */
#define STEPS_THEN                                                                                 \
	". With quorum replicas are received again; those whose primary's site is gone are "       \
	"started here: vmreplica failover VM --unplanned"
#define STEPS_WAIT                                                                                 \
	"start it; if it cannot come back, make sure that it is switched off and stays off, then " \
	"on this node: pcs quorum unblock (or: corosync-cmapctl -s quorum.cancel_wait_for_all "    \
	"u8 1). Never do this while it may run: both would act" STEPS_THEN
#define STEPS_MAJORITY                                                                             \
	"start enough of them for a majority; if they cannot come back, make sure that they are "  \
	"switched off and stay off, then on this node: corosync-quorumtool -e VOTES, with the "    \
	"number of nodes that are left" STEPS_THEN

const char *quorum_steps(bool wait_for_all)
{
	return wait_for_all ? STEPS_WAIT : STEPS_MAJORITY;
}

/* What stands behind "name" at the start of a line, without the blanks; NULL = there is none. */
static const char *find_value(const char *text, const char *name)
{
	size_t len = strlen(name);

	while (text != NULL && strncmp(text, name, len) != 0) {
		text = strchr(text, '\n');
		text = text != NULL ? text + 1 : NULL;
	}
	return text != NULL ? text + len + strspn(text + len, " \t") : NULL;
}

static unsigned int find_number(const char *text, const char *name)
{
	const char *value = find_value(text, name);

	return value != NULL ? (unsigned int)strtoul(value, NULL, 10) : 0;
}

int quorum_report_parse(const char *text, struct quorum_report *ret_report)
{
	const char *quorate = find_value(text, "Quorate:");
	const char *flags = find_value(text, "Flags:"), *wait;

	if (quorate == NULL) {
		return -EBADMSG;
	}
	wait = flags != NULL ? strstr(flags, "WaitForAll") : NULL;
	ret_report->quorate = strncmp(quorate, "Yes", 3) == 0;
	ret_report->wait_for_all = wait != NULL && wait < flags + strcspn(flags, "\n");
	ret_report->votes = find_number(text, "Total votes:");
	ret_report->expected = find_number(text, "Expected votes:");
	return 0;
}
