/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The inside of qsd.h, for its files. */
#ifndef VMR_RECEIVER_QSD_PARTS_H
#define VMR_RECEIVER_QSD_PARTS_H

#include <sys/types.h>
#include <sys/un.h>

#include "proto/limits.h"
#include "receiver/json.h"
#include "receiver/qmp.h"
#include "receiver/qsd.h"

#define CHAIN_EXPORTS 4 /* the top, two of a merge, a layer that is shown */

/* An attached chain: the numbers of its nodes (n<number>), base first, and of its exports
 * (e<number>). */
struct qsd_attached {
	char disk[DISK_NAME_MAX + 1];
	uint64_t *nodes; /* owned */
	size_t count;
	uint64_t exports[CHAIN_EXPORTS];
	size_t export_count;
	uint64_t shown; /* number among exports of the layer that is shown; 0 = none */
};

struct qsd {
	pid_t pid;  /* 0 once it is reaped */
	int fd;	    /* our end of its monitor */
	int err_fd; /* what it writes to standard error */
	struct qmp qmp;
	char socket[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	uint64_t next_number; /* of nodes and exports */
	struct qsd_attached chains[DISKS_MAX];
	size_t chain_count;
};

/* One command. Takes arguments. */
int qsd_execute(struct qsd *qsd, const char *command, json_t *arguments, json_t **ret_result,
		char error[QSD_ERROR_LEN]);
/* depth: block status also tells which layer a block comes from. */
int qsd_export_add(struct qsd *qsd, struct qsd_attached *chain, size_t index, const char *name,
		   bool writable, bool depth, char error[QSD_ERROR_LEN]);
/* block-export-del returns before the export is gone, and its node stays busy until then. */
int qsd_export_wait_gone(struct qsd *qsd, const char *id, char error[QSD_ERROR_LEN]);

#endif
