/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <config.h>

#include "receiver/hello.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/dns_name.h"
#include "common/log.h"
#include "common/trust.h"
#include "proto/version.h"
#include "receiver/adopt.h"
#include "receiver/authorization.h"
#include "receiver/plan.h"
#include "receiver/pulse.h"
#include "receiver/room.h"
#include "receiver/stores.h"

#define RETRY_MOVED_MS	   1000
#define RETRY_SUSPENDED_MS 10000
#define SOFTWARE	   "vmreplica " PACKAGE_VERSION

/* ---- who ---- */

/* *ret_chosen: the protocol version that both sides use. */
static int version_check(const Vmreplica__Wire__Version *version, const char *site,
			 uint32_t *ret_chosen, struct answer *answer)
{
	struct version_range theirs = {0};
	char why[160];

	if (version != NULL) {
		theirs = (struct version_range){.min = version->min, .max = version->max};
	}
	*ret_chosen = version_choose(version_ours(), theirs);
	return *ret_chosen != 0
		       ? 0
		       : answer_denied(answer, "version", "no common protocol with site %s: %s",
				       site,
				       version_explain(version_ours(), theirs, why, sizeof(why)));
}

static bool certificate_names(const struct session *session, const char *site)
{
	return trust_names_contain(tls_peer_names(session->conn), site);
}

int hello_check_authorized(struct session *session, const struct store *store, const char *site,
			   struct answer *answer)
{
	const char *const *names = tls_peer_names(session->conn);
	struct authorization *authorization = session->receiver->authorization;

	if (!certificate_names(session, site)) {
		return answer_denied(answer, "identity",
				     "the certificate of %s does not carry the name of site %s",
				     tls_peer_address(session->conn), site);
	}
	if (!authorization_admits(authorization, names)) {
		return answer_denied(answer, "not-authorized",
				     "site %s is not authorized to replicate to this cluster: "
				     "vmreplica authorize add '%s' --storage DIRECTORY there",
				     site, site);
	}
	if (store != NULL && !authorization_allows(authorization, names, store->peer_site)) {
		return answer_denied(answer, "other-peer",
				     "the replica of %s belongs to site %s, and %s shares no trust "
				     "group with it",
				     store->vm, store->peer_site, site);
	}
	return 0;
}

static void denial_report(struct session *session, const char *site, const char *vm,
			  const struct answer *answer)
{
	char who[256];

	snprintf(who, sizeof(who), "%s %.100s", site, answer->code);
	if (authorization_denial_is_news(session->receiver->authorization, who)) {
		receiver_event(session->receiver, "warning", vm, "denied a stream from %s: %s",
			       tls_peer_address(session->conn), answer->reason);
	}
}

/* The store, when this peer may write it. A reference for the caller. */
static int store_find(struct session *session, const Vmreplica__Wire__Hello *hello,
		      struct store **ret_store, struct answer *answer)
{
	struct store *store = stores_find(session->receiver, hello->relationship);
	int rc = hello_check_authorized(session, store, hello->site, answer);

	if (rc == 0 && store == NULL) {
		answer_moved(answer, RETRY_MOVED_MS, "the replica of %s is not open on node %s",
			     hello->vm, session->receiver->node);
		return -ESTALE;
	}
	if (rc < 0 && store != NULL && dns_name_equals(store->peer_site, hello->site) &&
	    certificate_names(session, hello->site)) {
		store_note(store, answer); /* its own primary: the replica's health says so */
	}
	if (rc < 0) {
		denial_report(session, hello->site, store == NULL ? "" : store->vm, answer);
		store_unref(store);
		return rc;
	}
	*ret_store = store;
	return 0;
}

/* ---- what ---- */

