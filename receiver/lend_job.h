/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One request of lend.h on its way through a worker: lend.c takes and answers it, lend_state.c does
 * the work. */
#ifndef VMR_RECEIVER_LEND_JOB_H
#define VMR_RECEIVER_LEND_JOB_H

#include "receiver/changes.h"
#include "receiver/store.h"

#define LEND_LEASE_MS  (20 * 60 * 1000) /* longer than the reader's jobs may last */
#define LEND_KNOWN_MAX 4u

struct lending {
	struct receiver *receiver; /* borrowed */
	struct store *store;	   /* a reference; NULL = not open */
	uint64_t id;
	char relationship[RELATIONSHIP_LEN + 1];
	char holder[MANIFEST_HOLDER_MAX + 1];
	char after[CUT_ID_LEN + 1];
	char asked[LEND_KNOWN_MAX][CUT_ID_LEN + 1];
	size_t asked_count;
	bool look, want_application;

	struct manifest_cut cut;
	bool application;
	struct extent_file_disk disks[DISKS_MAX]; /* maps: owned */
	char files[DISKS_MAX][MANIFEST_FILE_MAX + 1];
	size_t disk_count;
	bool known[LEND_KNOWN_MAX];
	struct history logs;	     /* all */
	size_t logs_first, logs_end; /* behind after */
	char extents[MANIFEST_FILE_MAX + 1];
	char vm_state[PATH_LEN_MAX + MANIFEST_FILE_MAX + 2]; /* "" = none */
	char error[STORE_ERROR_LEN];
};

/* Note the sentence; returns rc. */
int lending_refuse(struct lending *lending, int rc, const char *text);
/* The work, on a worker. 0 or a negative errno with the sentence. */
int lend_run(void *lending);

#endif
