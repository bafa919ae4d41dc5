/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vmreplica-freeze: holds one guest frozen for one cut, and thaws it whatever becomes of the
 * engine.
 *
 *   engine  starts it with a socket as descriptor 3
 *        <- "frozen N\n": N file systems of the guest hold still
 *           makes its cut, and shuts its side of the socket; so does its end, by whatever cause
 *        <- "thawed N MS asked|expired\n": N were thawed, MS ms after the freeze was ordered;
 *           expired = it was not asked in time and did so by itself
 *        <- or "refused WHY\n" instead of all that: nothing is frozen
 *
 * A process of its own, in a session of its own, because a thaw must not depend on a process that
 * may be killed, or on a thread and a connection that other calls block. Should this one be killed
 * too, the note (freeze_note.h) is left: `vmreplica-freeze --thaw`, which engine and agents run
 * when they find one, goes on with it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <libvirt/virterror.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "engine/freeze_guest.h"
#include "engine/freeze_note.h"
#include "engine/source_freeze.h"

/* Until the freeze nothing is lost by ending: a libvirtd that hangs ends us so. */
#define OPENING_MAX_S	  30
#define THAW_PAUSE_MIN_MS 100
#define THAW_PAUSE_MAX_MS 5000

static const char usage[] =
	"Usage: vmreplica-freeze --thaw [VM]\n"
	"Thaw guests (or VM alone) that a vmreplica-freeze before this one left frozen; goes on "
	"in\n"
	"the background until it is done. The engine and the agents call it by themselves.\n\n"
	"      --notes DIRECTORY  where it is noted who is frozen (" SOURCE_FREEZE_DIR ")\n"
	"      --uri URI          libvirt (qemu:///system)\n"
	"      --help\n";

struct freezer {
	const char *uri, *vm, *notes;
	int hold_ms;
	bool thaw;
};

static void ignore_error_cb(void *arg, virErrorPtr error)
{
	(void)arg;
	(void)error;
}

/* 1 = go on, in the background; 0 = the parent; -errno. */
static int detach(void)
{
	pid_t pid = fork();
	int null;

	if (pid != 0) {
		return pid < 0 ? -errno : 0;
	}
	setsid();
	/* Who waits for the end of our output must not wait for a thaw. */
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = STDIN_FILENO; null >= 0 && fd <= STDERR_FILENO; fd++) {
		dup2(null, fd);
	}
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	return 1;
}

__attribute__((format(printf, 1, 2))) static bool say(const char *format, ...)
{
	char line[SOURCE_FREEZE_LINE_LEN];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(line, sizeof(line) - 1, format, args);
	va_end(args);
	len = len < (int)sizeof(line) - 1 ? len : (int)sizeof(line) - 2;
	for (int i = 0; i < len; i++) {
		line[i] = line[i] == '\n' ? ' ' : line[i];
	}
	line[len++] = '\n';
	return send(SOURCE_FREEZE_FD, line, (size_t)len, MSG_NOSIGNAL) == len;
}

/* Has the engine shut its side, or does it within wait_ms? It never sends anything. */
static bool engine_lets_go(int64_t wait_ms)
{
	struct pollfd fd = {.fd = SOURCE_FREEZE_FD, .events = POLLIN};

	return poll(&fd, 1, wait_ms > 0 ? (int)wait_ms : 0) > 0;
}

/* Until it is thawed, or that boot of it is over. The number of file systems; -1 = it is gone, or
 * (only where refusal_ends) its agent does not do such things. */
static int thaw(struct freeze_guest *guest, bool refusal_ends)
{
	int64_t pause_ms = THAW_PAUSE_MIN_MS;
	char text[FREEZE_TEXT_LEN] = "";
	bool told = false;
	int count = 0;

	for (;;) {
		enum freeze_thaw result = freeze_guest_thaw(guest, &count, text);

		if (result == FREEZE_THAWED) {
			return count;
		}
		if (result == FREEZE_GONE || (result == FREEZE_REFUSED && refusal_ends)) {
			return -1;
		}
		if (!told) {
			log_error("vm %s: its file systems may be frozen, and it cannot be thawed "
				  "now: %s; tried until it is",
				  guest->vm, text);
			told = true;
		}
		clock_sleep_ms(pause_ms);
		pause_ms = pause_ms * 2 < THAW_PAUSE_MAX_MS ? pause_ms * 2 : THAW_PAUSE_MAX_MS;
	}
}

/* ---- for the engine ---- */

/* All but the freeze itself. 0, or what is wrong was said. */
static int prepare(struct freeze_guest *guest, struct freeze_note *note)
{
	char text[FREEZE_TEXT_LEN] = "";
	int result;

	alarm(OPENING_MAX_S);
	result = freeze_guest_open(guest, text);
	if (result == 0) {
		result = freeze_guest_probe(guest, text);
	}
	alarm(0);
	if (result < 0) {
		say("refused %s", text);
		return result;
	}
	if (engine_lets_go(0)) {
		return -ECANCELED; /* it lost its patience */
	}
	result = freeze_note_write(note, guest->id, false);
	if (result < 0) {
		say("refused %s: %s: make room there", note->path, strerror(-result));
	}
	return result;
}

