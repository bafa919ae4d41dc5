/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/firmware.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "engine/source_json.h"
#include "proto/validate.h"

#define DESCRIPTOR_MAX (64u * 1024u)

/* ---- one descriptor ---- */

static int word_copy(const char *text, char ret[FIRMWARE_WORD_MAX + 1])
{
	if (text == NULL || strlen(text) > FIRMWARE_WORD_MAX) {
		return -EBADMSG;
	}
	strcpy(ret, text);
	return 0;
}

static bool list_has(json_t *list, const char *word)
{
	json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		if (json_is_string(item) && strcmp(json_string_value(item), word) == 0) {
			return true;
		}
	}
	return false;
}

/* An image of the mapping, which has to be raw: what we place is. */
static int image_take(json_t *image, char path[PATH_LEN_MAX + 1])
{
	const char *file, *format = "raw";

	if (json_unpack(image, "{s:s, s?s}", "filename", &file, "format", &format) < 0 ||
	    !validate_absolute_path(file)) {
		return -EBADMSG;
	}
	if (strcmp(format, "raw") != 0) {
		return -ENOTSUP;
	}
	snprintf(path, PATH_LEN_MAX + 1, "%s", file);
	return 0;
}

static int mapping_take(json_t *mapping, struct firmware *firmware)
{
	const char *device, *mode = "split";
	json_t *code, *variables;
	int result;

	if (json_unpack(mapping, "{s:s, s?s}", "device", &device, "mode", &mode) < 0) {
		return -EBADMSG;
	}
	if (strcmp(device, "flash") != 0 || strcmp(mode, "split") != 0) {
		return -ENOTSUP;
	}
	if (json_unpack(mapping, "{s:o, s:o}", "executable", &code, "nvram-template", &variables) <
	    0) {
		return -EBADMSG;
	}
	result = image_take(code, firmware->code);
	return result < 0 ? result : image_take(variables, firmware->variables);
}

static int targets_take(json_t *targets, struct firmware *firmware)
{
	json_t *target, *machines, *machine;
	const char *architecture;
	size_t i, k;

	json_array_foreach(targets, i, target)
	{
		if (json_unpack(target, "{s:s, s:o}", "architecture", &architecture, "machines",
				&machines) < 0) {
			return -EBADMSG;
		}
		json_array_foreach(machines, k, machine)
		{
			size_t at = firmware->target_count;

			if (at == FIRMWARE_TARGETS_MAX) {
				return 0;
			}
			if (word_copy(architecture, firmware->targets[at].architecture) < 0 ||
			    word_copy(json_string_value(machine), firmware->targets[at].machine) <
				    0) {
				return -EBADMSG;
			}
			firmware->target_count++;
		}
	}
	return 0;
}

int firmware_parse(const char *json, size_t len, struct firmware *ret_firmware)
{
	cleanup_json json_t *root = json_loadb(json, len, 0, NULL);
	json_t *interfaces, *mapping, *targets, *features;
	struct firmware firmware = {.target_count = 0};
	int result;

	if (root == NULL ||
	    json_unpack(root, "{s:o, s:o, s:o, s:o}", "interface-types", &interfaces, "mapping",
			&mapping, "targets", &targets, "features", &features) < 0) {
		return -EBADMSG;
	}
	if (!list_has(interfaces, "uefi")) {
		return -ENOTSUP;
	}
	result = mapping_take(mapping, &firmware);
	result = result < 0 ? result : targets_take(targets, &firmware);
	if (result < 0) {
		return result;
	}
	firmware.secure_boot = list_has(features, "secure-boot");
	firmware.enrolled_keys = list_has(features, "enrolled-keys");
	firmware.needs_smm = list_has(features, "requires-smm");
	*ret_firmware = firmware;
	return 0;
}

/* ---- all of a host ---- */

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_descriptor(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return len > 5 && strcmp(entry->d_name + len - 5, ".json") == 0;
}

/* The name of a descriptor, and which directory has the one that counts. */
struct found {
	char name[NAME_MAX + 1];
	const char *directory;
};

