// SPDX-License-Identifier: GPL-2.0-or-later
/* The ACPI power button: the guest ends its writing cleanly. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/input.h>
#include <poll.h>
#include <stdio.h>
#include <sys/reboot.h>
#include <unistd.h>

#include "writer.h"

static void power_off(void)
{
	g.ending = true;
	usleep(300000);
	flush(0);
	flush(1);
	fprintf(stderr, "writer: power button: %llu records, powering off\n",
		(unsigned long long)g.seq);
	sync();
	reboot(RB_POWER_OFF);
}

void *power_main(void *unused)
{
	struct pollfd fds[8];
	struct input_event event;
	nfds_t count = 0;
	char path[32];

	(void)unused;
	for (int i = 0; i < 8; i++) {
		snprintf(path, sizeof(path), "/dev/input/event%d", i);
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd >= 0) {
			fds[count].fd = fd;
			fds[count++].events = POLLIN;
		}
	}
	while (count > 0 && poll(fds, count, -1) > 0) {
		for (nfds_t i = 0; i < count; i++) {
			if ((fds[i].revents & POLLIN) &&
			    read(fds[i].fd, &event, sizeof(event)) > 0 && event.type == EV_KEY &&
			    event.code == KEY_POWER && event.value == 1) {
				power_off();
			}
		}
	}
	return NULL;
}
