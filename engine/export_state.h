/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How far an export is that was interrupted: a mark, in a file beside the images. Blocking. */
#ifndef VMR_ENGINE_EXPORT_STATE_H
#define VMR_ENGINE_EXPORT_STATE_H

#include "engine/resume.h"
#include "engine/transfer.h"

#define EXPORT_STATE_NAME ".vmreplica-export"

/* What the files of this directory hold durably. One that cannot be written is removed: the export
 * then begins anew. */
void export_state_save(int dir_fd, const struct transfer *transfer, const struct resume_mark *mark);
/* *ret_mark is untouched when there is none, or one of another relationship. */
void export_state_load(int dir_fd, const char *relationship, struct resume_mark *ret_mark);

#endif
