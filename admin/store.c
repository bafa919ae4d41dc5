/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vmreplica store: what is done to a replica's directory without any daemon. The one program that
 * reads stores is the receiver, which gives up root for that; this one starts it. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "admin/command.h"
#include "admin/verify_point.h"

static const char help[] =
	"Usage: vmreplica store check DIRECTORY [--json]\n"
	"Check the directory of a replica (vmreplica status VM names it) without changing it: the\n"
	"manifest, the chain of hashes over the kept logs, every log's checksums, every layer "
	"(its\n"
	"fingerprint, its place in the chain, qemu-img check), recovery points and pins; whether\n"
	"points and the newest image read as the kept logs say; and whether what no kept log "
	"wrote\n"
	"(the base, mostly) reads as the sums say that the receiver has taken of it. Damage is\n"
	"named by file and offset. What has neither log nor sum yet is counted as not covered.\n"
	"\n"
	"It needs no engine, takes no lock, and may run on any node that reaches the directory, "
	"also\n"
	"while the replica is in use: what is being written at the time is left out then. "
	"vmreplica\n"
	"verify, on the primary's side, compares all of a replica with the primary, and vmreplica\n"
	"resync heals it.\n"
	"\n"
	"Exit status: 0 sound, 1 the check could not be made, 2 wrong use, 3 damage was found.\n"
	"\n"
	"      --json          print JSON\n"
	"  -h, --help          show this text\n";

int command_store(int argc, char **argv)
{
	static const struct option options[] = {{"help", no_argument, NULL, OPTION_HELP},
						{"json", no_argument, NULL, OPTION_JSON},
						{0}};
	struct common_options common = {.command = "store", .help = help};

	while (command_next_option(&common, argc, argv, options) != -1) {
	}
	if (optind == argc || strcmp(argv[optind], "check") != 0) {
		return command_misused(&common, "say what to do: check DIRECTORY");
	}
	if (argc - optind != 2) {
		return command_misused(&common, "name one directory");
	}
	return store_check_exec(argv[optind + 1], 0, common.json);
}
