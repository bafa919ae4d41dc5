/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The UEFI firmware images of this host, by the descriptors that QEMU's firmware.json specifies and
 * distributions install. libvirt can choose among them by itself (firmware='efi'), but then takes
 * no template of variables (9.0, measured), and looks neither at the variables that are already
 * there nor at their size: flash of 2 MiB with variables of 4 MiB does not boot. So we choose, and
 * name code and template.
 */
#ifndef VMR_ENGINE_FIRMWARE_H
#define VMR_ENGINE_FIRMWARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/limits.h"

#define FIRMWARE_MAX		    32u
#define FIRMWARE_TARGETS_MAX	    8u
#define FIRMWARE_WORD_MAX	    47u
#define FIRMWARE_DIRECTORIES	    2u
#define FIRMWARE_DIRECTORY	    "/usr/share/qemu/firmware"
#define FIRMWARE_DIRECTORY_OF_ADMIN "/etc/qemu/firmware"

struct firmware {
	char code[PATH_LEN_MAX + 1], variables[PATH_LEN_MAX + 1]; /* variables: the template */
	uint64_t variables_bytes;				  /* its size; 0 = not known */
	bool secure_boot, enrolled_keys, needs_smm;
	struct {
		char architecture[FIRMWARE_WORD_MAX + 1];
		char machine[FIRMWARE_WORD_MAX + 1]; /* a pattern: "pc-q35-*" */
	} targets[FIRMWARE_TARGETS_MAX];
	size_t target_count;
};

struct firmware_list {
	struct firmware *items; /* owned; the first is preferred */
	size_t count;
};

/* What a VM wants. Borrowed. */
struct firmware_wish {
	const char *architecture, *machine; /* "x86_64", "pc-q35-7.2" */
	bool secure_boot, enrolled_keys, smm;
	uint64_t variables_bytes; /* of the variables that it has; 0 = fresh ones */
};

/* One descriptor. 0, -ENOTSUP (not flash with raw images, no UEFI), -EBADMSG. Pure but for the
 * template's size, which the caller finds. */
int firmware_parse(const char *json, size_t len, struct firmware *ret_firmware);
/* All descriptors in these directories (NULL-terminated), by name; a file of an earlier one stands
 * for one of the same name in a later, an empty one hides it. 0 or -ENOMEM; what cannot be read is
 * left out. Blocks on files. */
int firmware_list_load(const char *const *directories, struct firmware_list *ret_list);
/* The same, of this host. */
int firmware_list_load_host(struct firmware_list *ret_list);
void firmware_list_destroy(struct firmware_list *list);
/* The one for a VM, or NULL. Pure. */
const struct firmware *firmware_choose(const struct firmware_list *list,
				       const struct firmware_wish *wish);

#endif
