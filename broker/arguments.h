/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The options of vmreplica-broker. */
#ifndef VMR_BROKER_ARGUMENTS_H
#define VMR_BROKER_ARGUMENTS_H

#include "common/daemon_arguments.h"

/* Strings are borrowed from the command line; NULL = not given. Set the defaults before. */
struct arguments {
	struct daemon_arguments daemon;
	const char *address, *socket_path, *relay;
	unsigned port; /* 0 = the configuration's */
};

/* 0 = go on, 1 = done (help was asked for and printed), -EINVAL = wrong use, said on standard
 * error. */
int arguments_parse(int argc, char **argv, struct arguments *arguments);

#endif
