/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/arguments.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/config.h"

static const char usage[] =
	"Usage: vmreplica-broker [--address ADDRESS] [--port PORT] [--relay never|auto|always]\n"
	"                        [--config PATH] [--pid-file PATH] [--socket PATH] "
	"[--foreground]\n"
	"The access point of a cluster for replication from other sites; see "
	"vmreplica-broker(8).\n";

static int parse_port(const char *text, unsigned *ret_port)
{
	char *end;
	unsigned long port = strtoul(text, &end, 10);

	if (end == text || *end != '\0' || port == 0 || port > 65535) {
		fprintf(stderr, "vmreplica-broker: %s is not a port\n", text);
		return -EINVAL;
	}
	*ret_port = (unsigned)port;
	return 0;
}

static int take_cb(void *arg, int option, const char *value)
{
	struct arguments *arguments = arg;
	enum relay_mode relay;

	switch (option) {
	case 'a':
		arguments->address = value;
		return 0;
	case 'p':
		return parse_port(value, &arguments->port);
	case 'r':
		if (relay_mode_from_string(value, &relay) < 0) {
			fprintf(stderr, "vmreplica-broker: --relay is never, auto or always\n");
			return -EINVAL;
		}
		arguments->relay = value;
		return 0;
	default:
		arguments->socket_path = value;
		return 0;
	}
}

int arguments_parse(int argc, char **argv, struct arguments *arguments)
{
	static const struct option options[] = {
		{"address", required_argument, NULL, 'a'},
		{"port", required_argument, NULL, 'p'},
		{"relay", required_argument, NULL, 'r'},
		{"socket", required_argument, NULL, 's'},
		{NULL, 0, NULL, 0},
	};
	const struct daemon_command command = {.program = "vmreplica-broker",
					       .usage = usage,
					       .options = options,
					       .take_cb = take_cb,
					       .arg = arguments};

	return daemon_arguments_parse(argc, argv, &command, &arguments->daemon);
}
