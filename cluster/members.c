/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cluster/members.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct member *members_find(const struct members *members, uint32_t node_id, uint32_t pid)
{
	for (size_t i = 0; i < members->count; i++) {
		if (members->entries[i].node_id == node_id && members->entries[i].pid == pid) {
			return &members->entries[i];
		}
	}
	return NULL;
}

int members_learn(struct members *members, uint32_t node_id, uint32_t pid, const char *node,
		  const char *name)
{
	struct member *entry;

	if (node[0] == '\0' || name[0] == '\0' || strlen(node) > NODE_NAME_MAX ||
	    strlen(name) > MEMBER_NAME_MAX) {
		return -EINVAL;
	}
	if (members_find(members, node_id, pid) != NULL) {
		return 0;
	}
	if (members->count == members->room) {
		size_t room = members->room == 0 ? 16 : members->room * 2;
		struct member *grown = reallocarray(members->entries, room, sizeof(*grown));

		if (grown == NULL) {
			return -ENOMEM;
		}
		members->entries = grown;
		members->room = room;
	}
	entry = &members->entries[members->count++];
	*entry = (struct member){.node_id = node_id, .pid = pid};
	memcpy(entry->node, node, strlen(node) + 1);
	memcpy(entry->name, name, strlen(name) + 1);
	return 1;
}

bool members_forget(struct members *members, uint32_t node_id, uint32_t pid,
		    struct member *ret_member)
{
	struct member *entry = members_find(members, node_id, pid);

	if (entry == NULL) {
		return false;
	}
	*ret_member = *entry;
	*entry = members->entries[--members->count];
	return true;
}

bool members_pop(struct members *members, struct member *ret_member)
{
	if (members->count == 0) {
		return false;
	}
	*ret_member = members->entries[--members->count];
	return true;
}

void members_destroy(struct members *members)
{
	free(members->entries);
	*members = (struct members){0};
}
