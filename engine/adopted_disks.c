/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/adopted_disks.h"

#include "engine/source_access.h"

int adopted_disks_lend(const char *path, const char *const *exclude, uid_t uid,
		       struct source_defined_disk **ret_disks, size_t *ret_count,
		       char error[SOURCE_ERROR_LEN])
{
	struct source_defined_disk *disks = NULL;
	size_t count = 0;
	int result = source_defined_disks(path, exclude, &disks, &count, error);

	for (size_t i = 0; i < count && result == 0; i++) {
		result = source_access_lend(disks[i].path, uid, error);
	}
	if (result < 0) {
		source_defined_disks_free(disks, count);
		return result;
	}
	*ret_disks = disks;
	*ret_count = count;
	return 0;
}
