/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <config.h>

#include "common/daemon_arguments.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Above the letters of a daemon's own options. */
enum { OPTION_CONFIG = 256, OPTION_PID_FILE, OPTION_FOREGROUND, OPTION_VERSION, OPTION_HELP };

static const struct option common_options[] = {
	{"config", required_argument, NULL, OPTION_CONFIG},
	{"pid-file", required_argument, NULL, OPTION_PID_FILE},
	{"foreground", no_argument, NULL, OPTION_FOREGROUND},
	{"version", no_argument, NULL, OPTION_VERSION},
	{"help", no_argument, NULL, OPTION_HELP},
	{NULL, 0, NULL, 0},
};

static void options_join(const struct option *own, struct option options[DAEMON_OPTIONS_MAX])
{
	size_t count = 0;

	while (own != NULL && own[count].name != NULL) {
		options[count] = own[count];
		count++;
	}
	assert(count + sizeof(common_options) / sizeof(common_options[0]) <= DAEMON_OPTIONS_MAX);
	memcpy(&options[count], common_options, sizeof(common_options));
}

static int option_take(const struct daemon_command *command, int option,
		       struct daemon_arguments *arguments)
{
	switch (option) {
	case OPTION_CONFIG:
		arguments->config_path = optarg;
		return 0;
	case OPTION_PID_FILE:
		arguments->pid_file = optarg;
		return 0;
	case OPTION_FOREGROUND:
		arguments->foreground = true;
		return 0;
	case OPTION_VERSION:
		printf("%s %s\n", command->program, PACKAGE_VERSION);
		return 1;
	case OPTION_HELP:
		fputs(command->usage, stdout);
		return 1;
	case '?':
		fputs(command->usage, stderr);
		return -EINVAL;
	default:
		return command->take_cb(command->arg, option, optarg);
	}
}

int daemon_arguments_parse(int argc, char **argv, const struct daemon_command *command,
			   struct daemon_arguments *arguments)
{
	struct option options[DAEMON_OPTIONS_MAX];
	int option, result = 0;

	options_join(command->options, options);
	while (result == 0 && (option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		result = option_take(command, option, arguments);
	}
	if (result == 0 && optind < argc) {
		fprintf(stderr, "%s: %s is not understood\n", command->program, argv[optind]);
		return -EINVAL;
	}
	return result;
}
