/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/primary_ask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/failover_peer.h"
#include "engine/peer_contact.h"
#include "engine/replica_takeover.h"

#define UNPLANNED VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_UNPLANNED

struct primary_question {
	struct engine *engine; /* borrowed */
	Vmreplica__Admin__FailoverKind kind;
	struct peer_contact contact;
	bool asking, listening; /* the broker's answer, and the receiver's, are still to come */
	struct trouble trouble; /* the broker's */
	int heard;		/* the receiver's: 1: it lives; 0: not; or a negative errno */
	char seen[REASON_MAX];	/* ... as it was seen, or why that cannot be told */
	struct primary_word word;
	primary_ask_cb done;
	void *arg;
};

/* why: in the word's text, or NULL. */
static void question_end(struct primary_question *question, const char *why)
{
	if (question->listening) {
		replica_takeover_forget(question->engine, question);
	}
	if (question->word.error == 0 && why != NULL) {
		question->word.error = -EBUSY;
	}
	question->done(question->arg, &question->word);
	free(question);
}

/* The broker is silent, or there is none. */
static void question_judge(struct primary_question *question)
{
	struct primary_word *word = &question->word;
	const char *why = NULL;

	if (question->heard < 0) {
		word->error = -EAGAIN;
		snprintf(word->text, sizeof(word->text),
			 "whether the primary still replicates to here cannot be told: %.400s",
			 question->seen);
		word->advice = FAILOVER_PEER_AGAIN;
	} else if (question->heard > 0) {
		why = failover_peer_lives(question->contact.site, question->seen,
					  question->trouble.text, word->text, sizeof(word->text),
					  &word->advice);
	}
	question_end(question, why);
}

/* ---- the stream ---- */

static void heard_cb(void *arg, const Vmreplica__Ipc__StoreTaken *answer)
{
	struct primary_question *question = arg;

	question->listening = false;
	question->heard = answer->error != 0 ? answer->error : answer->primary_lives;
	snprintf(question->seen, sizeof(question->seen), "%s", answer->text);
	if (!question->asking) {
		question_judge(question);
	}
}

/* One whose store is not open hears nobody: the failover waits for it by itself. */
static bool question_listen(struct primary_question *question)
{
	struct replica *replica =
		engine_find_replica(question->engine, question->contact.relationship);

	question->listening = true;
	if (question->kind == UNPLANNED && replica != NULL &&
	    replica_takeover_pulse(replica, heard_cb, question) == 0) {
		return true;
	}
	question->listening = false;
	return false;
}

/* ---- the broker ---- */

static int broker_run(void *arg)
{
	struct primary_question *question = arg;
	struct locate_client client =
		peer_contact_client(&question->contact, question->engine->tls);

	return order_client_query(&client, question->contact.relationship,
				  question->engine->config->site, NULL, &question->word.answer,
				  &question->trouble);
}

static void broker_done(void *arg, int result)
{
	struct primary_question *question = arg;
	struct primary_word *word = &question->word;
	const char *why = NULL;

	question->asking = false;
	word->answered = result == 0;
	if (word->answered && word->answer.site[0] == '\0') {
		snprintf(word->answer.site, sizeof(word->answer.site), "%s",
			 question->contact.site);
	}
	if (word->answered) {
		why = failover_peer_objection(question->kind, &word->answer,
					      question->engine->config->site, word->text,
					      sizeof(word->text), &word->advice);
	} else if (question->kind == UNPLANNED) {
		why = failover_peer_refusal(question->contact.site, &question->trouble, word->text,
					    sizeof(word->text), &word->advice);
	}
	if (word->answered || why != NULL) {
		question_end(question, why);
	} else if (!question->listening) {
		question_judge(question);
	}
}

int primary_ask(struct engine *engine, const char *relationship,
		Vmreplica__Admin__FailoverKind kind, primary_ask_cb done, void *arg)
{
	struct primary_question *question = calloc(1, sizeof(*question));
	bool has_broker, listens;

	if (question == NULL) {
		return -ENOMEM;
	}
	question->engine = engine;
	question->kind = kind;
	question->word.advice = "";
	question->done = done;
	question->arg = arg;
	/* without: a site that has none, or it was not told yet */
	has_broker = peer_contact_find(engine, relationship, &question->contact) == 0 &&
		     question->contact.host[0] != '\0';
	snprintf(question->contact.relationship, sizeof(question->contact.relationship), "%s",
		 relationship);
	question->asking = has_broker;
	listens = question_listen(question);
	if (!has_broker) {
		if (!listens) {
			question_judge(question);
		}
		return 0;
	}
	if (workers_submit(engine->task_workers, broker_run, broker_done, question) < 0) {
		replica_takeover_forget(engine, question);
		free(question);
		return -ENOMEM;
	}
	return 0;
}