static size_t names_add(const char *directory, struct found *found, size_t count)
{
	struct dirent **entries;
	int number = scandir(directory, &entries, is_descriptor, by_name);

	for (int i = 0; i < number; i++) {
		size_t k = 0;

		while (k < count && strcmp(found[k].name, entries[i]->d_name) != 0) {
			k++;
		}
		if (k == count && count < FIRMWARE_MAX) {
			snprintf(found[count].name, sizeof(found[count].name), "%s",
				 entries[i]->d_name);
			found[count++].directory = directory;
		}
		free(entries[i]);
	}
	if (number >= 0) {
		free(entries);
	}
	return count;
}

static int found_compare(const void *a, const void *b)
{
	return strcmp(((const struct found *)a)->name, ((const struct found *)b)->name);
}

static int descriptor_load(const struct found *found, struct firmware *ret_firmware)
{
	char path[PATH_LEN_MAX + 1];
	cleanup_free char *text = malloc(DESCRIPTOR_MAX);
	cleanup_close int fd = -1;
	struct stat st;
	ssize_t len;
	int result;

	snprintf(path, sizeof(path), "%s/%s", found->directory, found->name);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	len = fd >= 0 && text != NULL ? read(fd, text, DESCRIPTOR_MAX) : -1;
	if (len <= 0) {
		return -ENOENT;
	}
	result = firmware_parse(text, (size_t)len, ret_firmware);
	if (result == 0 && stat(ret_firmware->variables, &st) == 0 && st.st_size > 0) {
		ret_firmware->variables_bytes = (uint64_t)st.st_size;
	}
	return result == 0 && access(ret_firmware->code, R_OK) != 0 ? -ENOENT : result;
}

int firmware_list_load(const char *const *directories, struct firmware_list *ret_list)
{
	cleanup_free struct found *found = calloc(FIRMWARE_MAX, sizeof(*found));
	struct firmware_list list = {.items = calloc(FIRMWARE_MAX, sizeof(*list.items))};
	size_t count = 0;

	if (found == NULL || list.items == NULL) {
		free(list.items);
		return -ENOMEM;
	}
	for (size_t i = 0; directories[i] != NULL; i++) {
		count = names_add(directories[i], found, count);
	}
	qsort(found, count, sizeof(*found), found_compare);
	for (size_t i = 0; i < count; i++) {
		if (descriptor_load(&found[i], &list.items[list.count]) == 0) {
			list.count++;
		}
	}
	*ret_list = list;
	return 0;
}

int firmware_list_load_host(struct firmware_list *ret_list)
{
	static const char *const directories[] = {FIRMWARE_DIRECTORY_OF_ADMIN, FIRMWARE_DIRECTORY,
						  NULL};

	return firmware_list_load(directories, ret_list);
}

void firmware_list_destroy(struct firmware_list *list)
{
	free(list->items);
	*list = (struct firmware_list){.count = 0};
}

/* ---- which one ---- */

/* A machine's alias stands for its newest version. */
static const char *machine_versioned(const char *machine)
{
	if (strcmp(machine, "q35") == 0) {
		return "pc-q35-0.0";
	}
	return strcmp(machine, "pc") == 0 ? "pc-i440fx-0.0" : machine;
}

static bool suits(const struct firmware *firmware, const struct firmware_wish *wish)
{
	const char *machine = machine_versioned(wish->machine);
	bool found = false;

	for (size_t i = 0; i < firmware->target_count && !found; i++) {
		found = strcmp(firmware->targets[i].architecture, wish->architecture) == 0 &&
			fnmatch(firmware->targets[i].machine, machine, 0) == 0;
	}
	return found && (firmware->secure_boot || !wish->secure_boot) &&
	       (wish->smm || !firmware->needs_smm) &&
	       (wish->variables_bytes == 0 || firmware->variables_bytes == wish->variables_bytes);
}

/* Of those that suit: no more than is wanted, and the keys as they are wanted. */
static int rank(const struct firmware *firmware, const struct firmware_wish *wish)
{
	return (firmware->secure_boot == wish->secure_boot ? 2 : 0) +
	       (firmware->enrolled_keys == wish->enrolled_keys ? 1 : 0);
}

const struct firmware *firmware_choose(const struct firmware_list *list,
				       const struct firmware_wish *wish)
{
	const struct firmware *best = NULL;

	for (size_t i = 0; i < list->count; i++) {
		const struct firmware *firmware = &list->items[i];

		if (suits(firmware, wish) &&
		    (best == NULL || rank(firmware, wish) > rank(best, wish))) {
			best = firmware;
		}
	}
	return best;
}
