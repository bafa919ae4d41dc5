/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/source_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "engine/source_error.h"
#include "engine/source_libxml.h"
#include "engine/source_private.h"
#include "engine/source_replica.h"
#include "proto/validate.h"

/* ---- where ---- */

static int add(struct source_state_paths *paths, const char *name, char *path)
{
	if (path == NULL) {
		return -ENOMEM;
	}
	paths->paths[paths->count] = path;
	paths->names[paths->count++] = name;
	return 0;
}

static char *content_of(const xmlNode *node)
{
	xmlChar *text = node != NULL ? xmlNodeGetContent(node) : NULL;
	char *copy = text != NULL ? strdup((const char *)text) : NULL;

	xmlFree(text);
	return copy;
}

static int find_nvram(struct source_state_paths *paths, const xmlNode *root)
{
	const xmlNode *nvram = source_libxml_child(source_libxml_child(root, "os"), "nvram");
	cleanup_free char *path = content_of(nvram);

	/* A network disk as the store of variables has a source element instead. */
	if (path == NULL || path[0] != '/' || source_libxml_child(nvram, "source") != NULL) {
		return 0;
	}
	return add(paths, VM_STATE_NVRAM, steal_ptr(path));
}

/* libvirt 9.0 has no way to say where the state of a TPM is: it is always below one directory. */
static int find_tpm(struct source_state_paths *paths, const xmlNode *root, const char *directory)
{
	const xmlNode *tpm = source_libxml_child(source_libxml_child(root, "devices"), "tpm");
	const xmlNode *backend = source_libxml_child(tpm, "backend");
	cleanup_free char *uuid = content_of(source_libxml_child(root, "uuid"));
	bool old = source_libxml_attribute_is(backend, "version", "1.2");
	char *path;

	if (!source_libxml_attribute_is(backend, "type", "emulator") || uuid == NULL ||
	    !validate_uuid(uuid)) {
		return 0;
	}
	if (asprintf(&path, "%s/%s/%s", directory, uuid,
		     old ? "tpm1.2/tpm-00.permall" : "tpm2/tpm2-00.permall") < 0) {
		return -ENOMEM;
	}
	return add(paths, old ? VM_STATE_TPM_1_2 : VM_STATE_TPM_2_0, path);
}

int source_state_find(const char *xml, const char *tpm_directory,
		      struct source_state_paths *ret_paths)
{
	cleanup_xml_doc xmlDocPtr document = source_libxml_parse(xml);
	const xmlNode *root = document != NULL ? xmlDocGetRootElement(document) : NULL;
	struct source_state_paths paths = {.count = 0};
	int result = root != NULL ? find_nvram(&paths, root) : -EBADMSG;

	result = result < 0 ? result : find_tpm(&paths, root, tpm_directory);
	if (result < 0) {
		source_state_paths_destroy(&paths);
		return result;
	}
	*ret_paths = paths;
	return 0;
}

void source_state_paths_destroy(struct source_state_paths *paths)
{
	for (size_t i = 0; i < paths->count; i++) {
		free(paths->paths[i]);
	}
	paths->count = 0;
}

/* ---- what ---- */

/* The file whole. -ENOENT when it is not there (yet). QEMU writes variables in place, one flash
 * block of them after the other, and UEFI survives a power cut in the middle of that; swtpm
 * replaces its file. */
static int file_read(const char *path, uint8_t **ret_data, size_t *ret_len)
{
	cleanup_close int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	cleanup_free uint8_t *data = NULL;
	size_t len = 0;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0) {
		return -errno;
	}
	if (!S_ISREG(st.st_mode)) {
		return -EINVAL;
	}
	if (st.st_size > (off_t)VM_STATE_MAX) {
		return -EFBIG;
	}
	data = malloc((size_t)st.st_size + 1);
	if (data == NULL) {
		return -ENOMEM;
	}
	while (len < (size_t)st.st_size) {
		ssize_t got = read(fd, data + len, (size_t)st.st_size - len);

		if (got == 0 || (got < 0 && errno != EINTR)) {
			return got < 0 ? -errno : -EAGAIN; /* replaced meanwhile: the next cycle */
		}
		len += got > 0 ? (size_t)got : 0;
	}
	*ret_data = steal_ptr(data);
	*ret_len = len;
	return 0;
}

static int files_read(const struct source_state_paths *paths, struct vm_state *state,
		      uint8_t *data[VM_STATE_FILES_MAX], char error[SOURCE_ERROR_LEN])
{
	for (size_t i = 0; i < paths->count; i++) {
		struct vm_state_file *file = &state->files[state->count];
		int result = file_read(paths->paths[i], &data[i], &file->len);

		if (result == -ENOENT) {
			continue;
		}
		if (result < 0) {
			return source_fail(result, error, "%s does not travel: %s", paths->paths[i],
					   strerror(-result));
		}
		file->name = paths->names[i];
		file->data = data[i];
		state->count++;
	}
	return 0;
}

int source_state_read(const struct source_state_paths *paths, bool whole_only,
		      uint8_t **ret_archive, size_t *ret_len, char error[SOURCE_ERROR_LEN])
{
	uint8_t *data[VM_STATE_FILES_MAX] = {NULL};
	struct vm_state state = {.count = 0};
	int result = files_read(paths, &state, data, error);

	if (result == 0 && (state.count == 0 || (whole_only && state.count < paths->count))) {
		*ret_archive = NULL;
	} else if (result == 0) {
		result = vm_state_encode(&state, ret_archive, ret_len);
		if (result < 0) {
			source_fail(result, error,
				    "UEFI variables and TPM state are more than %u KiB: they do "
				    "not travel",
				    VM_STATE_MAX / 1024);
		}
	}
	for (size_t i = 0; i < VM_STATE_FILES_MAX; i++) {
		free(data[i]);
	}
	return result;
}

int source_vm_state(const struct source *source, uint8_t **ret_archive, size_t *ret_len,
		    char error[SOURCE_ERROR_LEN])
{
	struct source_state_paths paths;
	int result;

	if (source->lender != NULL) {
		return source_replica_state(source, ret_archive, ret_len, error);
	}
	result = source_state_find(source->live_xml, SOURCE_TPM_DIRECTORY, &paths);
	if (result < 0) {
		return source_fail(result, error, "libvirt's definition is not understood");
	}
	result = source_state_read(&paths, !source->active, ret_archive, ret_len, error);
	source_state_paths_destroy(&paths);
	return result;
}
