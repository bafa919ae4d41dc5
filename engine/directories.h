/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine's own directories below /run, /var/lib and /var/log. Made at start; nothing that
 * exists is loosened. */
#ifndef VMR_ENGINE_DIRECTORIES_H
#define VMR_ENGINE_DIRECTORIES_H

#include "common/config.h"

/* 0, or a negative errno with a sentence of at most size bytes. */
int directories_make(const struct config *config, char *error, unsigned int size);

#endif
