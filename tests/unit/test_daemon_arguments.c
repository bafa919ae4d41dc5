/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/daemon_arguments.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "unit.h"

static char taken[64];

static int take_cb(void *arg, int option, const char *value)
{
	size_t used = strlen(taken);

	CU_ASSERT_PTR_EQUAL(arg, taken);
	snprintf(taken + used, sizeof(taken) - used, "%c=%s ", option, value != NULL ? value : "");
	return value != NULL && strcmp(value, "bad") == 0 ? -EINVAL : 0;
}

static const struct option own[] = {
	{"address", required_argument, NULL, 'a'},
	{"quick", no_argument, NULL, 'q'},
	{NULL, 0, NULL, 0},
};

/* Split line into words and parse them; it prints. */
static int parse(const char *line, const struct option *options, struct daemon_arguments *arguments)
{
	const struct daemon_command command = {.program = "daemon",
					       .usage = "Usage: daemon\n",
					       .options = options,
					       .take_cb = take_cb,
					       .arg = taken};
	static char copy[256];
	char *argv[16], *rest = copy;
	int argc = 0, result;

	snprintf(copy, sizeof(copy), "daemon %s", line);
	while (argc < 15 && (argv[argc] = strsep(&rest, " ")) != NULL) {
		argc += argv[argc][0] != '\0';
	}
	argv[argc] = NULL;
	taken[0] = '\0';
	*arguments = (struct daemon_arguments){.config_path = "default"};
	optind = 0; /* glibc's and musl's way to begin anew */
	opterr = 0;
	result = daemon_arguments_parse(argc, argv, &command, arguments);
	return result;
}

static void test_common(void)
{
	struct daemon_arguments arguments;

	CU_ASSERT_EQUAL(parse("", NULL, &arguments), 0);
	CU_ASSERT_STRING_EQUAL(arguments.config_path, "default");
	CU_ASSERT_PTR_NULL(arguments.pid_file);
	CU_ASSERT_FALSE(arguments.foreground);
	CU_ASSERT_EQUAL(parse("--config /c --pid-file=/p --foreground", NULL, &arguments), 0);
	CU_ASSERT_STRING_EQUAL(arguments.config_path, "/c");
	CU_ASSERT_STRING_EQUAL(arguments.pid_file, "/p");
	CU_ASSERT_TRUE(arguments.foreground);
	CU_ASSERT_STRING_EQUAL(taken, "");
}

static void test_own(void)
{
	struct daemon_arguments arguments;

	CU_ASSERT_EQUAL(parse("--address ::1 --foreground --quick", own, &arguments), 0);
	CU_ASSERT_STRING_EQUAL(taken, "a=::1 q= ");
	CU_ASSERT_TRUE(arguments.foreground);
	CU_ASSERT_EQUAL(parse("--address bad --quick", own, &arguments), -EINVAL);
	CU_ASSERT_STRING_EQUAL(taken, "a=bad "); /* no further */
}

static void test_ends(void)
{
	struct daemon_arguments arguments;

	CU_ASSERT_EQUAL(parse("--help", own, &arguments), 1);
	CU_ASSERT_EQUAL(parse("--version --foreground", own, &arguments), 1);
	CU_ASSERT_FALSE(arguments.foreground);
	CU_ASSERT_EQUAL(parse("--nonsense", own, &arguments), -EINVAL);
	CU_ASSERT_EQUAL(parse("--config", own, &arguments), -EINVAL); /* without its value */
	CU_ASSERT_EQUAL(parse("--address", NULL, &arguments), -EINVAL);
	CU_ASSERT_EQUAL(parse("--foreground stray", own, &arguments), -EINVAL);
}

static const struct unit_test tests[] = {
	{"what all take", test_common},
	{"what one takes", test_own},
	{"what ends it", test_ends},
};
UNIT_MAIN("daemon-arguments", tests)
