/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line of a daemon: what all of them take, and what one takes besides. */
#ifndef VMR_COMMON_DAEMON_ARGUMENTS_H
#define VMR_COMMON_DAEMON_ARGUMENTS_H

#include <getopt.h>
#include <stdbool.h>

#define DAEMON_OPTIONS_MAX 16 /* those of its own and the common ones together */

/* --config, --pid-file, --foreground. Strings are borrowed from the command line. Set the defaults
 * before. */
struct daemon_arguments {
	const char *config_path, *pid_file;
	bool foreground;
};

struct daemon_command {
	const char *program;
	const char *usage;	      /* for --help and wrong use, with its last newline */
	const struct option *options; /* its own, ended by zeros, values 'a' to 'z'; NULL = none */
	/* One of these, with its value (NULL = it takes none). 0, or -EINVAL when what is wrong
	 * was said on standard error. NULL when there are none. */
	int (*take_cb)(void *arg, int option, const char *value);
	void *arg;
};

/* 0 = go on, 1 = done (help or version was asked for and printed), -EINVAL = wrong use, said on
 * standard error. */
int daemon_arguments_parse(int argc, char **argv, const struct daemon_command *command,
			   struct daemon_arguments *arguments);

#endif
