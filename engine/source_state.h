/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a VM keeps beside its disks: UEFI variables, and the permanent state of an emulated TPM.
 * Private to source*.c but for its test. */
#ifndef VMR_ENGINE_SOURCE_STATE_H
#define VMR_ENGINE_SOURCE_STATE_H

#include "engine/source.h"
#include "proto/vm_state.h"

/* Where libvirt keeps the state of emulated TPMs: <this>/<uuid>/tpm2/tpm2-00.permall */
#define SOURCE_TPM_DIRECTORY "/var/lib/libvirt/swtpm"

struct source_state_paths {
	char *paths[VM_STATE_FILES_MAX]; /* owned */
	const char *names[VM_STATE_FILES_MAX];
	size_t count;
};

/* Where the domain of that XML (libvirt's own, of this host) has such files. 0 or a negative errno.
 * Pure. */
int source_state_find(const char *xml, const char *tpm_directory,
		      struct source_state_paths *ret_paths);
void source_state_paths_destroy(struct source_state_paths *paths);

/* Read them into an archive, to be freed; NULL when the VM has none of them (a BIOS without a TPM,
 * or files that its first start has not made yet), or with whole_only when one of them is missing:
 * libvirt removes the TPM of a transient domain when that stops, which must not be taken for a TPM
 * that is empty. 0, -EFBIG (they are more than travels) or another negative errno, with a sentence.
 * Blocks. */
int source_state_read(const struct source_state_paths *paths, bool whole_only,
		      uint8_t **ret_archive, size_t *ret_len, char error[SOURCE_ERROR_LEN]);

#endif
