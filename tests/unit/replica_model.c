/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "replica_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/codec.h"
#include "receiver_rig.h"

void model_init(struct model *model)
{
	static const char *const names[MODEL_DISKS] = {"vda", "vdb"};
	static const uint64_t sizes[MODEL_DISKS] = {24u << 20, (9u << 20) + 512};

	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		struct model_disk *disk = &model->disks[i];

		disk->name = names[i];
		disk->size = sizes[i];
		disk->clusters = (disk->size + MODEL_CLUSTER - 1) / MODEL_CLUSTER;
		disk->data = calloc(1, disk->size);
		disk->dirty = calloc(1, disk->clusters);
		if (disk->data == NULL || disk->dirty == NULL) {
			abort();
		}
	}
}

void model_resize(struct model *model, unsigned int index, uint64_t size)
{
	struct model_disk *disk = &model->disks[index];
	uint64_t clusters = (size + MODEL_CLUSTER - 1) / MODEL_CLUSTER;

	disk->data = realloc(disk->data, size);
	disk->dirty = realloc(disk->dirty, clusters);
	if (disk->data == NULL || disk->dirty == NULL) {
		abort();
	}
	if (size > disk->size) {
		memset(disk->data + disk->size, 0, size - disk->size);
		memset(disk->dirty + disk->clusters, 0, clusters - disk->clusters);
	}
	disk->size = size;
	disk->clusters = clusters;
}

void model_destroy(struct model *model)
{
	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		free(model->disks[i].data);
		free(model->disks[i].dirty);
	}
}

static void piece_fill(uint8_t *to, uint64_t length)
{
	uint32_t kind = rig_random(4);

	if (kind == 0) {
		memset(to, 0, length);
	} else if (kind == 1) {
		for (uint64_t i = 0; i < length; i++) {
			to[i] = (uint8_t)rig_random(256);
		}
	} else {
		uint8_t step = (uint8_t)(1 + rig_random(250));

		for (uint64_t i = 0; i < length; i++) {
			to[i] = (uint8_t)(i / 100 * step + 1);
		}
	}
}

void model_change(struct model *model, int count)
{
	for (int i = 0; i < count; i++) {
		struct model_disk *disk = &model->disks[rig_random(MODEL_DISKS)];
		uint64_t offset = 512ull * rig_random((uint32_t)(disk->size / 512));
		uint64_t length = 512ull * (1 + rig_random(600));

		if (length > disk->size - offset) {
			length = disk->size - offset;
		}
		piece_fill(disk->data + offset, length);
		for (uint64_t c = offset / MODEL_CLUSTER;
		     c <= (offset + length - 1) / MODEL_CLUSTER; c++) {
			disk->dirty[c] = 1;
		}
	}
}

void model_clear_dirty(struct model *model)
{
	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		memset(model->disks[i].dirty, 0, model->disks[i].clusters);
	}
}

static uint64_t digest(const void *data, uint64_t size)
{
	return codec_checksum(data, size, size) | 1;
}

uint64_t model_digest(const struct model *model, unsigned int index)
{
	return digest(model->disks[index].data, model->disks[index].size);
}

uint64_t image_digest(const char *path)
{
	char raw[64] = "/tmp/vmreplica-raw-XXXXXX", command[1200];
	int fd = mkstemp(raw);
	uint64_t sum = 0;
	struct stat st;

	snprintf(command, sizeof(command), "qemu-img convert -U -f qcow2 -O raw '%s' %s", path,
		 raw);
	if (fd >= 0 && system(command) == 0 && fstat(fd, &st) == 0) {
		uint8_t *data = malloc((size_t)st.st_size);

		if (data != NULL && pread(fd, data, (size_t)st.st_size, 0) == st.st_size) {
			sum = digest(data, (uint64_t)st.st_size);
		}
		free(data);
	}
	if (fd >= 0) {
		close(fd);
		unlink(raw);
	}
	return sum;
}

/* Another program's reading of the image: qemu-img into a raw file. */
bool model_matches(const struct model *model, unsigned int index, const char *path)
{
	const struct model_disk *disk = &model->disks[index];
	char raw[64] = "/tmp/vmreplica-raw-XXXXXX", command[1200];
	uint8_t *found = malloc(disk->size);
	int fd = mkstemp(raw);
	bool same = false;
	ssize_t n = -1;

	snprintf(command, sizeof(command), "qemu-img convert -U -f qcow2 -O raw '%s' %s", path,
		 raw);
	if (fd >= 0 && found != NULL && system(command) == 0) {
		n = pread(fd, found, disk->size, 0);
		same = n == (ssize_t)disk->size && memcmp(found, disk->data, disk->size) == 0;
	}
	for (uint64_t i = 0; !same && n > 0 && i < (uint64_t)n; i++) {
		if (found[i] != disk->data[i]) {
			fprintf(stderr, "%s differs from its model at %#lx of %#lx\n", path, i,
				disk->size);
			break;
		}
	}
	if (fd >= 0) {
		close(fd);
		unlink(raw);
	}
	free(found);
	return same;
}
