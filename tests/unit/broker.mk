# SPDX-License-Identifier: GPL-2.0-or-later
BROKER_TEST_CFLAGS = $(AM_CFLAGS) $(QB_CFLAGS) $(PROTOBUF_C_CFLAGS) $(CUNIT_CFLAGS) -Wno-cast-qual -Wno-undef
BROKER_TEST_LDADD = libvmr-broker.la $(CUNIT_LIBS)

check_PROGRAMS += tests/unit/test_route tests/unit/test_routing_table
tests_unit_test_route_SOURCES = tests/unit/test_route.c tests/unit/unit.h
tests_unit_test_route_CFLAGS = $(BROKER_TEST_CFLAGS)
tests_unit_test_route_LDADD = $(BROKER_TEST_LDADD)
tests_unit_test_routing_table_SOURCES = tests/unit/test_routing_table.c tests/unit/broker_fixture.h tests/unit/unit.h
tests_unit_test_routing_table_CFLAGS = $(BROKER_TEST_CFLAGS)
tests_unit_test_routing_table_LDADD = $(BROKER_TEST_LDADD)
