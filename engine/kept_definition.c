/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/kept_definition.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/definition_file.h"
#include "engine/replica.h"
#include "engine/store_directory.h"

void kept_definition_take(struct kept_definition *kept, const struct replica *replica)
{
	const struct vm_settings *settings = &replica->settings;
	size_t count = settings->exclude_count < DISKS_MAX ? settings->exclude_count : DISKS_MAX;

	*kept = (struct kept_definition){.was_own = settings->vm_resource[0] != '\0'};
	if (store_directory_own(settings->storage, settings->peer, settings->vm,
				settings->relationship, kept->path, sizeof(kept->path)) < 0) {
		kept->path[0] = '\0';
	}
	for (size_t i = 0; i < count; i++) {
		memcpy(kept->excluded[i], settings->exclude_disks[i], sizeof(kept->excluded[i]));
	}
	kept->own.excluded_count = count;
}

const struct replica_domain_own *kept_definition_load(struct kept_definition *kept,
						      struct sentence_list *notes)
{
	char *xml = NULL;

	if (definition_file_load(kept->path, &xml) < 0) {
		kept->is_lost = kept->was_own;
		if (kept->is_lost) {
			sentence_list_add(notes,
					  "what only this side had of the VM (excluded disks, "
					  "devices of the host, ...) does not come home: put the "
					  "definition that it had here at %.150s",
					  kept->path);
		}
		return NULL;
	}
	kept->own.xml = xml;
	kept->own.len = strlen(xml);
	kept->own.excluded = (const char(*)[DISK_NAME_MAX + 1]) kept->excluded;
	return &kept->own;
}

void kept_definition_destroy(struct kept_definition *kept)
{
	free((char *)(uintptr_t)kept->own.xml);
	kept->own.xml = NULL;
}
