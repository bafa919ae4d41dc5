/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/freeze_guest.h"

#include <errno.h>
#include <libvirt/virterror.h>
#include <stdio.h>
#include <string.h>

static int fail(int code, char *text, const char *what)
{
	snprintf(text, FREEZE_TEXT_LEN, "%s: %s", what, virGetLastErrorMessage());
	return code;
}

static int fail_plain(int code, char *text, const char *what)
{
	snprintf(text, FREEZE_TEXT_LEN, "%s", what);
	return code;
}

static int find_running(struct freeze_guest *guest, char text[FREEZE_TEXT_LEN])
{
	int state = VIR_DOMAIN_NOSTATE;
	int code;

	guest->domain = virDomainLookupByName(guest->conn, guest->vm);
	if (guest->domain == NULL) {
		code = virGetLastErrorCode() == VIR_ERR_NO_DOMAIN ? -ENOENT : -ENOTCONN;
		return fail(code, text, "looking the VM up");
	}
	if (virDomainGetState(guest->domain, &state, NULL, 0) < 0) {
		code = virGetLastErrorCode() == VIR_ERR_NO_DOMAIN ? -ENOENT : -ENOTCONN;
		return fail(code, text, "asking for the VM's state");
	}
	guest->id = (int)virDomainGetID(guest->domain);
	if (guest->id <= 0) {
		return fail_plain(-ENOENT, text, "the VM does not run");
	}
	return 0;
}

int freeze_guest_open(struct freeze_guest *guest, char text[FREEZE_TEXT_LEN])
{
	int result;

	guest->conn = virConnectOpen(guest->uri != NULL ? guest->uri : "qemu:///system");
	if (guest->conn == NULL) {
		return fail(-ENOTCONN, text, "libvirt does not accept a connection");
	}
	result = find_running(guest, text);
	if (result < 0) {
		freeze_guest_close(guest);
	}
	return result;
}

void freeze_guest_close(struct freeze_guest *guest)
{
	if (guest->domain != NULL) {
		virDomainFree(guest->domain);
	}
	if (guest->conn != NULL) {
		virConnectClose(guest->conn);
	}
	guest->domain = NULL;
	guest->conn = NULL;
}

int freeze_guest_probe(struct freeze_guest *guest, char text[FREEZE_TEXT_LEN])
{
	unsigned int nanoseconds;
	long long seconds;
	int state = VIR_DOMAIN_NOSTATE;

	/* The agent of a paused guest would be waited for in vain. */
	if (virDomainGetState(guest->domain, &state, NULL, 0) < 0 || state != VIR_DOMAIN_RUNNING) {
		return fail_plain(-EIO, text, "the guest is paused, and its agent with it");
	}
	if (virDomainGetTime(guest->domain, &seconds, &nanoseconds, 0) == 0) {
		return 0;
	}
	switch (virGetLastErrorCode()) {
	case VIR_ERR_ARGUMENT_UNSUPPORTED:
		return fail_plain(-EIO, text,
				  "the VM has no channel org.qemu.guest_agent.0: add one to its "
				  "definition, and install qemu-guest-agent in the guest");
	case VIR_ERR_AGENT_UNRESPONSIVE:
		return fail_plain(-EIO, text,
				  "the guest agent does not answer: is qemu-guest-agent installed "
				  "and running in the guest?");
	default:
		/* An agent that another tool has frozen refuses nearly all commands. */
		return fail(-EIO, text,
			    "the guest agent refuses (has another tool frozen the guest?)");
	}
}

int freeze_guest_freeze(struct freeze_guest *guest, char text[FREEZE_TEXT_LEN])
{
	int count = virDomainFSFreeze(guest->domain, NULL, 0, 0);

	return count >= 0 ? count : fail(-EIO, text, "freezing the guest's file systems");
}

/* One of another boot need not, and must not, be thawed: who froze that one is not known. */
static int reopen(struct freeze_guest *guest, char text[FREEZE_TEXT_LEN])
{
	int id = guest->id, result;

	if (guest->conn != NULL && virConnectIsAlive(guest->conn) == 1) {
		return 0;
	}
	freeze_guest_close(guest);
	result = freeze_guest_open(guest, text);
	if (result == 0 && id != 0 && guest->id != id) {
		freeze_guest_close(guest);
		return fail_plain(-ENOENT, text, "the VM was started anew");
	}
	guest->id = id != 0 ? id : guest->id;
	return result;
}

enum freeze_thaw freeze_guest_thaw(struct freeze_guest *guest, int *ret_count,
				   char text[FREEZE_TEXT_LEN])
{
	int result = reopen(guest, text);
	int count, code;

	if (result < 0) {
		return result == -ENOENT ? FREEZE_GONE : FREEZE_AGAIN;
	}
	count = virDomainFSThaw(guest->domain, NULL, 0, 0);
	if (count >= 0) {
		*ret_count = count;
		return FREEZE_THAWED;
	}
	code = virGetLastErrorCode();
	fail(0, text, "thawing the guest's file systems");
	if (code == VIR_ERR_NO_DOMAIN || virDomainIsActive(guest->domain) == 0) {
		return FREEZE_GONE;
	}
	return code == VIR_ERR_INTERNAL_ERROR ? FREEZE_REFUSED : FREEZE_AGAIN;
}
