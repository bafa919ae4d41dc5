/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "admin/command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "proto/validate.h"

int command_misused(const struct common_options *common, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "vmreplica %s: ", common->command);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, " (see vmreplica %s --help)\n", common->command);
	return STATUS_USAGE;
}

int command_failed(const char *what, const char *advice)
{
	fprintf(stderr, "vmreplica: %s\n", what);
	if (advice != NULL && advice[0] != '\0') {
		fprintf(stderr, "  %s\n", advice);
	}
	return STATUS_FAILED;
}

/* getopt_long's '?' says neither whether the option is unknown nor how it was written. */
static int option_mistake(const struct common_options *common, int code, char **argv)
{
	const char *text = optind > 0 ? argv[optind - 1] : "";

	if (code == ':') {
		return command_misused(common, "option \"%s\" needs a value", text);
	}
	return command_misused(common, "option \"%s\" is unknown, ambiguous or takes no value",
			       text);
}

int command_next_option(struct common_options *common, int argc, char **argv,
			const struct option *options)
{
	int code;

	opterr = 0;
	while ((code = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		switch (code) {
		case OPTION_HELP:
			fputs(common->help, stdout);
			exit(fflush(stdout) == 0 ? STATUS_DONE : STATUS_FAILED);
		case OPTION_JSON:
			common->json = true;
			break;
		case OPTION_SOCKET:
			common->socket = optarg;
			break;
		case '?':
		case ':':
			exit(option_mistake(common, code, argv));
		default:
			return code;
		}
	}
	return -1;
}

const char *command_vm_operand(const struct common_options *common, int argc, char **argv)
{
	if (optind == argc) {
		command_misused(common, "name a VM");
		return NULL;
	}
	if (argc - optind > 1) {
		command_misused(common, "one VM at a time, \"%s\" is too much", argv[optind + 1]);
		return NULL;
	}
	/* or of its resource, or the relationship */
	if (!validate_vm_name(argv[optind]) && !validate_resource_id(argv[optind])) {
		command_misused(common, "\"%s\" cannot be the name of a VM", argv[optind]);
		return NULL;
	}
	return argv[optind];
}

bool command_goes_on(struct common_options *common, int result, bool lost)
{
	common->answered = common->answered || result == STATUS_DONE;
	common->quiet = lost;
	if ((result != STATUS_DONE && !(lost && common->answered)) || fflush(stdout) != 0) {
		return false;
	}
	clock_sleep_ms(1000);
	return true;
}

bool command_parse_number(const char *text, long long min, long long max, long long *ret_value)
{
	char *end;
	long long value;

	errno = 0;
	value = strtoll(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || strchr(" \t\n+", text[0]) != NULL ||
	    value < min || value > max) {
		return false;
	}
	*ret_value = value;
	return true;
}
