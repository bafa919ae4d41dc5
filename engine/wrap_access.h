/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Access of QEMU to the raw disk under a header. libvirt 9.0 knows nothing of data files: it
 * labels, puts into the VM's mount namespace and device list, and tells AppArmor of the header
 * alone. What can be arranged from here is: an ACL entry, which stays through every relabelling of
 * libvirt's, and for devices a udev rule, which gives it anew when the device appears. libvirt's
 * own lists are in its configuration, which is the admin's: those are checked, and what is to be
 * written there is told.
 */
#ifndef VMR_ENGINE_WRAP_ACCESS_H
#define VMR_ENGINE_WRAP_ACCESS_H

#include "engine/sentence_list.h"
#include "engine/source_security.h"
#include "engine/wrap_domain.h"

#define WRAP_QEMU_CONF "/etc/libvirt/qemu.conf"
#define WRAP_RULES_DIR "/etc/udev/rules.d"

/* Give QEMU's user what it needs of disk->raw on this node (disk->granted: by an ACL entry of
 * ours). 0 or a negative errno with a sentence that says what to do. Blocks. */
int wrap_access_give(const char *vm, struct wrap_disk *disk, const struct source_security *security,
		     char error[SOURCE_ERROR_LEN]);
/* Take it back. What cannot be is a sentence in problems. */
void wrap_access_take(const char *vm, const struct wrap_disk *disk,
		      const struct source_security *security, struct sentence_list *problems);
/* Can QEMU's user reach what lies in a directory? 0, or the negative errno that it gets. Blocks. */
int wrap_access_reach(const char *directory, const struct source_security *security);

struct wrap_problem {
	char text[SOURCE_ERROR_LEN], advice[SOURCE_ERROR_LEN];
};
/* What keeps QEMU from disk->raw on this node, with what to do: libvirt's configuration, and
 * (given) that its user cannot open it. True when there is a problem. Changes nothing. Blocks. */
bool wrap_access_problem(const struct wrap_disk *disk, const struct source_security *security,
			 bool given, struct wrap_problem *ret_problem);
/* What may keep it from that and cannot be seen from here: a sentence each. */
void wrap_access_warn(const struct wrap_disk *disk, const struct source_security *security,
		      struct sentence_list *warnings);

/* Does the text of a qemu.conf let every VM use the device path? Namespaces and the devices' cgroup
 * both go by cgroup_device_acl. Pure. */
bool wrap_access_conf_allows(const char *conf, const char *path);
/* The udev rule that gives a device (its path below /dev) to uid. Pure. Into buf. */
void wrap_access_rule(const char *path, uid_t uid, char *buf, size_t size);

#endif
