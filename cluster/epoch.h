/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Epochs of a relationship: (number, random lineage, holder). The rules, pure:
 *
 *   - An epoch names the one site that may be primary in it, its holder.
 *   - A failover raises it (number + 1, a new lineage) and names the site that fails over. Its
 *     cancel raises it once more and names the site that was primary before: that one takes it
 *     over when it hears of it, and nobody may be primary in it until then.
 *   - A site never lowers what it knows, and knows at most one epoch of each number. Two with the
 *     same number and different lineage are a conflict: nothing is sent or taken until an admin
 *     has failed over again on one side (a higher number ends it).
 *   - What a site knows is durable before it acts on it.
 *
 * So no two sites are ever primary in the same epoch, whatever they miss of each other.
 */
#ifndef VMR_CLUSTER_EPOCH_H
#define VMR_CLUSTER_EPOCH_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/limits.h"
#include "proto/status.pb-c.h"

/* The cluster's setting, named by the relationship: the highest epoch known at this site. */
#define EPOCH_SETTING  "vmreplica-epoch-"
#define EPOCH_TEXT_LEN (20u + 1u + RELATIONSHIP_LEN + 1u + SITE_NAME_MAX + 1u)

struct epoch {
	uint64_t number; /* 0 = none known */
	char lineage[RELATIONSHIP_LEN + 1];
	char site[SITE_NAME_MAX + 1]; /* its holder */
};

/* The first epoch of a relationship: what holds where no setting says otherwise. site: that of the
 * primary VM. Its lineage is the relationship's own random id. */
void epoch_first(const char *relationship, const char *site, struct epoch *ret_epoch);
/* The next one, held by site. lineage: a fresh UUID; NULL: made here. 0, or -EOVERFLOW, or -EIO
 * when the system gives no random numbers. */
int epoch_raise(const struct epoch *known, const char *site, const char *lineage,
		struct epoch *ret_epoch);

/* "<number> <lineage> <site>", the setting's value. Returns buf. */
char *epoch_format(const struct epoch *epoch, char buf[EPOCH_TEXT_LEN]);
/* 0 or -EINVAL. NULL text: -EINVAL. */
int epoch_parse(const char *text, struct epoch *ret_epoch);
/* From and to a message; the message borrows the epoch's strings. An absent message or one out of
 * range gives number 0. */
void epoch_from_message(const Vmreplica__Epoch *message, struct epoch *ret_epoch);
void epoch_to_message(const struct epoch *epoch, Vmreplica__Epoch *ret_message);

enum epoch_verdict {
	EPOCH_KEEP,	/* the other knows ours, or an older one: ours stands */
	EPOCH_GRANTED,	/* a higher one names this site: take it over */
	EPOCH_LOST,	/* a higher one names another: this site may not be primary */
	EPOCH_CONFLICT, /* the same number, another lineage: neither may go on */
	EPOCH_FAR,	/* higher by more than EPOCH_STEP_MAX: not believed, and never recorded;
			 * neither may go on */
};
/* What hearing of theirs means for a site that knows ours. */
enum epoch_verdict epoch_judge(const struct epoch *ours, const struct epoch *theirs,
			       const char *own_site);
const char *epoch_verdict_to_string(enum epoch_verdict verdict);
/* No higher than ours by more than failovers explain. */
bool epoch_is_near(const struct epoch *ours, const struct epoch *theirs);
bool epoch_equal(const struct epoch *one, const struct epoch *other);
/* May site be primary, as far as it knows? */
bool epoch_is_held_by(const struct epoch *epoch, const char *site);

#endif
