/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vmreplica authorize, asked of the broker. */
#include <errno.h>
#include <stdlib.h>

#include "broker/admin_service.h"

struct question {
	struct broker *broker;
	struct admin_asker asker;
};

static void answered_cb(void *arg, const Vmreplica__Admin__Response *response)
{
	struct question *question = arg;

	if (response != NULL) {
		admin_service_answer(question->broker, &question->asker, response);
	}
	free(question);
}

void admin_authorize_handle(struct broker *broker, const struct admin_asker *asker,
			    const Vmreplica__Admin__AuthorizeRequest *request)
{
	struct question *question = calloc(1, sizeof(*question));

	if (question == NULL) {
		admin_service_fail(broker, asker, ENOMEM, false, "the broker is out of memory", "");
		return;
	}
	question->broker = broker;
	question->asker = *asker;
	authorizer_handle(broker->authorizer, request, broker->quorate ? NULL : broker->missing,
			  answered_cb, question);
}
