/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vmreplica: the administrator's tool. One subcommand a run; see vmreplica(1). */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "admin/command.h"
#include "config.h"

static const struct command commands[] = {
	{"status", command_status, "show the replication of VMs"},
	{"protect", command_protect, "replicate a VM to another site"},
	{"unprotect", command_unprotect, "end the replication of a VM"},
	{"wrap", command_wrap, "make the raw disks of a VM fit for replication"},
	{"unwrap", command_unwrap, "take the headers of wrapped disks away again"},
	{"authorize", command_authorize, "say which sites may replicate to here"},
	{"sync", command_sync, "run a replication cycle now"},
	{"pause", command_pause, "pause the replication of a VM"},
	{"resume", command_resume, "go on replicating a VM"},
	{"resync", command_resync, "compare both sides and send what differs"},
	{"points", command_points, "list the recovery points of a replica"},
	{"export", command_export, "write a VM's disks to media for the other side"},
	{"import", command_import, "take a VM's disks from media into its replica"},
	{"verify", command_verify, "prove that a replica equals its primary"},
	{"store", command_store, "check a replica's directory"},
	{"failover", command_failover, "run a VM on its replica's side: test, planned, unplanned"},
	{"reverse", command_reverse, "replicate a VM back after a failover"},
	{"jobs", command_jobs, "list failover jobs, or follow one"},
	{"locate", command_locate, "ask the broker for the owner of a VM"},
	{"broker", command_broker, "show the broker: routes, streams, denials"},
	{"events", command_events, "show what happened"},
	{"check", command_check, "check whether all is fit for replication"},
	{"pki", command_pki, "make, renew, revoke and show certificates"},
	{"agent", command_agent, NULL}, /* the hand of the resource agents */
};

static void print_overview(FILE *out)
{
	fputs("Usage: vmreplica COMMAND [OPTION]... [ARGUMENT]...\n"
	      "Asynchronous replication of running virtual machines between clusters.\n\n",
	      out);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (commands[i].summary != NULL) {
			fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].summary);
		}
	}
	fputs("\nvmreplica COMMAND --help shows the options of a command, vmreplica --version the\n"
	      "version. Exit status: 0 done, 1 failed, 2 wrong use; verify and store check: 3 "
	      "they\n"
	      "found a difference or damage.\n",
	      out);
}

static int run_command(int argc, char **argv)
{
	if (argc < 2) {
		fputs("vmreplica: name a command (see vmreplica --help)\n", stderr);
		return STATUS_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
	    strcmp(argv[1], "help") == 0) {
		print_overview(stdout);
		return STATUS_DONE;
	}
	if (strcmp(argv[1], "--version") == 0) {
		puts("vmreplica " VERSION);
		return STATUS_DONE;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(argv[1], commands[i].name) == 0) {
			return commands[i].run(argc - 1, argv + 1);
		}
	}
	fprintf(stderr, "vmreplica: \"%s\" is no command (see vmreplica --help)\n", argv[1]);
	return STATUS_USAGE;
}

int main(int argc, char **argv)
{
	int status;

	signal(SIGPIPE, SIG_IGN); /* a daemon that goes away in the middle is an error to report */
	status = run_command(argc, argv);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fputs("vmreplica: cannot write the output\n", stderr);
		return status == STATUS_DONE ? STATUS_FAILED : status;
	}
	return status;
}
