/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A daemon's TLS context, loaded when first needed and again when a file was renewed. */
#ifndef VMR_COMMON_TLS_STORE_H
#define VMR_COMMON_TLS_STORE_H

#include <stdint.h>

#include "common/tls.h"

struct tls_store;

/* The paths are borrowed for the store's life. NULL when out of memory. Loads nothing yet: an
 * engine without certificates runs. */
struct tls_store *tls_store_new(const struct tls_files *files);
void tls_store_free(struct tls_store *store); /* NULL allowed */
/* A reference to the current context (tls_context_unref), or NULL with a sentence. When the files
 * have changed and cannot be loaded, that is logged once and the context of before stays. Any
 * thread; reads files. */
struct tls_context *tls_store_get(struct tls_store *store, char error[TLS_ERROR_LEN]);
/* A number that changes when the files are others than before. Any thread; looks at the files. */
uint64_t tls_store_generation(struct tls_store *store);

#endif