static int disks_take(const Vmreplica__Wire__Hello *hello, struct plan_disk *disks,
		      struct answer *answer)
{
	if (hello->n_disks == 0 || hello->n_disks > DISKS_MAX) {
		return answer_failure(answer, "limits", "a VM of %zu disks", hello->n_disks);
	}
	for (size_t i = 0; i < hello->n_disks; i++) {
		snprintf(disks[i].name, sizeof(disks[i].name), "%s", hello->disks[i]->name);
		disks[i].size_bytes = hello->disks[i]->size_bytes;
	}
	return 0;
}

/* Make a new epoch durable before anything is taken in it. A higher one than ours means that the
 * primary has failed over since: its data may differ anywhere, so all of it is compared. */
static int epoch_save(struct store *store, const struct manifest_epoch *epoch, bool first,
		      struct answer *answer)
{
	struct manifest next = {0};
	int rc;

	if (manifest_copy(&store->manifest, &next) < 0) {
		return answer_storage(answer, -ENOMEM, "recording the epoch");
	}
	if (!first) {
		next.resync_needed = next.current.disk_count > 0;
		snprintf(next.resync_reason, sizeof(next.resync_reason),
			 "the primary went from epoch %" PRIu64 " to %" PRIu64,
			 store->manifest.epoch.number, epoch->number);
		memset(&next.mark, 0, sizeof(next.mark));
	}
	next.epoch = *epoch;
	rc = store_save(store, &next, answer);
	manifest_destroy(&next);
	return rc;
}

static void epoch_read(const Vmreplica__Epoch *from, struct manifest_epoch *to)
{
	memset(to, 0, sizeof(*to));
	to->number = from->number;
	snprintf(to->lineage, sizeof(to->lineage), "%s", from->lineage);
	snprintf(to->site, sizeof(to->site), "%s", from->site);
}

/* A new epoch is the sender's own, and a step ahead: else nothing of it is recorded. */
static int epoch_check_claim(const struct store *store, const struct manifest_epoch *theirs,
			     const char *site, struct answer *answer)
{
	const struct manifest_epoch *ours = &store->manifest.epoch;

	switch (plan_epoch_claim(ours, theirs, site)) {
	case PLAN_CLAIM_SOUND:
		return 0;
	case PLAN_CLAIM_FOREIGN:
		return answer_denied(
			answer, "epoch",
			"site %.100s sends in epoch %" PRIu64 ", which %.100s holds; "
			"nothing is taken. The site that has the VM sends: fail over to "
			"it (vmreplica failover %s), or reverse %s where it runs",
			site, theirs->number, theirs->site, store->vm, store->vm);
	case PLAN_CLAIM_FAR:
		break;
	}
	return answer_denied(answer, "epoch",
			     "site %.100s sends in epoch %" PRIu64 ", the replica is in %" PRIu64
			     ": no failovers explain that, and nothing is taken. If %.100s is "
			     "right, make the replica anew: vmreplica unprotect %s there, then "
			     "protect it again",
			     site, theirs->number, ours->number, site, store->vm);
}

static int epoch_check(struct store *store, const Vmreplica__Wire__Hello *hello,
		       struct answer *answer)
{
	const Vmreplica__Epoch *theirs = hello->epoch;
	const struct manifest_epoch *ours = &store->manifest.epoch;
	struct manifest_epoch epoch;
	enum plan_epoch how;

	if (theirs == NULL || theirs->number == 0 || theirs->number > INT64_MAX) {
		return answer_failure(answer, "malformed", "HELLO without an epoch");
	}
	epoch_read(theirs, &epoch);
	how = plan_epoch_compare(ours, &epoch);
	if (how == PLAN_EPOCH_LOWER || how == PLAN_EPOCH_CONFLICT) {
		return answer_denied(answer, "epoch",
				     "the primary is in epoch %" PRIu64 " (%.36s of %.100s), the "
				     "replica in %" PRIu64 " (%.36s of %.100s): one of them was "
				     "failed over; nothing is taken",
				     epoch.number, epoch.lineage, epoch.site, ours->number,
				     ours->lineage, ours->site);
	}
	return epoch_check_claim(store, &epoch, hello->site, answer);
}

