/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/sha256.h"
#include "proto/vm_state.h"
#include "tests/unit/unit.h"

static const uint8_t variables[] = "boot order 3,1,2", seeds[] = "endorsement";

static struct vm_state both(void)
{
	return (struct vm_state){.files = {{VM_STATE_NVRAM, variables, sizeof(variables)},
					   {VM_STATE_TPM_2_0, seeds, sizeof(seeds)}},
				 .count = 2};
}

static void test_what_goes_in_comes_out(void)
{
	struct vm_state state = both(), found = {.count = 0}, none = {.count = 0};
	uint8_t *archive = NULL, *again = NULL;
	const struct vm_state_file *file;
	const char *why = "";
	size_t len, again_len;

	CU_ASSERT_EQUAL_FATAL(vm_state_encode(&state, &archive, &len), 0);
	CU_ASSERT_EQUAL_FATAL(vm_state_encode(&state, &again, &again_len), 0);
	CU_ASSERT_TRUE(len == again_len && memcmp(archive, again, len) == 0);
	CU_ASSERT_EQUAL_FATAL(vm_state_decode(archive, len, &found, &why), 0);
	CU_ASSERT_EQUAL(found.count, 2);
	file = vm_state_find(&found, VM_STATE_TPM_2_0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	CU_ASSERT_TRUE(file->len == sizeof(seeds) && memcmp(file->data, seeds, sizeof(seeds)) == 0);
	CU_ASSERT_PTR_NULL(vm_state_find(&found, VM_STATE_TPM_1_2));
	free(archive);
	free(again);
	CU_ASSERT_EQUAL_FATAL(vm_state_encode(&none, &archive, &len), 0);
	CU_ASSERT_EQUAL(vm_state_decode(archive, len, &found, &why), 0);
	CU_ASSERT_EQUAL(found.count, 0);
	free(archive);
}

static void test_what_cannot_go_in(void)
{
	struct vm_state state = both();
	uint8_t *archive = NULL, *large = calloc(1, VM_STATE_MAX);
	size_t len;

	state.files[1].name = VM_STATE_NVRAM;
	CU_ASSERT_EQUAL(vm_state_encode(&state, &archive, &len), -EINVAL);
	state.files[1].name = "../../etc/shadow";
	CU_ASSERT_EQUAL(vm_state_encode(&state, &archive, &len), -EINVAL);
	state = both();
	state.files[0].data = large;
	state.files[0].len = VM_STATE_MAX;
	CU_ASSERT_EQUAL(vm_state_encode(&state, &archive, &len), -EFBIG);
	state.files[0].len = SIZE_MAX;
	CU_ASSERT_EQUAL(vm_state_encode(&state, &archive, &len), -EFBIG);
	CU_ASSERT_PTR_NULL(archive);
	free(large);
}

/* Every byte changed, every length: nothing but the whole archive is taken. */
static void test_damage_shows(void)
{
	struct vm_state state = both(), found;
	uint8_t *archive = NULL;
	const char *why = "";
	size_t len;

	CU_ASSERT_EQUAL_FATAL(vm_state_encode(&state, &archive, &len), 0);
	for (size_t i = 0; i < len; i++) {
		uint8_t *cut = malloc(i > 0 ? i : 1);

		memcpy(cut, archive, i);
		CU_ASSERT_EQUAL(vm_state_decode(cut, i, &found, &why), -EBADMSG);
		free(cut);
		archive[i] ^= 0x10;
		CU_ASSERT_EQUAL(vm_state_decode(archive, len, &found, &why), -EBADMSG);
		archive[i] ^= 0x10;
	}
	free(archive);
}

/* A liar's archive has a right hash. */
static void test_lies_are_refused(void)
{
	static const struct {
		size_t at;
		uint8_t value;
		const char *why;
	} lies[] = {
		{8, 4, "more than this version knows"},
		{8, 3, "cut short"},
		{8, 1, "something follows"},
		{16, 'N', "does not know"},
		{16 + 15, 'x', "does not know"},
		{16 + 16 + 3, 0x7f, "longer than the archive"},
		{16 + 16 + 3, 0xff, "longer than the archive"},
	};

	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct vm_state state = both(), found;
		uint8_t *archive = NULL;
		const char *why = "";
		size_t len;

		CU_ASSERT_EQUAL_FATAL(vm_state_encode(&state, &archive, &len), 0);
		archive[lies[i].at] = lies[i].value;
		sha256_of(archive, len - SHA256_LEN, archive + len - SHA256_LEN);
		CU_ASSERT_EQUAL(vm_state_decode(archive, len, &found, &why), -EBADMSG);
		CU_ASSERT_PTR_NOT_NULL(strstr(why, lies[i].why));
		free(archive);
	}
}

static const struct unit_test tests[] = {
	{"what goes in comes out", test_what_goes_in_comes_out},
	{"what cannot go in", test_what_cannot_go_in},
	{"damage shows", test_damage_shows},
	{"lies are refused", test_lies_are_refused},
};
UNIT_MAIN("vm_state", tests)
