/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "admin/engine_absent.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>

#include "common/config.h"
#include "common/quorum_steps.h"

#define REPORT_MAX 4096

static bool is_standalone(void)
{
	struct config config;
	char error[CONFIG_ERROR_LEN];
	int rc = config_load(CONFIG_DEFAULT_PATH, &config, error);
	bool standalone = rc == 0 && config.standalone;

	if (rc == 0 || rc == -ENOENT) {
		config_destroy(&config);
	}
	return standalone;
}

/* Its exit status differs from version to version: only the output counts. Nothing comes when
 * Corosync does not run or this user may not ask it. */
static int ask_quorumtool(struct quorum_report *ret_report)
{
	char text[REPORT_MAX];
	FILE *pipe = popen("PATH=\"$PATH:/usr/sbin:/sbin\" timeout 5 corosync-quorumtool -s "
			   "2>/dev/null",
			   "re");
	size_t len;

	if (pipe == NULL) {
		return -errno;
	}
	len = fread(text, 1, sizeof(text) - 1, pipe);
	text[len] = '\0';
	pclose(pipe);
	return quorum_report_parse(text, ret_report);
}

const char *engine_absent_advice(char *buf, size_t size)
{
	struct quorum_report report;

	if (is_standalone()) {
		snprintf(buf, size,
			 "Start it: `systemctl start vmreplica-engine`; `journalctl -u "
			 "vmreplica-engine` says why it ended.");
	} else if (ask_quorumtool(&report) == 0 && !report.quorate) {
		snprintf(buf, size,
			 "Pacemaker starts it with quorum only, and this node has none: %u of %u "
			 "votes are present. Of the missing node or nodes: %s.",
			 report.votes, report.expected, quorum_steps(report.wait_for_all));
	} else {
		snprintf(buf, size,
			 "Start it: `pcs cluster start` if the cluster is down on this node, else "
			 "`pcs resource cleanup vmreplica-engine` (crm_resource --cleanup "
			 "--resource vmreplica-engine).");
	}
	return buf;
}
