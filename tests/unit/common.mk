# SPDX-License-Identifier: GPL-2.0-or-later
# Tests of common/, and the rule of who may include whom.
common_test_cflags = $(AM_CFLAGS) $(CUNIT_CFLAGS)
common_test_ldadd = libvmr-common.la $(CUNIT_LIBS)

check_PROGRAMS += tests/unit/test_buffer
tests_unit_test_buffer_SOURCES = tests/unit/test_buffer.c tests/unit/unit.h
tests_unit_test_buffer_CFLAGS = $(common_test_cflags)
tests_unit_test_buffer_LDADD = $(common_test_ldadd)

check_PROGRAMS += tests/unit/test_client_hello
tests_unit_test_client_hello_SOURCES = tests/unit/test_client_hello.c tests/unit/tls_peers.c tests/unit/tls_peers.h tests/unit/tempdir.h
tests_unit_test_client_hello_CFLAGS = $(common_test_cflags) $(OPENSSL_CFLAGS)
tests_unit_test_client_hello_LDADD = $(common_test_ldadd) $(OPENSSL_LIBS)

check_PROGRAMS += tests/unit/test_clock
tests_unit_test_clock_SOURCES = tests/unit/test_clock.c
tests_unit_test_clock_CFLAGS = $(common_test_cflags)
tests_unit_test_clock_LDADD = $(common_test_ldadd)

check_PROGRAMS += tests/unit/test_config
tests_unit_test_config_SOURCES = tests/unit/test_config.c tests/unit/tempdir.h
tests_unit_test_config_CFLAGS = $(common_test_cflags)
tests_unit_test_config_LDADD = $(common_test_ldadd)

check_PROGRAMS += tests/unit/test_handshakes
tests_unit_test_handshakes_SOURCES = tests/unit/test_handshakes.c tests/unit/tls_peers.c tests/unit/tls_peers.h tests/unit/tempdir.h
tests_unit_test_handshakes_CFLAGS = $(common_test_cflags) $(OPENSSL_CFLAGS)
tests_unit_test_handshakes_LDADD = $(common_test_ldadd) $(OPENSSL_LIBS)

check_PROGRAMS += tests/unit/test_log
tests_unit_test_log_SOURCES = tests/unit/test_log.c tests/unit/tempdir.h
tests_unit_test_log_CFLAGS = $(common_test_cflags)
tests_unit_test_log_LDADD = $(common_test_ldadd)

check_PROGRAMS += tests/unit/test_pki
tests_unit_test_pki_SOURCES = tests/unit/test_pki.c tests/unit/tempdir.h
tests_unit_test_pki_CFLAGS = $(common_test_cflags)
tests_unit_test_pki_LDADD = $(common_test_ldadd)

check_PROGRAMS += tests/unit/test_rate
tests_unit_test_rate_SOURCES = tests/unit/test_rate.c
tests_unit_test_rate_CFLAGS = $(common_test_cflags)
tests_unit_test_rate_LDADD = $(common_test_ldadd)

check_PROGRAMS += tests/unit/test_sha256
tests_unit_test_sha256_SOURCES = tests/unit/test_sha256.c
tests_unit_test_sha256_CFLAGS = $(common_test_cflags)
tests_unit_test_sha256_LDADD = $(common_test_ldadd)

check_PROGRAMS += tests/unit/test_revocation
tests_unit_test_revocation_SOURCES = tests/unit/test_revocation.c tests/unit/tls_peers.c tests/unit/tls_peers.h tests/unit/tempdir.h
tests_unit_test_revocation_CFLAGS = $(common_test_cflags) $(OPENSSL_CFLAGS)
tests_unit_test_revocation_LDADD = $(common_test_ldadd) $(OPENSSL_LIBS)

check_PROGRAMS += tests/unit/test_tls
tests_unit_test_tls_SOURCES = tests/unit/test_tls.c tests/unit/tls_peers.c tests/unit/tls_peers.h tests/unit/tempdir.h
tests_unit_test_tls_CFLAGS = $(common_test_cflags) $(OPENSSL_CFLAGS)
tests_unit_test_tls_LDADD = $(common_test_ldadd) $(OPENSSL_LIBS)

check_PROGRAMS += tests/unit/test_unix_socket
tests_unit_test_unix_socket_SOURCES = tests/unit/test_unix_socket.c tests/unit/tempdir.h
tests_unit_test_unix_socket_CFLAGS = $(common_test_cflags)
tests_unit_test_unix_socket_LDADD = $(common_test_ldadd)

check_PROGRAMS += tests/unit/test_workers
tests_unit_test_workers_SOURCES = tests/unit/test_workers.c
tests_unit_test_workers_CFLAGS = $(common_test_cflags) $(QB_CFLAGS)
tests_unit_test_workers_LDADD = $(common_test_ldadd) $(QB_LIBS)

check_PROGRAMS += tests/unit/test_daemon_arguments
tests_unit_test_daemon_arguments_SOURCES = tests/unit/test_daemon_arguments.c
tests_unit_test_daemon_arguments_CFLAGS = $(common_test_cflags)
tests_unit_test_daemon_arguments_LDADD = $(common_test_ldadd)

check_PROGRAMS += tests/unit/test_nbd
tests_unit_test_nbd_SOURCES = tests/unit/test_nbd.c tests/unit/tempdir.h
tests_unit_test_nbd_CFLAGS = $(common_test_cflags)
tests_unit_test_nbd_LDADD = libvmr-nbd.la $(CUNIT_LIBS)

dist_check_SCRIPTS += tests/unit/include-rule.sh tests/unit/unit-exposure.sh

check_PROGRAMS += tests/unit/test_confine
tests_unit_test_confine_SOURCES = tests/unit/test_confine.c tests/unit/tempdir.h
tests_unit_test_confine_CFLAGS = $(common_test_cflags)
tests_unit_test_confine_LDADD = libvmr-confine.la $(common_test_ldadd)

check_PROGRAMS += tests/unit/test_tls_cost
tests_unit_test_tls_cost_SOURCES = tests/unit/test_tls_cost.c tests/unit/tls_peers.c tests/unit/tls_peers.h tests/unit/tempdir.h
tests_unit_test_tls_cost_CFLAGS = $(common_test_cflags) $(OPENSSL_CFLAGS)
tests_unit_test_tls_cost_LDADD = $(common_test_ldadd) $(OPENSSL_LIBS)

check_PROGRAMS += tests/unit/test_admission
tests_unit_test_admission_SOURCES = tests/unit/test_admission.c
tests_unit_test_admission_CFLAGS = $(common_test_cflags)
tests_unit_test_admission_LDADD = $(common_test_ldadd)

check_PROGRAMS += tests/unit/test_tls_expiry
tests_unit_test_tls_expiry_SOURCES = tests/unit/test_tls_expiry.c tests/unit/tempdir.h
tests_unit_test_tls_expiry_CFLAGS = $(common_test_cflags)
tests_unit_test_tls_expiry_LDADD = $(common_test_ldadd)

check_PROGRAMS += tests/unit/test_net_door
tests_unit_test_net_door_SOURCES = tests/unit/test_net_door.c tests/unit/tempdir.h
tests_unit_test_net_door_CFLAGS = $(common_test_cflags) -DTEST_BUILDDIR='"$(abs_top_builddir)"'
tests_unit_test_net_door_LDADD = $(common_test_ldadd)
