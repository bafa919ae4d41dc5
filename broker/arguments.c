/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <config.h>

#include "broker/arguments.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/config.h"

static void usage(FILE *out)
{
	fprintf(out, "Usage: vmreplica-broker [--address ADDRESS] [--port PORT] [--relay "
		     "never|auto|always]\n"
		     "                        [--config PATH] [--pid-file PATH] [--socket PATH] "
		     "[--foreground]\n"
		     "The access point of a cluster for replication from other sites; see "
		     "vmreplica-broker(8).\n");
}

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

int arguments_parse(int argc, char **argv, struct arguments *arguments)
{
	static const struct option options[] = {
		{"address", required_argument, NULL, 'a'},
		{"port", required_argument, NULL, 'p'},
		{"relay", required_argument, NULL, 'r'},
		{"config", required_argument, NULL, 'c'},
		{"pid-file", required_argument, NULL, 'P'},
		{"socket", required_argument, NULL, 's'},
		{"foreground", no_argument, NULL, 'f'},
		{"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	enum relay_mode relay;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'a':
			arguments->address = optarg;
			break;
		case 'p':
			if (parse_port(optarg, &arguments->port) < 0) {
				return -EINVAL;
			}
			break;
		case 'r':
			if (relay_mode_from_string(optarg, &relay) < 0) {
				fprintf(stderr,
					"vmreplica-broker: --relay is never, auto or always\n");
				return -EINVAL;
			}
			arguments->relay = optarg;
			break;
		case 'c':
			arguments->config_path = optarg;
			break;
		case 'P':
			arguments->pid_file = optarg;
			break;
		case 's':
			arguments->socket_path = optarg;
			break;
		case 'f':
			arguments->foreground = true;
			break;
		case 'V':
			printf("vmreplica-broker %s\n", PACKAGE_VERSION);
			return 1;
		case 'h':
			usage(stdout);
			return 1;
		default:
			usage(stderr);
			return -EINVAL;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "vmreplica-broker: %s is not understood\n", argv[optind]);
		return -EINVAL;
	}
	return 0;
}
