/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/job_message.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "proto/limits.h"
#include "proto/message_copy.h"

Vmreplica__Job *job_message_copy(const Vmreplica__Job *job)
{
	return (Vmreplica__Job *)message_copy(&job->base);
}

void job_message_free(Vmreplica__Job *job)
{
	if (job != NULL) {
		vmreplica__job__free_unpacked(job, NULL);
	}
}

bool job_message_is_running(const Vmreplica__Job *job)
{
	return strcmp(job->state, JOB_RUNNING) == 0;
}

static bool id_is_valid(const char *id)
{
	return strlen(id) == JOB_ID_LEN && strspn(id, "0123456789abcdef") == JOB_ID_LEN;
}

static bool state_is_known(const char *state)
{
	return strcmp(state, JOB_RUNNING) == 0 || strcmp(state, JOB_DONE) == 0 ||
	       strcmp(state, JOB_FAILED) == 0 || strcmp(state, JOB_CANCELLED) == 0;
}

bool job_message_is_valid(const Vmreplica__Job *job)
{
	return id_is_valid(job->id) && state_is_known(job->state) &&
	       job->n_steps <= JOB_STEPS_MAX && strlen(job->vm) <= VM_NAME_MAX &&
	       strlen(job->node) <= NODE_NAME_MAX &&
	       strlen(job->relationship) <= RELATIONSHIP_LEN &&
	       vmreplica__job__get_packed_size(job) <= CPG_MESSAGE_MAX;
}

/* ---- changes ---- */

/* At most JOB_TEXT_MAX bytes, and no half of a character at the end. */
static size_t text_cut(const char *text)
{
	size_t len = strnlen(text, JOB_TEXT_MAX + 1);

	if (len <= JOB_TEXT_MAX) {
		return len;
	}
	len = JOB_TEXT_MAX;
	while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80) {
		len--;
	}
	return len;
}

int job_text_set(char **field, const char *text)
{
	char *copy = strndup(text, text_cut(text));

	if (copy == NULL) {
		return -ENOMEM;
	}
	if (*field != protobuf_c_empty_string) {
		free(*field);
	}
	*field = copy;
	return 0;
}

Vmreplica__JobStep *job_step_current(const Vmreplica__Job *job)
{
	Vmreplica__JobStep *last = job->n_steps > 0 ? job->steps[job->n_steps - 1] : NULL;

	return last != NULL && last->end_ms == 0 ? last : NULL;
}

void job_step_end(Vmreplica__Job *job, int64_t now_ms, bool failed)
{
	Vmreplica__JobStep *step = job_step_current(job);

	if (step != NULL) {
		step->end_ms = now_ms;
		step->failed = failed;
	}
}

static int job_step_add(Vmreplica__Job *job, int64_t now_ms)
{
	Vmreplica__JobStep **steps =
		reallocarray(job->steps, job->n_steps + 1, sizeof(Vmreplica__JobStep *));

	if (steps == NULL) {
		return -ENOMEM;
	}
	job->steps = steps;
	steps[job->n_steps] = malloc(sizeof(Vmreplica__JobStep));
	if (steps[job->n_steps] == NULL) {
		return -ENOMEM;
	}
	vmreplica__job_step__init(steps[job->n_steps]);
	steps[job->n_steps++]->begin_ms = now_ms;
	return 0;
}

int job_step_begin(Vmreplica__Job *job, const char *name, const char *text, int64_t now_ms)
{
	Vmreplica__JobStep *step = job_step_current(job);
	int result = 0;

	if (step == NULL || strcmp(step->name, name) != 0) {
		job_step_end(job, now_ms, false);
		if (job->n_steps < JOB_STEPS_MAX) {
			result = job_step_add(job, now_ms);
		}
		if (result < 0) {
			return result;
		}
		step = job->steps[job->n_steps - 1];
		step->end_ms = 0;
		result = job_text_set(&step->name, name);
	}
	return result < 0 ? result : job_text_set(&step->text, text);
}

/* ---- JSON ---- */

static json_t *step_to_json(const Vmreplica__JobStep *step)
{
	return json_pack("{s:s, s:I, s:I, s:s, s:b}", "name", step->name, "begin_ms",
			 (json_int_t)step->begin_ms, "end_ms", (json_int_t)step->end_ms, "text",
			 step->text, "failed", (int)step->failed);
}

char *job_message_to_json(const Vmreplica__Job *job)
{
	json_t *steps = json_array(), *root;
	char *text = NULL;

	for (size_t i = 0; steps != NULL && i < job->n_steps; i++) {
		if (json_array_append_new(steps, step_to_json(job->steps[i])) < 0) {
			json_decref(steps);
			return NULL;
		}
	}
	root = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:o, s:s, s:s, s:I}", "id",
			 job->id, "kind", job->kind, "vm", job->vm, "relationship",
			 job->relationship, "node", job->node, "state", job->state, "begin_ms",
			 (json_int_t)job->begin_ms, "end_ms", (json_int_t)job->end_ms, "steps",
			 steps, "text", job->text, "advice", job->advice, "version",
			 (json_int_t)job->version);
	if (root != NULL) {
		text = json_dumps(root, JSON_INDENT(1));
	}
	json_decref(root);
	return text;
}

/* Steps point into the JSON while the message is copied. */
static size_t steps_from_json(json_t *array, Vmreplica__JobStep *steps,
			      Vmreplica__JobStep **pointers)
{
	size_t count = 0, index;
	json_t *value;

	json_array_foreach(array, index, value)
	{
		json_int_t begin_ms = 0, end_ms = 0;
		int failed = 0;
		const char *name, *text;

		if (count >= JOB_STEPS_MAX ||
		    json_unpack(value, "{s:s, s:I, s:I, s:s, s:b}", "name", &name, "begin_ms",
				&begin_ms, "end_ms", &end_ms, "text", &text, "failed",
				&failed) < 0) {
			break;
		}
		vmreplica__job_step__init(&steps[count]);
		steps[count].name = (char *)(uintptr_t)name;
		steps[count].text = (char *)(uintptr_t)text;
		steps[count].begin_ms = begin_ms;
		steps[count].end_ms = end_ms;
		steps[count].failed = failed != 0;
		pointers[count] = &steps[count];
		count++;
	}
	return count;
}

Vmreplica__Job *job_message_from_json(const char *text, size_t len)
{
	Vmreplica__JobStep steps[JOB_STEPS_MAX], *pointers[JOB_STEPS_MAX];
	Vmreplica__Job job = VMREPLICA__JOB__INIT, *copy = NULL;
	json_int_t begin_ms = 0, end_ms = 0, version = 0;
	json_t *root = json_loadb(text, len, 0, NULL), *array = NULL;

	if (root != NULL &&
	    json_unpack(root, "{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:o, s:s, s:s, s:I}", "id",
			&job.id, "kind", &job.kind, "vm", &job.vm, "relationship",
			&job.relationship, "node", &job.node, "state", &job.state, "begin_ms",
			&begin_ms, "end_ms", &end_ms, "steps", &array, "text", &job.text, "advice",
			&job.advice, "version", &version) == 0) {
		job.begin_ms = begin_ms;
		job.end_ms = end_ms;
		job.version = (uint64_t)version;
		job.n_steps = steps_from_json(array, steps, pointers);
		job.steps = pointers;
		copy = job_message_is_valid(&job) ? job_message_copy(&job) : NULL;
	}
	json_decref(root);
	return copy;
}
