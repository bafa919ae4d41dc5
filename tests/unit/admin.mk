# SPDX-License-Identifier: GPL-2.0-or-later
ADMIN_TESTS = tests/unit/test_output tests/unit/test_status_output tests/unit/test_commands \
	tests/unit/test_events_command
COMMAND_FIXTURE = tests/unit/command_fixture.c tests/unit/command_fixture.h
check_PROGRAMS += $(ADMIN_TESTS)
ADMIN_TEST_CFLAGS = $(AM_CFLAGS) $(CUNIT_CFLAGS) $(JANSSON_CFLAGS) $(PROTOBUF_C_CFLAGS) -Wno-cast-qual
ADMIN_TEST_LDADD = libvmr-admin.la $(JANSSON_LIBS) $(CUNIT_LIBS)
tests_unit_test_output_CFLAGS = $(ADMIN_TEST_CFLAGS)
tests_unit_test_output_LDADD = $(ADMIN_TEST_LDADD)
tests_unit_test_status_output_CFLAGS = $(ADMIN_TEST_CFLAGS)
tests_unit_test_status_output_LDADD = $(ADMIN_TEST_LDADD)
tests_unit_test_commands_SOURCES = tests/unit/test_commands.c $(COMMAND_FIXTURE)
tests_unit_test_commands_CFLAGS = $(ADMIN_TEST_CFLAGS)
tests_unit_test_commands_LDADD = $(ADMIN_TEST_LDADD)
tests_unit_test_events_command_SOURCES = tests/unit/test_events_command.c $(COMMAND_FIXTURE)
tests_unit_test_events_command_CFLAGS = $(ADMIN_TEST_CFLAGS)
tests_unit_test_events_command_LDADD = $(ADMIN_TEST_LDADD)
dist_check_SCRIPTS += tests/unit/cli.sh tests/unit/agents.sh tests/unit/check-agents-libvirt.sh \
	tests/unit/check-agents-engine.sh