/* One that was checked. */
static int epoch_take(struct store *store, const Vmreplica__Epoch *theirs, struct answer *answer)
{
	struct manifest_epoch epoch;
	enum plan_epoch how;

	epoch_read(theirs, &epoch);
	how = plan_epoch_compare(&store->manifest.epoch, &epoch);
	return how == PLAN_EPOCH_SAME ? 0
				      : epoch_save(store, &epoch, how == PLAN_EPOCH_FIRST, answer);
}

/* What a WELCOME points at. */
struct welcome {
	Vmreplica__Wire__Welcome message;
	Vmreplica__Wire__Version version;
	Vmreplica__Wire__Mark mark;
	Vmreplica__Cut committed;
	Vmreplica__Epoch epoch;
	struct manifest_cut cut_copy;
	struct manifest_mark mark_copy;
	struct manifest_epoch epoch_copy;
	struct plan plan;
	struct adopt_extents extents; /* owned */
};

static void welcome_fill_position(struct welcome *welcome)
{
	if (welcome->cut_copy.seq != 0) {
		welcome->committed.seq = welcome->cut_copy.seq;
		welcome->committed.cut_id = welcome->cut_copy.cut_id;
		welcome->committed.log_hash.data = welcome->cut_copy.log_hash;
		welcome->committed.log_hash.len = LOG_HASH_LEN;
		welcome->committed.time_ms = welcome->cut_copy.time_ms;
		welcome->message.committed = &welcome->committed;
	}
	if (welcome->plan.has_mark) {
		welcome->mark.mode = welcome->mark_copy.mode;
		welcome->mark.seq = welcome->mark_copy.seq;
		welcome->mark.cut_id = welcome->mark_copy.cut_id;
		welcome->mark.disk = welcome->mark_copy.disk;
		welcome->mark.offset = welcome->mark_copy.offset;
		welcome->message.mark = &welcome->mark;
	}
}

static void welcome_fill(struct welcome *welcome, const struct manifest *manifest,
			 const struct plan_disk *disks, size_t disk_count, bool follows)
{
	static char software[] = SOFTWARE;

	vmreplica__wire__welcome__init(&welcome->message);
	vmreplica__wire__version__init(&welcome->version);
	vmreplica__wire__mark__init(&welcome->mark);
	vmreplica__cut__init(&welcome->committed);
	vmreplica__epoch__init(&welcome->epoch);
	welcome->cut_copy = manifest->committed;
	welcome->mark_copy = manifest->mark;
	welcome->epoch_copy = manifest->epoch;
	plan_next_for(manifest, disks, disk_count, follows, &welcome->plan);
	welcome_fill_position(welcome);
	welcome->version.min = version_ours().min;
	welcome->version.max = version_ours().max;
	welcome->version.features = PROTOCOL_FEATURES;
	welcome->version.software = software;
	welcome->epoch.number = welcome->epoch_copy.number;
	welcome->epoch.lineage = welcome->epoch_copy.lineage;
	welcome->epoch.site = welcome->epoch_copy.site;
	welcome->message.version = &welcome->version;
	welcome->message.epoch = &welcome->epoch;
	welcome->message.mode = welcome->plan.mode;
	welcome->message.reason = welcome->plan.reason;
	welcome->message.next_seq = manifest->next_seq;
	welcome->message.extents = welcome->extents.frames;
}

/* Where the other side's broker is: needed when the primary does not come any more. */
static int address_keep(struct store *store, const char *address, struct answer *answer)
{
	struct manifest next = {0};
	int rc;

	if (address[0] == '\0' || strlen(address) > MANIFEST_ADDRESS_MAX ||
	    strcmp(address, store->manifest.peer_address) == 0) {
		return 0;
	}
	if (manifest_copy(&store->manifest, &next) < 0) {
		return answer_storage(answer, -ENOMEM, "recording the peer's address");
	}
	snprintf(next.peer_address, sizeof(next.peer_address), "%s", address);
	rc = store_save(store, &next, answer);
	manifest_destroy(&next);
	return rc;
}

