/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What `vmreplica status` shows, in its three shapes. Pure but for the printing. */
#ifndef VMR_ADMIN_STATUS_OUTPUT_H
#define VMR_ADMIN_STATUS_OUTPUT_H

#include <jansson.h>
#include <stdio.h>

#include "proto/admin.pb-c.h"

#define PROGRESS_LINE_LEN 160

/* {"vms": [...], "warnings": [...]}: new reference, NULL when out of memory. */
json_t *status_to_json(const Vmreplica__Admin__StatusResponse *status);

/* One line a VM, its reason and progress below it, then the warnings. 0 or -ENOMEM. */
int status_print_table(const Vmreplica__Admin__StatusResponse *status, FILE *out);
/* Everything about each VM, one field a line. */
void status_print_details(const Vmreplica__Admin__StatusResponse *status, FILE *out);

/* "initial [#####.....]  50%  512.0 MiB of 1.0 GiB  20.0 MiB/s  25 s left" into buf. Returns buf.
 */
char *status_progress_line(const Vmreplica__Progress *progress, char buf[PROGRESS_LINE_LEN]);

#endif
