# SPDX-License-Identifier: GPL-2.0-or-later
# Built on demand (`./lab bench`), not by `make` or `make check`.
EXTRA_PROGRAMS += tests/bench/bench_broker tests/bench/bench_relay tests/bench/bench_amplification
EXTRA_DIST += tests/bench/run tests/bench/bench_relay.sh
tests_bench_bench_broker_SOURCES = tests/bench/bench_broker.c tests/unit/broker_world.c tests/unit/broker_world.h \
	tests/unit/broker_fixture.h tests/unit/tls_peers.c tests/unit/tls_peers.h tests/unit/tempdir.h
tests_bench_bench_broker_CFLAGS = $(AM_CFLAGS) $(QB_CFLAGS) $(PROTOBUF_C_CFLAGS) $(OPENSSL_CFLAGS) -Wno-cast-qual -Wno-undef
tests_bench_bench_broker_LDADD = libvmr-broker.la $(OPENSSL_LIBS)
tests_bench_bench_relay_SOURCES = tests/bench/bench_relay.c tests/unit/tls_peers.c tests/unit/tls_peers.h tests/unit/tempdir.h
tests_bench_bench_relay_CFLAGS = $(AM_CFLAGS) $(QB_CFLAGS) $(PROTOBUF_C_CFLAGS) $(OPENSSL_CFLAGS) -Wno-cast-qual -Wno-undef
tests_bench_bench_relay_LDADD = libvmr-broker.la $(OPENSSL_LIBS)
tests_bench_bench_amplification_SOURCES = tests/bench/bench_amplification.c tests/bench/amplification.c \
	tests/bench/amplification.h
tests_bench_bench_amplification_CFLAGS = $(receiver_test_cflags)
tests_bench_bench_amplification_LDADD = $(receiver_rig_libs)
EXTRA_tests_bench_bench_amplification_DEPENDENCIES = vmreplica-receiver
