/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A layer of an attached chain, shown by itself. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "receiver/qsd_parts.h"

int qsd_layer_show(struct qsd *qsd, const char *disk, size_t index, char error[QSD_ERROR_LEN])
{
	for (size_t i = 0; i < qsd->chain_count; i++) {
		struct qsd_attached *chain = &qsd->chains[i];
		int rc;

		if (strcmp(chain->disk, disk) == 0 && index < chain->count) {
			rc = qsd_export_add(qsd, chain, index, QSD_LAYER_SHOWN, false, true, error);
			chain->shown = rc < 0 ? 0 : chain->exports[chain->export_count - 1];
			return rc;
		}
	}
	snprintf(error, QSD_ERROR_LEN, "the layer is not open");
	return -ENOENT;
}

static void shown_remove(struct qsd *qsd, struct qsd_attached *chain)
{
	char name[32], error[QSD_ERROR_LEN];
	size_t at = 0;

	while (at < chain->export_count && chain->exports[at] != chain->shown) {
		at++;
	}
	snprintf(name, sizeof(name), "e%" PRIu64, chain->shown);
	chain->shown = 0;
	if (at == chain->export_count ||
	    qsd_execute(qsd, "block-export-del",
			json_pack("{s:s, s:s}", "id", name, "mode", "hard"), NULL, error) < 0 ||
	    qsd_export_wait_gone(qsd, name, error) < 0) {
		return; /* it goes with the chain */
	}
	chain->export_count--;
	memmove(&chain->exports[at], &chain->exports[at + 1],
		(chain->export_count - at) * sizeof(chain->exports[0]));
}

void qsd_layer_hide(struct qsd *qsd)
{
	for (size_t i = 0; i < qsd->chain_count; i++) {
		if (qsd->chains[i].shown != 0) {
			shown_remove(qsd, &qsd->chains[i]);
		}
	}
}
