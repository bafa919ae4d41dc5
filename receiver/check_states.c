/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the VM keeps beside its disks (states.h): each archive is there, and what its cycle brought.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/sha256.h"
#include "proto/vm_state.h"
#include "receiver/check.h"
#include "receiver/durable.h"

static void damage(struct check *check, const struct manifest_state *state, const char *what)
{
	/* points may have been dropped meanwhile, and it with them */
	if (check_log_stands(check, state->file)) {
		check_find(check, CHECK_DAMAGE, state->file, CHECK_NO_OFFSET,
			   "UEFI variables and TPM state of the VM from cycle %llu on: %s",
			   (unsigned long long)state->seq, what);
	}
}

static void check_state(struct check *check, const struct manifest_state *state)
{
	cleanup_free char *data = NULL;
	uint8_t hash[SHA256_LEN];
	struct vm_state found;
	const char *why;
	size_t len;
	int rc = durable_file_read(check->dir_fd, state->file, VM_STATE_MAX, &data, &len);

	if (rc == -ENOMEM) {
		check->out_of_memory = true;
	} else if (rc < 0) {
		damage(check, state, strerror(-rc));
	} else if (sha256_of(data, len, hash) < 0) {
		check->out_of_memory = true;
	} else if (memcmp(hash, state->hash, sizeof(hash)) != 0) {
		damage(check, state, "not what the manifest's hash says");
	} else if (vm_state_decode((const uint8_t *)data, len, &found, &why) < 0) {
		damage(check, state, why);
	}
}

void check_states(struct check *check)
{
	for (size_t i = 0; i < check->manifest.state_count; i++) {
		check_state(check, &check->manifest.states[i]);
	}
}
