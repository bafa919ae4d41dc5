/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The firmware of a host as Debian 12 describes it, whatever this host has. */
#ifndef VMR_TESTS_FIRMWARE_FIXTURE_H
#define VMR_TESTS_FIRMWARE_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/firmware.h"

/* The descriptors of tests/fixtures/firmware in their order; sizes as their files have them there.
 */
static inline void firmware_fixture_load(struct firmware_list *list)
{
	static const struct {
		const char *name;
		uint64_t variables_bytes;
	} files[] = {{"30-qcow2", 0},
		     {"40-edk2-x86_64-secure-enrolled", 540672},
		     {"50-edk2-x86_64-secure", 540672},
		     {"60-edk2-x86_64", 540672},
		     {"70-old-2m", 131072}};
	const char *srcdir = getenv("srcdir");
	char path[1024], text[8192];

	list->items = calloc(FIRMWARE_MAX, sizeof(*list->items));
	list->count = 0;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct firmware *firmware = &list->items[list->count];
		FILE *file;
		size_t len;

		snprintf(path, sizeof(path), "%s/tests/fixtures/firmware/%s.json",
			 srcdir != NULL ? srcdir : ".", files[i].name);
		file = fopen(path, "r");
		len = file != NULL ? fread(text, 1, sizeof(text), file) : 0;
		if (file != NULL) {
			fclose(file);
		}
		if (firmware_parse(text, len, firmware) == 0) {
			firmware->variables_bytes = files[i].variables_bytes;
			list->count++;
		}
	}
}

#endif
