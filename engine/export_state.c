/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/export_state.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "engine/source_json.h"

#define STATE_MAX 4096

void export_state_save(int dir_fd, const struct transfer *transfer, const struct resume_mark *mark)
{
	cleanup_json json_t *root =
		json_pack("{s:s, s:I, s:s, s:i, s:I}", "relationship", transfer->relationship,
			  "seq", (json_int_t)mark->seq, "cut_id", mark->cut_id, "disk",
			  (int)mark->disk, "offset", (json_int_t)mark->offset);
	cleanup_free char *text = root == NULL ? NULL : json_dumps(root, 0);
	cleanup_close int fd = openat(dir_fd, EXPORT_STATE_NAME,
				      O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (text == NULL || fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) ||
	    fsync(fd) < 0) {
		log_warning("%s: an export that is interrupted will begin anew: its mark is not "
			    "written",
			    transfer->vm);
		unlinkat(dir_fd, EXPORT_STATE_NAME, 0);
	}
}

void export_state_load(int dir_fd, const char *relationship, struct resume_mark *ret_mark)
{
	cleanup_close int fd = openat(dir_fd, EXPORT_STATE_NAME, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char text[STATE_MAX];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));
	cleanup_json json_t *root = n > 0 ? json_loadb(text, (size_t)n, 0, NULL) : NULL;
	const char *of, *cut_id;
	json_int_t seq, offset;
	int disk;

	if (json_unpack(root, "{s:s, s:I, s:s, s:i, s:I}", "relationship", &of, "seq", &seq,
			"cut_id", &cut_id, "disk", &disk, "offset", &offset) < 0 ||
	    strcmp(of, relationship) != 0 || disk < 0 || offset < 0 || seq <= 0) {
		return;
	}
	*ret_mark = (struct resume_mark){.present = true,
					 .mode = VMREPLICA__WIRE__MODE__MODE_INITIAL,
					 .seq = (uint64_t)seq,
					 .disk = (uint32_t)disk,
					 .offset = (uint64_t)offset};
	snprintf(ret_mark->cut_id, sizeof(ret_mark->cut_id), "%s", cut_id);
}
