/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The frame of a CUnit program: one suite, a table of tests, exit status = verdict. */
#ifndef VMR_TESTS_UNIT_H
#define VMR_TESTS_UNIT_H

#include <CUnit/Basic.h>
#include <stddef.h>

struct unit_test {
	const char *name;
	void (*run)(void);
};

/* Run count tests as suite; returns main's exit status. */
static inline int unit_run(const char *suite, const struct unit_test *tests, size_t count)
{
	CU_pSuite handle;
	unsigned int failed;

	if (CU_initialize_registry() != CUE_SUCCESS) {
		return 1;
	}
	handle = CU_add_suite(suite, NULL, NULL);
	for (size_t i = 0; handle != NULL && i < count; i++) {
		if (CU_add_test(handle, tests[i].name, tests[i].run) == NULL) {
			handle = NULL;
		}
	}
	if (handle == NULL) {
		CU_cleanup_registry();
		return 1;
	}
	CU_basic_set_mode(CU_BRM_NORMAL);
	CU_basic_run_tests();
	failed = CU_get_number_of_failures() + (CU_get_number_of_tests_run() == 0);
	CU_cleanup_registry();
	return failed == 0 ? 0 : 1;
}

#define UNIT_MAIN(suite, tests)                                                                    \
	int main(void)                                                                             \
	{                                                                                          \
		return unit_run(suite, tests, sizeof(tests) / sizeof((tests)[0]));                 \
	}

#endif
