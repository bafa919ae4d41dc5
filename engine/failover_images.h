/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The places of a failover's files, beside the store. */
#ifndef VMR_ENGINE_FAILOVER_IMAGES_H
#define VMR_ENGINE_FAILOVER_IMAGES_H

#include "engine/replica.h"

/* Path of the VM's definition, or of a test's (PATH_LEN_MAX + 1 bytes). Returns path. */
char *failover_definition_path(const struct replica *replica, bool test, char *path);

#endif
