/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/enroll_fit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIT_FORWARD_MS 25000 /* libvirt is asked, with a bound of 20 s */

void enroll_fit_destroy(struct job_fit *fit)
{
	for (size_t i = 0; i < fit->warning_count; i++) {
		free(fit->warnings[i]);
	}
	fit->warning_count = 0;
}

bool enroll_fit_is_due(const struct job *job, const Vmreplica__Wire__Enroll *enroll)
{
	return !job->fit.asked && enroll->domain_xml.len > 0 && job->plan.node[0] != '\0';
}

static void add_warning(struct job_fit *fit, const char *text)
{
	if (fit->warning_count < WARNINGS_MAX) {
		fit->warnings[fit->warning_count] = strndup(text, REASON_MAX);
		fit->warning_count += fit->warnings[fit->warning_count] != NULL;
	}
}

static void add_unknown(struct job *job, const char *why)
{
	char text[REASON_MAX + 1];

	snprintf(
		text, sizeof(text),
		"whether %.64s can run the VM is not known (%.200s): vmreplica check says it there",
		job->plan.node, why);
	add_warning(&job->fit, text);
}

/* Every reason that fits: the admin should not have to find them one after the other. */
static void deny(struct job *job, const Vmreplica__Admin__FitResponse *answer)
{
	char reason[REASON_MAX + 1] = "";
	size_t used = 0;

	for (size_t i = 0; i < answer->n_refusals && used < sizeof(reason); i++) {
		used += (size_t)snprintf(reason + used, sizeof(reason) - used, "%s%s",
					 i > 0 ? "; " : "", answer->refusals[i]);
	}
	job_deny(job, "unfit", reason);
	job_free(job);
}

static void take_answer(struct job *job, const Vmreplica__Admin__FitResponse *answer)
{
	if (answer->n_refusals > 0 && !job->fit.force) {
		deny(job, answer);
		return;
	}
	for (size_t i = 0; i < answer->n_refusals; i++) {
		add_warning(&job->fit, answer->refusals[i]);
	}
	for (size_t i = 0; i < answer->n_warnings; i++) {
		add_warning(&job->fit, answer->warnings[i]);
	}
	job->fit.next(job);
}

static void fit_reply_cb(void *arg, int error, const Vmreplica__Admin__Response *response)
{
	struct job *job = arg;

	if (error == -ECANCELED) {
		job_free(job);
	} else if (error == 0 && response->error == 0 &&
		   response->body_case == VMREPLICA__ADMIN__RESPONSE__BODY_FIT) {
		take_answer(job, response->fit);
	} else {
		add_unknown(job, error == -ETIMEDOUT ? "its engine does not answer"
				 : error < 0	     ? strerror(-error)
						     : response->text);
		job->fit.next(job);
	}
}

void enroll_fit_ask(struct job *job, const Vmreplica__Wire__Enroll *enroll,
		    void (*next)(struct job *job))
{
	Vmreplica__Admin__Request request = VMREPLICA__ADMIN__REQUEST__INIT;
	Vmreplica__Admin__FitRequest fit = VMREPLICA__ADMIN__FIT_REQUEST__INIT;
	char *disks[DISKS_MAX];
	int rc;

	job->fit.asked = true;
	job->fit.force = enroll->force;
	job->fit.next = next;
	for (size_t i = 0; i < enroll->n_disks; i++) {
		disks[i] = enroll->disks[i]->name;
	}
	fit.vm = enroll->vm;
	fit.domain_xml = enroll->domain_xml;
	fit.disks = disks;
	fit.n_disks = enroll->n_disks;
	fit.maps = enroll->maps;
	fit.n_maps = enroll->n_maps;
	request.to = job->plan.node;
	request.body_case = VMREPLICA__ADMIN__REQUEST__BODY_FIT;
	request.fit = &fit;
	rc = forward_request(job->enrollment->broker->forward, job->plan.node, &request,
			     FIT_FORWARD_MS, fit_reply_cb, job);
	if (rc < 0) {
		add_unknown(job, rc == -EMSGSIZE ? "its definition is too long to be passed on"
						 : strerror(-rc));
		next(job);
	}
}
