/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A domain's XML that a peer sent: read within bounds (size, depth, elements), without document
 * type, entities or network. What passes is still not trusted, only small. Pure.
 */
#ifndef VMR_ENGINE_DOMAIN_DOCUMENT_H
#define VMR_ENGINE_DOMAIN_DOCUMENT_H

#include <libxml/tree.h>
#include <stddef.h>

#define DOMAIN_ERROR_LEN 256

/* The document, whose root is <domain>; free with xmlFreeDoc. 0, -E2BIG, -EBADMSG or -ENOMEM with a
 * sentence. */
int domain_document_read(const char *xml, size_t len, xmlDoc **ret_document,
			 char error[DOMAIN_ERROR_LEN]);

#endif
