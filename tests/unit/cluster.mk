# SPDX-License-Identifier: GPL-2.0-or-later
# Tests of cluster/. The helper is tested for real, on a file in the place of the CIB.
cluster_test_cflags = $(cluster_cflags) $(QB_CFLAGS) $(CUNIT_CFLAGS) \
	-DTEST_FIXTURES='"$(abs_top_srcdir)/tests/fixtures"' -DTEST_BUILDDIR='"$(abs_top_builddir)"'
cluster_test_ldadd = libvmr-cluster.la $(CUNIT_LIBS)
cib_session_sources = tests/unit/cib_session.c tests/unit/cib_session.h tests/unit/files.h tests/unit/tempdir.h

check_PROGRAMS += tests/unit/test_cib_client
tests_unit_test_cib_client_SOURCES = tests/unit/test_cib_client.c tests/unit/loop_wait.h $(cib_session_sources)
tests_unit_test_cib_client_CFLAGS = $(cluster_test_cflags)
tests_unit_test_cib_client_LDADD = $(cluster_test_ldadd)

check_PROGRAMS += tests/unit/test_cib_domain
tests_unit_test_cib_domain_SOURCES = tests/unit/test_cib_domain.c tests/unit/golden.h $(cib_session_sources)
tests_unit_test_cib_domain_CFLAGS = $(cluster_test_cflags)
tests_unit_test_cib_domain_LDADD = $(cluster_test_ldadd)
EXTRA_DIST += tests/fixtures/cib/create-domain.golden tests/fixtures/cib/switch.golden

check_PROGRAMS += tests/unit/test_cib_helper
tests_unit_test_cib_helper_SOURCES = tests/unit/test_cib_helper.c $(cib_session_sources)
tests_unit_test_cib_helper_CFLAGS = $(cluster_test_cflags)
tests_unit_test_cib_helper_LDADD = $(cluster_test_ldadd)

check_PROGRAMS += tests/unit/test_cib_templates
tests_unit_test_cib_templates_SOURCES = tests/unit/test_cib_templates.c $(cib_session_sources)
tests_unit_test_cib_templates_CFLAGS = $(cluster_test_cflags)
tests_unit_test_cib_templates_LDADD = $(cluster_test_ldadd)

check_PROGRAMS += tests/unit/test_epoch
tests_unit_test_epoch_SOURCES = tests/unit/test_epoch.c tests/unit/golden.h
tests_unit_test_epoch_CFLAGS = $(cluster_test_cflags)
tests_unit_test_epoch_LDADD = $(cluster_test_ldadd)
EXTRA_DIST += tests/fixtures/cluster

check_PROGRAMS += tests/unit/test_pcs_commands
tests_unit_test_pcs_commands_SOURCES = tests/unit/test_pcs_commands.c $(cib_session_sources)
tests_unit_test_pcs_commands_CFLAGS = $(cluster_test_cflags)
tests_unit_test_pcs_commands_LDADD = $(cluster_test_ldadd)

check_PROGRAMS += tests/unit/test_placement
tests_unit_test_placement_SOURCES = tests/unit/test_placement.c tests/unit/files.h
tests_unit_test_placement_CFLAGS = $(cluster_test_cflags)
tests_unit_test_placement_LDADD = $(cluster_test_ldadd)

check_PROGRAMS += tests/unit/test_placement_choose
tests_unit_test_placement_choose_SOURCES = tests/unit/test_placement_choose.c
tests_unit_test_placement_choose_CFLAGS = $(cluster_test_cflags)
tests_unit_test_placement_choose_LDADD = $(cluster_test_ldadd)

check_PROGRAMS += tests/unit/test_quorum
tests_unit_test_quorum_SOURCES = tests/unit/test_quorum.c
tests_unit_test_quorum_CFLAGS = $(cluster_test_cflags)
tests_unit_test_quorum_LDADD = $(cluster_test_ldadd)

check_PROGRAMS += tests/unit/test_standalone
tests_unit_test_standalone_SOURCES = tests/unit/test_standalone.c tests/unit/loop_wait.h $(cib_session_sources)
tests_unit_test_standalone_CFLAGS = $(cluster_test_cflags)
tests_unit_test_standalone_LDADD = $(cluster_test_ldadd)

# What `protect --dry-run` prints against what vmreplica-cib does.
noinst_PROGRAMS += tests/unit/cib_example
tests_unit_cib_example_SOURCES = tests/unit/cib_example.c $(cib_session_sources)
tests_unit_cib_example_CFLAGS = $(cluster_test_cflags)
tests_unit_cib_example_LDADD = libvmr-cluster.la
dist_check_SCRIPTS += tests/unit/pcs-equality.sh

placement_fixtures = blocked failed group maintenance migrating-from migrating-to monitoring orphan running standby \
	starting stopped stopping two-nodes unclean unmanaged
EXTRA_DIST += tests/fixtures/cib/base.xml tests/fixtures/placement/generate.py \
	$(placement_fixtures:%=tests/fixtures/placement/%.xml) $(placement_fixtures:%=tests/fixtures/placement/%.txt)
