/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Before the first boot of a replica VM: its UEFI variables and its TPM's state as they were at the
 * cycle that it starts from. The archive is the receiver's (receiver/states.h names it), and its
 * text is a stranger's. Blocks on files: workers only.
 */
#ifndef VMR_ENGINE_REPLICA_STATE_H
#define VMR_ENGINE_REPLICA_STATE_H

#include <stdbool.h>

#define REPLICA_STATE_ERROR_LEN 512

/* Where libvirt looks for the TPM of the domain with a UUID: <this>/<uuid>. */
#define REPLICA_STATE_TPM_DIRECTORY "/var/lib/libvirt/swtpm"

struct replica_state_places {
	const char *nvram; /* the file that the definition names (store_directory_nvram); NULL =
			      the VM has no UEFI */
	const char *uuid;  /* of the domain that will start; NULL = it has no TPM */
	const char *tpm_directory; /* NULL = REPLICA_STATE_TPM_DIRECTORY */
};

/* Put what archive (absolute, in the directory store; "" = nothing came) holds where places says,
 * replacing what is there: root's, 0600; libvirt gives it to QEMU's or swtpm's user when the VM
 * starts. What it does not hold stays as it is: better older variables, or a TPM of before, than
 * none. To be called with the VM shut off. Idempotent. 0 or a negative errno with a sentence. */
int replica_state_place(const char *store, const char *archive,
			const struct replica_state_places *places,
			char error[REPLICA_STATE_ERROR_LEN]);

/* The same for a definition that we made (xml), which says what the VM has of all that. Once for
 * each failover: a note beside nvram keeps a repeated step from taking away what the VM has written
 * since. Not with is_test, whose directory is new each time. */
int replica_state_prepare(const char *store, const char *archive, const char *nvram,
			  const char *xml, bool is_test, char error[REPLICA_STATE_ERROR_LEN]);
/* There is no failover (any more): what it wrote to its variables goes, and the next one places
 * anew. Cheap when there was none. */
void replica_state_forget(const char *nvram);

#endif
