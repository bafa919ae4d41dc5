/* SPDX-License-Identifier: GPL-2.0-or-later */
/* As whom libvirt runs QEMU here, and which security drivers confine it. */
#ifndef VMR_ENGINE_SOURCE_SECURITY_H
#define VMR_ENGINE_SOURCE_SECURITY_H

#include <sys/types.h>

#include "engine/source.h"

struct source_security {
	uid_t uid; /* of QEMU, for VMs that do not say otherwise */
	gid_t gid;
	bool apparmor, selinux;
};

/* Blocking, bounded. 0 or a negative errno with a sentence. */
int source_security_ask(struct source_connection *connection, struct source_security *ret_security,
			char error[SOURCE_ERROR_LEN]);
/* The same from libvirt's capabilities. 0 or -EBADMSG. Pure. */
int source_security_parse(const char *capabilities, struct source_security *ret_security);

#endif
