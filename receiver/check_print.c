/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "receiver/check.h"
#include "receiver/json.h"

/* Names and words come from files that may be damaged: nothing of them reaches a terminal raw. */
static void print_plain(const char *text)
{
	for (; *text != '\0'; text++) {
		putchar(isprint((unsigned char)*text) ? *text : '?');
	}
}

static void finding_print(const struct check_finding *finding)
{
	fputs(finding->weight == CHECK_DAMAGE ? "DAMAGE  " : "note    ", stdout);
	print_plain(finding->file);
	if (finding->offset != CHECK_NO_OFFSET) {
		printf(" at byte %" PRIu64, finding->offset);
	}
	fputs(": ", stdout);
	print_plain(finding->text);
	putchar('\n');
}

static void text_print(const struct check *check, const char *directory)
{
	const struct manifest *m = &check->manifest;

	printf("%s: replica of %s, generation %" PRIu64 " on %s, cycle %" PRIu64 "%s\n", directory,
	       m->vm, m->generation, m->owner_node, m->committed.seq,
	       check->in_use ? "; in use, so what is being written is left out" : "");
	for (size_t i = 0; i < check->finding_count; i++) {
		finding_print(&check->findings[i]);
	}
	printf("checked: %zu logs (%" PRIu64 " KiB), %zu layers%s, %zu points, %" PRIu64
	       " KiB of them against the logs\n",
	       check->logs, check->log_bytes >> 10, check->layers,
	       check->layers_left > 0 ? " (not those being written)" : "", m->point_count,
	       check->compared_bytes >> 10);
	printf("sums: %" PRIu64 " blocks (%" PRIu64
	       " KiB) that no kept log wrote are compared with "
	       "their sums\n",
	       check->summed.blocks, check->summed.bytes >> 10);
	if (check->alone.blocks > 0) {
		printf("not covered: %" PRIu64 " blocks (%" PRIu64 " KiB) have no second source in "
		       "the store yet; a receiver takes their sums in the background, and verify "
		       "compares with the primary\n",
		       check->alone.blocks, check->alone.bytes >> 10);
	}
	if (check->damage_count == 0) {
		puts("sound");
	} else {
		printf("%zu damaged places\n", check->damage_count);
	}
}

/* Text of files that are not UTF-8 must not lose the finding. */
static json_t *json_text(const char *text)
{
	char plain[CHECK_TEXT_LEN];
	json_t *string = json_string(text);
	size_t n = 0;

	for (; string == NULL && text[n] != '\0' && n < sizeof(plain) - 1; n++) {
		plain[n] = isascii((unsigned char)text[n]) ? text[n] : '?';
	}
	plain[n] = '\0';
	return string != NULL ? string : json_string(plain);
}

static json_t *finding_json(const struct check_finding *finding)
{
	return json_pack("{s:s, s:o, s:o, s:o}", "severity",
			 finding->weight == CHECK_DAMAGE ? "damage" : "note", "file",
			 json_text(finding->file), "offset",
			 finding->offset == CHECK_NO_OFFSET
				 ? json_null()
				 : json_integer((json_int_t)finding->offset),
			 "text", json_text(finding->text));
}

static int json_print(const struct check *check, const char *directory)
{
	const struct manifest *m = &check->manifest;
	json_t *findings = json_array();
	cleanup_json json_t *root = NULL;

	for (size_t i = 0; i < check->finding_count; i++) {
		json_array_append_new(findings, finding_json(&check->findings[i]));
	}
	root = json_pack(
		"{s:o, s:s, s:s, s:I, s:I, s:b, s:b, s:{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, "
		"s:I, s:I}, s:o}",
		"directory", json_text(directory), "relationship", m->relationship, "vm", m->vm,
		"generation", (json_int_t)m->generation, "seq", (json_int_t)m->committed.seq,
		"in_use", check->in_use, "sound", check->damage_count == 0, "checked", "logs",
		(json_int_t)check->logs, "log_bytes", (json_int_t)check->log_bytes, "layers",
		(json_int_t)check->layers, "layers_being_written", (json_int_t)check->layers_left,
		"points", (json_int_t)m->point_count, "compared_bytes",
		(json_int_t)check->compared_bytes, "sum_blocks", (json_int_t)check->summed.blocks,
		"sum_bytes", (json_int_t)check->summed.bytes, "not_covered_blocks",
		(json_int_t)check->alone.blocks, "not_covered_bytes",
		(json_int_t)check->alone.bytes, "findings", findings);
	if (root == NULL || json_dumpf(root, stdout, JSON_INDENT(2)) < 0) {
		return -EIO;
	}
	putchar('\n');
	return 0;
}

int check_print(const struct check *check, const char *directory, bool json)
{
	int rc = 0;

	if (json) {
		rc = json_print(check, directory);
	} else {
		text_print(check, directory);
	}
	return rc < 0 || fflush(stdout) != 0 ? -EIO : 0;
}
