/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cluster/nvpair_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef Vmreplica__Ipc__CibNvpair nvpair;

/* protobuf-c frees what we allocate here, so every field is from malloc. */
static nvpair *nvpair_new(const char *name, const char *value)
{
	nvpair *pair = malloc(sizeof(*pair));

	if (pair == NULL) {
		return NULL;
	}
	vmreplica__ipc__cib_nvpair__init(pair);
	pair->name = strdup(name);
	pair->value = strdup(value);
	if (pair->name == NULL || pair->value == NULL) {
		free(pair->name);
		free(pair->value);
		free(pair);
		return NULL;
	}
	return pair;
}

int nvpair_list_add(struct nvpair_list *list, const char *name, const char *value)
{
	nvpair **grown;
	nvpair *pair;
	size_t place = 0;

	while (place < list->count && strcmp(list->pairs[place]->name, name) < 0) {
		place++;
	}
	if (place < list->count && strcmp(list->pairs[place]->name, name) == 0) {
		return 0;
	}
	grown = reallocarray(list->pairs, list->count + 1, sizeof(*grown));
	if (grown == NULL) {
		return -ENOMEM;
	}
	list->pairs = grown;
	pair = nvpair_new(name, value);
	if (pair == NULL) {
		return -ENOMEM;
	}
	memmove(&grown[place + 1], &grown[place], (list->count - place) * sizeof(nvpair *));
	grown[place] = pair;
	list->count++;
	return 0;
}

const char *nvpair_find(nvpair *const *pairs, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(pairs[i]->name, name) == 0) {
			return pairs[i]->value;
		}
	}
	return NULL;
}

void nvpair_list_destroy(struct nvpair_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		vmreplica__ipc__cib_nvpair__free_unpacked(list->pairs[i], NULL);
	}
	free(list->pairs);
	*list = (struct nvpair_list){0};
}