/* The guest is frozen: hold it so for the cut. */
static void hold(const struct freezer *freezer, struct freeze_guest *guest, int count,
		 int64_t began_ms)
{
	bool asked, heard;
	int thawed;

	heard = say("frozen %d", count);
	asked = engine_lets_go(began_ms + freezer->hold_ms - clock_monotonic_ms());
	thawed = thaw(guest, false);
	heard = say("thawed %d %lld %s", thawed, (long long)(clock_monotonic_ms() - began_ms),
		    asked ? "asked" : "expired") &&
		heard;
	if (thawed < 0) {
		log_error(
			"vm %s: it left this node, or stopped, while it was frozen; should it have "
			"been moved, thaw it there: virsh domfsthaw %s",
			guest->vm, guest->vm);
	} else if (!heard) {
		log_warning("vm %s: the engine ended, or had given up, while the guest was frozen: "
			    "thawed after %lld ms",
			    guest->vm, (long long)(clock_monotonic_ms() - began_ms));
	}
}

static void freeze_noted(const struct freezer *freezer, struct freeze_guest *guest,
			 struct freeze_note *note)
{
	char text[FREEZE_TEXT_LEN] = "";
	int64_t began_ms = clock_monotonic_ms();
	int count = freeze_guest_freeze(guest, text);

	if (count > 0) {
		freeze_note_write(note, guest->id, true);
		hold(freezer, guest, count, began_ms);
		return;
	}
	/* Scripts of the guest may have run all the same, or some file systems be frozen. */
	thaw(guest, true);
	say("refused %s", count == 0 ? "the guest has no file system that can be frozen" : text);
}

static int freeze(const struct freezer *freezer)
{
	struct freeze_guest guest = {.uri = freezer->uri, .vm = freezer->vm};
	struct freeze_note note;
	int result = freeze_note_take(freezer->notes, freezer->vm, &note);

	if (result < 0) {
		say("refused %s", result == -EWOULDBLOCK ? "a thaw of the guest is still waited for"
							 : strerror(-result));
		return EXIT_FAILURE;
	}
	if (freeze_note_read(&note) >= 0) {
		/* Somebody owes a thaw: that is what this turn is for. */
		say("refused the guest was left frozen and is being thawed");
		guest.id = freeze_note_read(&note);
		thaw(&guest, false);
	} else if (prepare(&guest, &note) == 0) {
		freeze_noted(freezer, &guest, &note);
	}
	freeze_note_remove(&note);
	freeze_guest_close(&guest);
	return EXIT_SUCCESS;
}

/* ---- what another left ---- */

static void thaw_left(const struct freezer *freezer, const char *vm)
{
	struct freeze_guest guest = {.uri = freezer->uri, .vm = vm};
	struct freeze_note note;
	int count;

	/* Held by someone: it is his. */
	if (freeze_note_take(freezer->notes, vm, &note) < 0) {
		return;
	}
	if (freeze_note_read(&note) >= 0) {
		guest.id = freeze_note_read(&note);
		count = thaw(&guest, false);
		log_warning("vm %s: it was left frozen by a process that was killed: %s", vm,
			    count >= 0 ? "thawed" : "it does not run here any more");
	}
	freeze_note_remove(&note);
	freeze_guest_close(&guest);
}

static int thaw_all(const struct freezer *freezer)
{
	DIR *directory = opendir(freezer->notes);
	struct dirent *entry;

	while (directory != NULL && (entry = readdir(directory)) != NULL) {
		if (entry->d_name[0] == '.' ||
		    (freezer->vm != NULL && strcmp(entry->d_name, freezer->vm) != 0)) {
			continue;
		}
		/* One that hangs must not keep the next from being thawed. */
		if (detach() == 1) {
			thaw_left(freezer, entry->d_name);
			_exit(EXIT_SUCCESS);
		}
	}
	if (directory != NULL) {
		closedir(directory);
	}
	return EXIT_SUCCESS;
}

/* ---- the command line ---- */

static int parse(int argc, char **argv, struct freezer *freezer)
{
	static const struct option options[] = {{"freeze", required_argument, NULL, 'f'},
						{"hold", required_argument, NULL, 'h'},
						{"thaw", no_argument, NULL, 't'},
						{"uri", required_argument, NULL, 'u'},
						{"notes", required_argument, NULL, 'n'},
						{"help", no_argument, NULL, '?' + 1},
						{0}};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'f':
			freezer->vm = optarg;
			break;
		case 'h':
			freezer->hold_ms = atoi(optarg);
			break;
		case 't':
			freezer->thaw = true;
			break;
		case 'u':
			freezer->uri = optarg;
			break;
		case 'n':
			freezer->notes = optarg;
			break;
		case '?' + 1:
			fputs(usage, stdout);
			exit(EXIT_SUCCESS);
		default:
			return -EINVAL;
		}
	}
	if (freezer->thaw && freezer->vm == NULL && optind < argc) {
		freezer->vm = argv[optind++];
	}
	return optind == argc && freezer->hold_ms > 0 && (freezer->thaw || freezer->vm != NULL)
		       ? 0
		       : -EINVAL;
}

int main(int argc, char **argv)
{
	struct freezer freezer = {.notes = SOURCE_FREEZE_DIR, .hold_ms = SOURCE_FREEZE_HOLD_MS};
	int result;

	if (parse(argc, argv, &freezer) < 0) {
		fputs(usage, stderr);
		return 2;
	}
	virSetErrorFunc(NULL, ignore_error_cb);
	if (log_open(SOURCE_FREEZE_NAME, VMR_LOGDIR, "notice", false) < 0) {
		log_open(SOURCE_FREEZE_NAME, NULL, "notice", false); /* syslog alone */
	}
	if (freezer.thaw) {
		return thaw_all(&freezer);
	}
	result = detach();
	if (result == 1) {
		result = freeze(&freezer);
		_exit(result);
	}
	return result < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
