# SPDX-License-Identifier: GPL-2.0-or-later
# The libvirt source. The live programs skip by themselves; check-source-live.sh gives them hosts to run in.
SOURCE_LIVE = tests/unit/live_source.c tests/unit/live_source.h tests/unit/live_host.c tests/unit/live_host.h
check_PROGRAMS += tests/unit/test_source_live tests/unit/test_source_harm
dist_check_SCRIPTS += tests/unit/check-source-live.sh tests/unit/check-source-harm.sh
EXTRA_DIST += tests/unit/live-libvirt.sh
tests_unit_test_source_live_SOURCES = tests/unit/test_source_live.c $(SOURCE_LIVE) tests/unit/unit.h
tests_unit_test_source_live_CFLAGS = $(AM_CFLAGS) $(CUNIT_CFLAGS) $(PROTOBUF_C_CFLAGS)
tests_unit_test_source_live_LDADD = libvmr-engine.la $(CUNIT_LIBS)
tests_unit_test_source_harm_SOURCES = tests/unit/test_source_harm.c $(SOURCE_LIVE) tests/unit/unit.h
tests_unit_test_source_harm_CFLAGS = $(AM_CFLAGS) $(CUNIT_CFLAGS) $(PROTOBUF_C_CFLAGS)
tests_unit_test_source_harm_LDADD = libvmr-engine.la $(CUNIT_LIBS)
