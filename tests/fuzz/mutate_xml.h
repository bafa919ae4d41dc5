/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changes of XML trees. */
#ifndef VMR_TESTS_FUZZ_MUTATE_XML_H
#define VMR_TESTS_FUZZ_MUTATE_XML_H

#include "mutate_value.h"

/* Change the size bytes of XML in place, up to max_size: subtrees come twice, go, are moved or put
 * deeper; attributes and texts become others. Now and then, and when it is not well-formed, its
 * text is changed instead: a document type, entities, or by libFuzzer. Returns the new size. */
size_t mutate_xml(struct mutate *mutate, uint8_t *data, size_t size, size_t max_size);
/* Put a subtree of another document into this one: the result goes to out. Returns its size, 0 when
 * one of them is not well-formed or it does not fit. */
size_t mutate_xml_cross(struct mutate *mutate, const uint8_t *data, size_t size,
			const uint8_t *other, size_t other_size, uint8_t *out, size_t max_size);

#endif
