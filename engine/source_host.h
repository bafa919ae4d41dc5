/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What this host's libvirt says that it can run: the text that domain_fit.h compares with. */
#ifndef VMR_ENGINE_SOURCE_HOST_H
#define VMR_ENGINE_SOURCE_HOST_H

#include "engine/domain_fit.h"
#include "engine/source.h"

/* *ret_host is to be freed. Blocking, bounded. 0 or a negative errno with a sentence. */
int source_host_describe(struct source_connection *connection, const struct domain_fit_query *query,
			 char **ret_host, char error[SOURCE_ERROR_LEN]);

/* What a VM that starts now could take: free, or only holding what can be read again. In KiB; 0
 * when the host does not say. Blocking, bounded. 0 or a negative errno with a sentence. */
int source_host_memory(struct source_connection *connection, uint64_t *ret_kib,
		       char error[SOURCE_ERROR_LEN]);

#endif
