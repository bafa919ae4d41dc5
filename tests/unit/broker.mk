# SPDX-License-Identifier: GPL-2.0-or-later
BROKER_TEST_CFLAGS = $(AM_CFLAGS) $(QB_CFLAGS) $(PROTOBUF_C_CFLAGS) $(CUNIT_CFLAGS) -Wno-cast-qual -Wno-undef
BROKER_TEST_LDADD = libvmr-broker.la $(CUNIT_LIBS)
broker_test_files = tests/unit/broker_fixture.h tests/unit/unit.h

check_PROGRAMS += tests/unit/test_route
tests_unit_test_route_SOURCES = tests/unit/test_route.c $(broker_test_files)
tests_unit_test_route_CFLAGS = $(BROKER_TEST_CFLAGS)
tests_unit_test_route_LDADD = $(BROKER_TEST_LDADD)
check_PROGRAMS += tests/unit/test_routing_table
tests_unit_test_routing_table_SOURCES = tests/unit/test_routing_table.c $(broker_test_files)
tests_unit_test_routing_table_CFLAGS = $(BROKER_TEST_CFLAGS)
tests_unit_test_routing_table_LDADD = $(BROKER_TEST_LDADD)
check_PROGRAMS += tests/unit/test_authorization
tests_unit_test_authorization_SOURCES = tests/unit/test_authorization.c tests/unit/trust_cases.h $(broker_test_files)
tests_unit_test_authorization_CFLAGS = $(BROKER_TEST_CFLAGS)
tests_unit_test_authorization_LDADD = $(BROKER_TEST_LDADD)
check_PROGRAMS += tests/unit/test_locate
tests_unit_test_locate_SOURCES = tests/unit/test_locate.c $(broker_test_files)
tests_unit_test_locate_CFLAGS = $(BROKER_TEST_CFLAGS)
tests_unit_test_locate_LDADD = $(BROKER_TEST_LDADD)
check_PROGRAMS += tests/unit/test_token_table
tests_unit_test_token_table_SOURCES = tests/unit/test_token_table.c $(broker_test_files)
tests_unit_test_token_table_CFLAGS = $(BROKER_TEST_CFLAGS)
tests_unit_test_token_table_LDADD = $(BROKER_TEST_LDADD)
check_PROGRAMS += tests/unit/test_enroll
tests_unit_test_enroll_SOURCES = tests/unit/test_enroll.c $(broker_test_files)
tests_unit_test_enroll_CFLAGS = $(BROKER_TEST_CFLAGS)
tests_unit_test_enroll_LDADD = $(BROKER_TEST_LDADD)
check_PROGRAMS += tests/unit/test_forward
tests_unit_test_forward_SOURCES = tests/unit/test_forward.c $(broker_test_files)
tests_unit_test_forward_CFLAGS = $(BROKER_TEST_CFLAGS)
tests_unit_test_forward_LDADD = $(BROKER_TEST_LDADD)
check_PROGRAMS += tests/unit/test_relay
tests_unit_test_relay_SOURCES = tests/unit/test_relay.c $(broker_test_files)
tests_unit_test_relay_CFLAGS = $(BROKER_TEST_CFLAGS)
tests_unit_test_relay_LDADD = $(BROKER_TEST_LDADD)
check_PROGRAMS += tests/unit/test_broker
tests_unit_test_broker_SOURCES = tests/unit/test_broker.c tests/unit/broker_world.c tests/unit/broker_world.h \
	tests/unit/tls_peers.c tests/unit/tls_peers.h tests/unit/tempdir.h $(broker_test_files)
tests_unit_test_broker_CFLAGS = $(BROKER_TEST_CFLAGS) $(OPENSSL_CFLAGS)
tests_unit_test_broker_LDADD = $(BROKER_TEST_LDADD) $(OPENSSL_LIBS)
check_PROGRAMS += tests/unit/test_access_point
tests_unit_test_access_point_SOURCES = tests/unit/test_access_point.c tests/unit/tls_peers.c tests/unit/tls_peers.h \
	tests/unit/tempdir.h $(broker_test_files)
tests_unit_test_access_point_CFLAGS = $(BROKER_TEST_CFLAGS) $(OPENSSL_CFLAGS)
tests_unit_test_access_point_LDADD = $(BROKER_TEST_LDADD) $(OPENSSL_LIBS)
check_PROGRAMS += tests/unit/test_query
tests_unit_test_query_SOURCES = tests/unit/test_query.c tests/unit/broker_world.c tests/unit/broker_world.h \
	tests/unit/tls_peers.c tests/unit/tls_peers.h tests/unit/tempdir.h $(broker_test_files)
tests_unit_test_query_CFLAGS = $(BROKER_TEST_CFLAGS) $(OPENSSL_CFLAGS)
tests_unit_test_query_LDADD = $(BROKER_TEST_LDADD) $(OPENSSL_LIBS)
check_PROGRAMS += tests/unit/test_flood_broker
tests_unit_test_flood_broker_SOURCES = tests/unit/test_flood_broker.c tests/unit/flood.c tests/unit/flood.h \
	tests/unit/broker_world.c tests/unit/broker_world.h \
	tests/unit/tls_peers.c tests/unit/tls_peers.h tests/unit/tempdir.h $(broker_test_files)
tests_unit_test_flood_broker_CFLAGS = $(BROKER_TEST_CFLAGS) $(OPENSSL_CFLAGS)
tests_unit_test_flood_broker_LDADD = $(BROKER_TEST_LDADD) $(OPENSSL_LIBS)
