/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a VM keeps beside its disks: its UEFI variables and the permanent state of its emulated TPM,
 * as one archive of plain files whose names are a fixed list. It comes from a peer and is read as a
 * stranger's: no name of it is ever a path. Pure.
 *
 *   magic (8), number of files (u32 little endian), 0 (u32)
 *   each file: name (16, zero-padded), length (u32), 0 (u32), its bytes
 *   SHA-256 over all that
 */
#ifndef VMR_PROTO_VM_STATE_H
#define VMR_PROTO_VM_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/limits.h"

#define VM_STATE_NVRAM	   "nvram"
#define VM_STATE_TPM_1_2   "tpm-1.2"
#define VM_STATE_TPM_2_0   "tpm-2.0"
#define VM_STATE_FILES_MAX 3u
#define VM_STATE_MAX	   CHUNK_MAX /* of the whole archive: it travels in one frame */
#define VM_STATE_NAME_MAX  15u

struct vm_state_file {
	const char *name; /* one of the above */
	const uint8_t *data;
	size_t len;
};

struct vm_state {
	struct vm_state_file files[VM_STATE_FILES_MAX];
	size_t count; /* none comes twice */
};

/* The archive, to be freed. 0, -ENOMEM, -EFBIG (over VM_STATE_MAX), -EINVAL (a name that is not on
 * the list, or comes twice). The same files give the same bytes. */
int vm_state_encode(const struct vm_state *state, uint8_t **ret_archive, size_t *ret_len);
/* Borrows from archive. 0, or -EBADMSG with *ret_why (static). */
int vm_state_decode(const uint8_t *archive, size_t len, struct vm_state *ret_state,
		    const char **ret_why);
/* The file called name, or NULL. */
const struct vm_state_file *vm_state_find(const struct vm_state *state, const char *name);

#endif
