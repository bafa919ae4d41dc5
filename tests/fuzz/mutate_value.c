/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "mutate_value.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "proto/limits.h"

#define TEXT_MAX 8192u /* a longer text is not made longer */

void mutate_init(struct mutate *mutate, unsigned int seed)
{
	mutate->state = (uint64_t)seed * 0x9e3779b97f4a7c15u + 1;
}

/* splitmix64 */
static uint64_t mutate_next(struct mutate *mutate)
{
	uint64_t z = mutate->state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

size_t mutate_below(struct mutate *mutate, size_t limit)
{
	return limit == 0 ? 0 : (size_t)(mutate_next(mutate) % limit);
}

bool mutate_once_in(struct mutate *mutate, size_t n)
{
	return mutate_below(mutate, n) == 0;
}

static const uint64_t numbers[] = {
	0,
	1,
	2,
	3,
	7,
	16,
	DISKS_MAX - 1,
	DISKS_MAX,
	DISKS_MAX + 1,
	255,
	256,
	4095,
	4096,
	4097,
	65535,
	65536,
	EPOCH_STEP_MAX,
	EPOCH_STEP_MAX + 2,
	FREQUENCY_MAX_S,
	FREQUENCY_MAX_S + 1,
	CHUNK_MAX,
	CHUNK_MAX + 1,
	FRAME_PAYLOAD_MAX + 1,
	INT32_MAX,
	UINT32_MAX / 2 + 1,
	UINT32_MAX,
	(uint64_t)UINT32_MAX + 1,
	DISK_SIZE_MAX - 1,
	DISK_SIZE_MAX,
	DISK_SIZE_MAX + 1,
	INT64_MAX,
	(uint64_t)INT64_MAX + 1,
	UINT64_MAX - 1,
	UINT64_MAX,
};

uint64_t mutate_number(struct mutate *mutate, uint64_t old)
{
	switch (mutate_below(mutate, 6)) {
	case 0:
		return old + 1 + mutate_below(mutate, 3);
	case 1:
		return old - 1 - mutate_below(mutate, 3);
	case 2:
		return old ^ UINT64_C(1) << mutate_below(mutate, 64);
	case 3:
		return mutate_next(mutate) >> mutate_below(mutate, 64);
	default:
		return numbers[mutate_below(mutate, sizeof(numbers) / sizeof(numbers[0]))];
	}
}

static const char *const words[] = {
	"",
	".",
	"..",
	"/",
	"../",
	"/../",
	"//",
	"/etc/passwd",
	"../../etc/shadow",
	"/srv/replica",
	"gen-1/vda-1.qcow2",
	"vm-2/vda.qcow2",
	"gen-1/../x",
	"-",
	"--force",
	"*",
	"*.example",
	"a.example",
	"b.example",
	".example",
	"a..example",
	"xn--a.example",
	"web1",
	"vda",
	"vdb",
	"0b6f4b1c-93a5-4f7e-8b1a-5d2f6c7e8a90",
	"0123456789abcdef",
	"crash",
	"application",
	"latest",
	"latest-app",
	"seq:7",
	"2026-11-22T10:31:00Z",
	"18:30-06:00",
	"manual",
	"net:prod=dr",
	"bridge:br0=br7",
	"direct:eth0=net:dr",
	"10.0.0.1:8650",
	"[::1]:8650",
	"::",
	"[",
	"0",
	"-1",
	"+1",
	"0x10",
	"1e9",
	"4294967296",
	"18446744073709551615",
	"18446744073709551616",
	"99999999999999999999999999",
	"8K",
	"%s%n",
	"\n",
	"\r\n",
	"\t",
	" ",
	"\x01",
	"\x1b[2J",
	"\x7f",
	"\x80",
	"\xc0\xaf",
	"\xed\xa0\x80",
	"\xf4\x90\x80\x80",
	"\xc3\xa9",
	"\xe2\x80\xae",
	"'",
	"\"",
	"\\",
	"$(id)",
	";",
	"=",
	"#",
	"[x]",
	"&amp;",
	"&x;",
	"<a>",
	"]]>",
};

const char *mutate_word(struct mutate *mutate)
{
	return words[mutate_below(mutate, sizeof(words) / sizeof(words[0]))];
}

/* A text that is as long as a limit, or by one too long. */
static char *text_long(struct mutate *mutate)
{
	static const size_t lens[] = {CUT_ID_LEN,  DISK_NAME_MAX,   RELATIONSHIP_LEN, 63,
				      VM_NAME_MAX, RESOURCE_ID_MAX, SITE_NAME_MAX,    REASON_MAX,
				      PATH_LEN_MAX};
	size_t len = lens[mutate_below(mutate, sizeof(lens) / sizeof(lens[0]))] +
		     mutate_below(mutate, 2);
	char *text = malloc(len + 1);

	if (text == NULL) {
		abort();
	}
	memset(text, "a0/.-"[mutate_below(mutate, 5)], len);
	text[0] = "a0/.-"[mutate_below(mutate, 5)];
	text[len] = '\0';
	return text;
}

/* libFuzzer's changes, without what would end the text. */
static char *text_bytes(const char *old, size_t len)
{
	size_t size;
	uint8_t *bytes = mutate_bytes((const uint8_t *)old, len, 16, &size);

	for (size_t i = 0; i < size; i++) {
		bytes[i] = bytes[i] == 0 ? 1 : bytes[i];
	}
	bytes[size] = 0;
	return (char *)bytes;
}

__attribute__((format(printf, 1, 2))) static char *text_format(const char *format, ...)
{
	va_list args;
	char *text;
	int n;

	va_start(args, format);
	n = vasprintf(&text, format, args);
	va_end(args);
	if (n < 0) {
		abort();
	}
	return text;
}

char *mutate_text(struct mutate *mutate, const char *old)
{
	size_t len = strlen(old), at = mutate_below(mutate, len + 1);
	size_t kind = mutate_below(mutate, 10);

	if (len > TEXT_MAX) {
		kind = 1;
	}
	switch (kind) {
	case 0:
		return text_format("%s", mutate_word(mutate));
	case 1:
		return text_format("%.*s", (int)at, old);
	case 2: /* with a word in it */
		return text_format("%.*s%s%s", (int)at, old, mutate_word(mutate), old + at);
	case 3: /* ... in place of what was there */
		return text_format("%.*s%s%s", (int)at, old, mutate_word(mutate),
				   old + at + mutate_below(mutate, len - at + 1));
	case 4:
		return text_format("%s%s", old, old);
	case 5:
		return text_format("%s%c%s", mutate_word(mutate),
				   "./ =:-,"[mutate_below(mutate, 7)], mutate_word(mutate));
	case 6:
		return text_long(mutate);
	case 7:
		return text_format("%" PRIu64, mutate_number(mutate, strtoull(old, NULL, 10)));
	case 8: /* a number in it */
		at += strcspn(old + at, "0123456789");
		return text_format("%.*s%" PRIu64 "%s", (int)at, old,
				   mutate_number(mutate, strtoull(old + at, NULL, 10)),
				   old + at + strspn(old + at, "0123456789"));
	default:
		return text_bytes(old, len);
	}
}

uint8_t *mutate_bytes(const uint8_t *data, size_t size, size_t room, size_t *ret_size)
{
	uint8_t *bytes = malloc(size + room + 1);

	if (bytes == NULL) {
		abort();
	}
	if (size > 0) {
		memcpy(bytes, data, size);
	}
	*ret_size = LLVMFuzzerMutate(bytes, size, size + room);
	return bytes;
}