/* A sender whose deltas follow changes of its disks. */
static bool hello_follows(const Vmreplica__Wire__Hello *hello)
{
	return hello->version != NULL && (hello->version->features & PROTOCOL_FEATURE_DISKS) != 0;
}

/* With the store ours: its epoch, then what it expects. */
static int store_welcome(struct store *store, const Vmreplica__Wire__Hello *hello,
			 struct welcome *welcome, struct answer *answer)
{
	struct plan_disk disks[DISKS_MAX];
	int rc = disks_take(hello, disks, answer);

	if (rc < 0) {
		return rc;
	}
	pthread_mutex_lock(&store->lock);
	rc = store_check_generation(store, answer);
	rc = rc < 0 ? rc : epoch_check(store, hello, answer);
	rc = rc < 0 ? rc : store_check(store, answer);
	rc = rc < 0 ? rc : room_check(store, room_of_disks(disks, hello->n_disks), answer);
	rc = rc < 0 ? rc : epoch_take(store, hello->epoch, answer);
	rc = rc < 0 ? rc : address_keep(store, hello->peer_address, answer);
	rc = rc < 0 ? rc
		    : adopt_extents_load(store, disks, hello->n_disks, &welcome->extents, answer);
	if (rc == 0) {
		welcome_fill(welcome, &store->manifest, disks, hello->n_disks,
			     hello_follows(hello));
	}
	pthread_mutex_unlock(&store->lock);
	return rc;
}

/* Its own admin may not look; ours will notice when it no longer gets in. */
static void certificate_note(struct session *session, const char *vm)
{
	const char *const *names = tls_peer_names(session->conn);
	char text[TLS_ERROR_LEN];

	if (names != NULL && names[0] != NULL &&
	    tls_expiry_notes_due(&session->receiver->expiries, names[0],
				 tls_peer_not_after_ms(session->conn), clock_wall_ms(), text)) {
		receiver_event(session->receiver, "warning", vm, "%s", text);
	}
}

int hello_take(struct session *session, const Vmreplica__Wire__Hello *hello, struct answer *answer)
{
	struct welcome welcome = {.extents = {.disk_count = 0}};
	struct store *store = NULL;
	uint32_t version = 0;
	int rc = store_find(session, hello, &store, answer);

	if (rc < 0) {
		return rc;
	}
	session->store = store; /* session_release gives both back */
	pulse_greet(session);
	rc = version_check(hello->version, hello->site, &version, answer);
	if (rc < 0) {
		return rc;
	}
	snprintf(session->site, sizeof(session->site), "%s", hello->site);
	snprintf(session->node, sizeof(session->node), "%s", hello->node);
	session->follows = hello_follows(hello);
	if (atomic_load(&store->suspended)) {
		return answer_busy(answer, "suspended", RETRY_SUSPENDED_MS,
				   "the replica of %s is paused by its administrator", store->vm);
	}
	rc = store_stream_claim(store, session, answer);
	rc = rc < 0 ? rc : store_welcome(store, hello, &welcome, answer);
	if (rc < 0) {
		return rc;
	}
	if (hello->frequency_s != 0) {
		view_set_frequency(&store->view, hello->frequency_s);
	}
	view_set_peer_node(&store->view, session->node);
	certificate_note(session, store->vm);
	log_info("%s: stream from %s (%s), protocol %" PRIu32 ", %s expected%s", store->vm,
		 session->node, tls_peer_address(session->conn), version,
		 manifest_mode_to_word(welcome.plan.mode),
		 welcome.plan.has_mark ? ", going on from a mark" : "");
	rc = session_send(session, FRAME_WELCOME, &welcome.message.base, NULL, 0, answer);
	rc = rc < 0 ? rc : adopt_extents_send(session, &welcome.extents, answer);
	adopt_extents_destroy(&welcome.extents);
	return rc;
}
