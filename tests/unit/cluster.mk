# SPDX-License-Identifier: GPL-2.0-or-later
EXTRA_DIST += tests/fixtures/cib/base.xml

noinst_PROGRAMS += cib_example
cib_example_SOURCES = tests/unit/cib_example.c tests/unit/cib_session.c tests/unit/cib_session.h
cib_example_CFLAGS = $(cluster_cflags) $(QB_CFLAGS)
cib_example_LDADD = libvmr-cluster.la

dist_check_SCRIPTS += tests/unit/pcs-equality.sh
