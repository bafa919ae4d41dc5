/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The subcommands of vmreplica, and what they have in common: options, exit statuses, complaints.
 */
#ifndef VMR_ADMIN_COMMAND_H
#define VMR_ADMIN_COMMAND_H

#include <getopt.h>
#include <stdbool.h>

/* Exit statuses. */
#define STATUS_DONE   0
#define STATUS_FAILED 1 /* what failed and what to do next are on standard error */
#define STATUS_USAGE  2 /* one line on standard error */

/* argv[0] is the subcommand's name. Returns the exit status. */
typedef int (*command_run)(int argc, char **argv);

struct command {
	const char *name;
	command_run run;
	const char *summary; /* NULL: not shown in the overview */
};

int command_status(int argc, char **argv);
int command_protect(int argc, char **argv);
int command_unprotect(int argc, char **argv);
int command_wrap(int argc, char **argv);
int command_unwrap(int argc, char **argv);
int command_authorize(int argc, char **argv);
int command_sync(int argc, char **argv);
int command_pause(int argc, char **argv);
int command_resume(int argc, char **argv);
int command_resync(int argc, char **argv);
int command_locate(int argc, char **argv);
int command_broker(int argc, char **argv);
int command_events(int argc, char **argv);
int command_check(int argc, char **argv);
int command_points(int argc, char **argv);
int command_verify(int argc, char **argv);
int command_export(int argc, char **argv);
int command_import(int argc, char **argv);
int command_store(int argc, char **argv);
int command_failover(int argc, char **argv);
int command_reverse(int argc, char **argv);
int command_jobs(int argc, char **argv);
int command_pki(int argc, char **argv);
int command_agent(int argc, char **argv);

/* Options that every subcommand takes. */
struct common_options {
	const char *command; /* as the admin typed it, e.g. "pki issue" */
	const char *help;    /* the whole text of --help */
	const char *socket;  /* --socket or NULL */
	bool answered;	     /* by command_goes_on: a round has succeeded */
	bool json;
	bool quiet; /* that the engine does not answer has been told already */
};

enum {
	OPTION_HELP = 'h',
	OPTION_JSON = 256,
	OPTION_SOCKET,
	OPTION_OWN, /* first code for the options of a subcommand */
};

/* clang-format off */
#define COMMON_LONG_OPTIONS                                                                        \
	{"help", no_argument, NULL, OPTION_HELP},                                                  \
	{"json", no_argument, NULL, OPTION_JSON},                                                  \
	{"socket", required_argument, NULL, OPTION_SOCKET}
#define COMMON_HELP                                                                                \
	"      --json          print JSON\n"                                                       \
	"      --socket PATH   socket of the engine (default: /run/vmreplica/engine.sock)\n"       \
	"  -h, --help          show this text\n"
/* clang-format on */

/* The next option of the subcommand itself (its code), or -1 at the end of the options. Handles the
 * common ones: --help and mistakes end the process. */
int command_next_option(struct common_options *common, int argc, char **argv,
			const struct option *options);

/* Print "vmreplica COMMAND: <sentence> (see vmreplica COMMAND --help)" on standard error. Returns
 * STATUS_USAGE. */
int command_misused(const struct common_options *common, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The one operand that must follow the options, a VM's name. NULL after a complaint (the caller
 * returns STATUS_USAGE). */
const char *command_vm_operand(const struct common_options *common, int argc, char **argv);

/* Print "vmreplica: <what>" and, unless NULL or "", "  <advice>" on standard error. Returns
 * STATUS_FAILED. */
int command_failed(const char *what, const char *advice);

/* For what goes on until interrupted: after a round that ended with result (lost: because the
 * engine did not answer), true when there is to be another one; then a second has passed. An engine
 * that goes away once it has answered is told once and waited for: it is being restarted, or its
 * node is. */
bool command_goes_on(struct common_options *common, int result, bool lost);

/* A whole number from text within [min, max]: true and *ret_value. */
bool command_parse_number(const char *text, long long min, long long max, long long *ret_value);

#endif
