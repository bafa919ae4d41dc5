/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/failover_peer.h"

#include <stdio.h>
#include <string.h>

#define UNPLANNED VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_UNPLANNED
#define CANCEL	  VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_CANCEL
#define PRIMARY	  VMREPLICA__ROLE__ROLE_PRIMARY
#define REPLICA	  VMREPLICA__ROLE__ROLE_REPLICA

#define ALL_THE_SAME "to fail over all the same, and give up what was written there: --force"

/* Of a side that is a replica as well: it has taken the VM over, or is at it. */
static const char *replica_objection(const struct order_answer *answer, const char *own_site)
{
	if (answer->failing_over) {
		return "is taking the VM over at this moment";
	}
	if (answer->vm_running) {
		return "runs the VM";
	}
	return answer->epoch.number > 1 && !epoch_is_held_by(&answer->epoch, own_site)
		       ? "has taken the VM over"
		       : NULL;
}

static const char *object_to_unplanned(const struct order_answer *answer, const char *own_site,
				       char *text, size_t size, const char **ret_advice)
{
	const char *why;

	if (answer->role == PRIMARY) {
		snprintf(text, size, "the primary's side answers%s: %s",
			 answer->vm_running ? ", and the VM runs there" : "", answer->site);
		*ret_advice =
			"vmreplica failover --planned loses nothing; to fail over all the same, "
			"and give up what has not been replicated: --force";
		return text;
	}
	why = replica_objection(answer, own_site);
	if (why == NULL) {
		return NULL;
	}
	snprintf(text, size, "the other side answers, and %s: %s", why, answer->site);
	*ret_advice = "vmreplica jobs there shows how far it is, vmreplica failover --cancel there "
		      "gives it back; " ALL_THE_SAME;
	return text;
}

const char *failover_peer_objection(Vmreplica__Admin__FailoverKind kind,
				    const struct order_answer *answer, const char *own_site,
				    char *text, size_t size, const char **ret_advice)
{
	*ret_advice = "";
	if (!answer->known) {
		return NULL;
	}
	if (kind == UNPLANNED) {
		return object_to_unplanned(answer, own_site, text, size, ret_advice);
	}
	if (kind != CANCEL || answer->role != REPLICA) {
		return NULL;
	}
	/* what a cancel would go back to is not there any more: it receives from here */
	snprintf(text, size, "%s has become its replica: nothing would be left to start",
		 answer->site);
	*ret_advice =
		"vmreplica reverse ends the change of sides, vmreplica failover --planned then "
		"brings the VM back; to give up what was written here all the same: --force";
	return text;
}

void failover_peer_no_word(const char *said, char *text, size_t size, const char **ret_advice)
{
	snprintf(text, size,
		 "vmreplica reverse has ordered the other side to become the replica, and it has "
		 "not given its word that it stays what it is: %s",
		 said);
	*ret_advice =
		"try again once it answers; to cancel all the same: --force. Should it become "
		"the replica after all, no command reaches what the VM wrote there since the "
		"failover";
}

#define FIRST_MEND                                                                                 \
	"mend that, and vmreplica failover --planned loses nothing; to fail over all the same, "   \
	"and "                                                                                     \
	"give up what has not been replicated: --force"

const char *failover_peer_refusal(const char *site, const struct trouble *trouble, char *text,
				  size_t size, const char **ret_advice)
{
	/* of broker_talk.c: nobody spoke there, or we did not */
	static const char *const silent[] = {"broker-unreachable", "cancelled", "memory",
					     "own-certificate", ""};

	for (size_t i = 0; i < sizeof(silent) / sizeof(silent[0]); i++) {
		if (strcmp(trouble->code, silent[i]) == 0) {
			return NULL;
		}
	}
	snprintf(text, size,
		 "the primary's side is alive: %s answers, though not how it stands: %s", site,
		 trouble->text);
	*ret_advice = FIRST_MEND;
	return text;
}

const char *failover_peer_lives(const char *site, const char *seen, const char *broker, char *text,
				size_t size, const char **ret_advice)
{
	snprintf(text, size, "the primary's side, %s, is alive: %s%s%s", site, seen,
		 broker[0] != '\0' ? "; its broker does not answer: " : "", broker);
	*ret_advice = FIRST_MEND;
	return text;
}

int failover_peer_epoch(const struct epoch *known, const struct order_answer *answer,
			bool handed_over, const char *own_site, struct epoch *ret_epoch)
{
	struct epoch next;
	int result;

	if (answer != NULL && answer->known &&
	    epoch_judge(known, &answer->epoch, own_site) == EPOCH_GRANTED) {
		*ret_epoch = answer->epoch;
		return 0;
	}
	result = epoch_raise(known, own_site, NULL, &next);
	if (result == 0 && handed_over) {
		result = epoch_raise(&next, own_site, NULL, &next);
	}
	if (result == 0) {
		*ret_epoch = next;
	}
	return result;
}
