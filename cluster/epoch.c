/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cluster/epoch.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "proto/names.h"
#include "proto/validate.h"

void epoch_first(const char *relationship, const char *site, struct epoch *ret_epoch)
{
	ret_epoch->number = 1;
	snprintf(ret_epoch->lineage, sizeof(ret_epoch->lineage), "%s", relationship);
	snprintf(ret_epoch->site, sizeof(ret_epoch->site), "%s", site);
}

int epoch_raise(const struct epoch *known, const char *site, const char *lineage,
		struct epoch *ret_epoch)
{
	struct epoch next = {.number = known->number + 1};

	if (known->number >= INT64_MAX) {
		return -EOVERFLOW;
	}
	if (lineage != NULL) {
		snprintf(next.lineage, sizeof(next.lineage), "%s", lineage);
	} else if (name_make_uuid(next.lineage) < 0) {
		return -EIO;
	}
	snprintf(next.site, sizeof(next.site), "%s", site);
	*ret_epoch = next;
	return 0;
}

char *epoch_format(const struct epoch *epoch, char buf[EPOCH_TEXT_LEN])
{
	snprintf(buf, EPOCH_TEXT_LEN, "%" PRIu64 " %s %s", epoch->number, epoch->lineage,
		 epoch->site);
	return buf;
}

int epoch_parse(const char *text, struct epoch *ret_epoch)
{
	struct epoch epoch = {0};
	const char *lineage, *site;
	size_t len;
	char *end;

	if (text == NULL || text[0] < '1' || text[0] > '9') {
		return -EINVAL;
	}
	errno = 0;
	epoch.number = strtoull(text, &end, 10);
	if (errno != 0 || epoch.number > INT64_MAX || *end != ' ') {
		return -EINVAL;
	}
	lineage = end + 1;
	len = strcspn(lineage, " ");
	if (len > RELATIONSHIP_LEN || lineage[len] != ' ') {
		return -EINVAL;
	}
	memcpy(epoch.lineage, lineage, len);
	site = lineage + len + 1;
	if (!validate_lineage(epoch.lineage) || !validate_site_name(site)) {
		return -EINVAL;
	}
	memcpy(epoch.site, site, strlen(site));
	*ret_epoch = epoch;
	return 0;
}

void epoch_from_message(const Vmreplica__Epoch *message, struct epoch *ret_epoch)
{
	*ret_epoch = (struct epoch){0};
	if (message == NULL || message->number == 0 || message->number > INT64_MAX ||
	    !validate_lineage(message->lineage) || !validate_site_name(message->site)) {
		return;
	}
	ret_epoch->number = message->number;
	memcpy(ret_epoch->lineage, message->lineage, strlen(message->lineage));
	memcpy(ret_epoch->site, message->site, strlen(message->site));
}

void epoch_to_message(const struct epoch *epoch, Vmreplica__Epoch *ret_message)
{
	vmreplica__epoch__init(ret_message);
	ret_message->number = epoch->number;
	ret_message->lineage = (char *)(uintptr_t)epoch->lineage;
	ret_message->site = (char *)(uintptr_t)epoch->site;
}

enum epoch_verdict epoch_judge(const struct epoch *ours, const struct epoch *theirs,
			       const char *own_site)
{
	if (theirs->number < ours->number) {
		return EPOCH_KEEP;
	}
	if (theirs->number == ours->number) {
		return epoch_equal(ours, theirs) ? EPOCH_KEEP : EPOCH_CONFLICT;
	}
	if (!epoch_is_near(ours, theirs)) {
		return EPOCH_FAR;
	}
	return epoch_is_held_by(theirs, own_site) ? EPOCH_GRANTED : EPOCH_LOST;
}

const char *epoch_verdict_to_string(enum epoch_verdict verdict)
{
	static const char *const words[] = {"keep", "granted", "lost", "conflict", "far"};

	return verdict <= EPOCH_FAR ? words[verdict] : "?";
}

bool epoch_is_near(const struct epoch *ours, const struct epoch *theirs)
{
	return theirs->number <= ours->number || theirs->number - ours->number <= EPOCH_STEP_MAX;
}

bool epoch_equal(const struct epoch *one, const struct epoch *other)
{
	return one->number == other->number && strcasecmp(one->lineage, other->lineage) == 0;
}

bool epoch_is_held_by(const struct epoch *epoch, const char *site)
{
	return epoch->number > 0 && strcasecmp(epoch->site, site) == 0;
}
