/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What changed in a replica since one of its cuts: the union of where the logs behind it wrote. */
#ifndef VMR_RECEIVER_CHANGES_H
#define VMR_RECEIVER_CHANGES_H

#include "proto/extent_file.h"
#include "receiver/history.h"
#include "receiver/manifest.h"

#define CHANGES_ERROR_LEN 256

/* All logs that are kept, applied or not, into *ret_logs (history_destroy). 0 or -ENOMEM. */
int changes_list_logs(const struct manifest *manifest, const struct history *history,
		      struct history *ret_logs);

/* The cut of cycle seq, and whether it is application-consistent: from its log, its point, or the
 * committed cut. 0 or -ENOENT. Pure. */
int changes_find_cut(const struct manifest *manifest, const struct history *logs, uint64_t seq,
		     struct manifest_cut *ret_cut, bool *ret_application);

/* Which of logs lead from the cut cut_id to cycle until_seq: [*ret_first, *ret_end). 0; or -ENOENT
 * when that cut is not known any more, or a log on the way is not kept (that a resynchronization
 * lies between shows by the hashes). Pure. */
int changes_find_logs(const struct manifest *manifest, const struct history *logs,
		      const char *cut_id, uint64_t until_seq, size_t *ret_first, size_t *ret_end);

/* Add where the log wrote to the maps of disks; directory is the store's. A log of a disk that is
 * not among them, or that is not the log of that entry, is an error. 0; -ENOENT, -EBADMSG, ... with
 * a sentence. Blocking; the store's lock is not needed. */
int changes_add_log(const char *directory, const struct history_entry *entry,
		    const struct extent_file_disk *disks, size_t count,
		    char error[CHANGES_ERROR_LEN]);

#endif
