/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The words that admins see for states, and the names that we make: checkpoints, UUIDs, cut ids. */
#ifndef VMR_PROTO_NAMES_H
#define VMR_PROTO_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/limits.h"
#include "proto/status.pb-c.h"

const char *role_to_string(Vmreplica__Role role); /* "primary", "replica", "unknown" */
/* "Replicating", "InitialReplication", "Resynchronizing", ... (Hyper-V's words); "Unknown" for the
 * state of a newer peer. */
const char *state_to_string(Vmreplica__State state);
/* "OK", "Warning", "Critical", "NotApplicable" */
const char *health_to_string(Vmreplica__Health health);

/* 16 lowercase hex digits from the system's random source. 0 or negative errno. */
int name_make_cut_id(char ret_cut_id[CUT_ID_LEN + 1]);
/* A random (version 4) UUID in lower case. */
int name_make_uuid(char ret_uuid[RELATIONSHIP_LEN + 1]);

struct checkpoint_name {
	char relationship[RELATIONSHIP_LEN + 1];
	uint64_t epoch, seq;
	char cut_id[CUT_ID_LEN + 1];
};
#define CHECKPOINT_NAME_LEN 128
/* "vmreplica-<relationship>-<epoch>-<seq>-<cut id>" into buf. Returns buf. */
char *checkpoint_name_format(const struct checkpoint_name *name, char buf[CHECKPOINT_NAME_LEN]);
/* True and *ret_name filled when text is exactly such a name; foreign checkpoints are false. */
bool checkpoint_name_parse(const char *text, struct checkpoint_name *ret_name);

#endif
