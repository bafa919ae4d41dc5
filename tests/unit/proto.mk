# SPDX-License-Identifier: GPL-2.0-or-later
# Tests of proto/.
proto_test_cflags = $(AM_CFLAGS) $(CUNIT_CFLAGS) $(PROTOBUF_C_CFLAGS) $(QB_CFLAGS) -Wno-cast-qual -Wno-undef
proto_test_ldadd = libvmr-proto.la $(CUNIT_LIBS)

check_PROGRAMS += tests/unit/test_channel
tests_unit_test_channel_SOURCES = tests/unit/test_channel.c tests/unit/tls_peers.c tests/unit/tls_peers.h tests/unit/tempdir.h
tests_unit_test_channel_CFLAGS = $(proto_test_cflags) $(OPENSSL_CFLAGS)
tests_unit_test_channel_LDADD = $(proto_test_ldadd) $(OPENSSL_LIBS)

check_PROGRAMS += tests/unit/test_codec
tests_unit_test_codec_SOURCES = tests/unit/test_codec.c
tests_unit_test_codec_CFLAGS = $(proto_test_cflags)
tests_unit_test_codec_LDADD = $(proto_test_ldadd)

check_PROGRAMS += tests/unit/test_extent_file
tests_unit_test_extent_file_SOURCES = tests/unit/test_extent_file.c tests/unit/tempdir.h
tests_unit_test_extent_file_CFLAGS = $(proto_test_cflags)
tests_unit_test_extent_file_LDADD = $(proto_test_ldadd)

check_PROGRAMS += tests/unit/test_frame
tests_unit_test_frame_SOURCES = tests/unit/test_frame.c
tests_unit_test_frame_CFLAGS = $(proto_test_cflags)
tests_unit_test_frame_LDADD = $(proto_test_ldadd)

check_PROGRAMS += tests/unit/test_link
tests_unit_test_link_SOURCES = tests/unit/test_link.c
tests_unit_test_link_CFLAGS = $(proto_test_cflags)
tests_unit_test_link_LDADD = $(proto_test_ldadd) $(QB_LIBS)

check_PROGRAMS += tests/unit/test_logfile
tests_unit_test_logfile_SOURCES = tests/unit/test_logfile.c tests/unit/tempdir.h
tests_unit_test_logfile_CFLAGS = $(proto_test_cflags)
tests_unit_test_logfile_LDADD = $(proto_test_ldadd)

check_PROGRAMS += tests/unit/test_names
tests_unit_test_names_SOURCES = tests/unit/test_names.c
tests_unit_test_names_CFLAGS = $(proto_test_cflags)
tests_unit_test_names_LDADD = $(proto_test_ldadd)

check_PROGRAMS += tests/unit/test_version
tests_unit_test_version_SOURCES = tests/unit/test_version.c
tests_unit_test_version_CFLAGS = $(proto_test_cflags)
tests_unit_test_version_LDADD = $(proto_test_ldadd)

check_PROGRAMS += tests/unit/test_validate
tests_unit_test_validate_SOURCES = tests/unit/test_validate.c
tests_unit_test_validate_CFLAGS = $(proto_test_cflags)
tests_unit_test_validate_LDADD = $(proto_test_ldadd)

check_PROGRAMS += tests/unit/test_message_copy
tests_unit_test_message_copy_CFLAGS = $(proto_test_cflags)
tests_unit_test_message_copy_LDADD = $(proto_test_ldadd)

check_PROGRAMS += tests/unit/test_point_search
tests_unit_test_point_search_SOURCES = tests/unit/test_point_search.c
tests_unit_test_point_search_CFLAGS = $(proto_test_cflags)
tests_unit_test_point_search_LDADD = $(proto_test_ldadd)

check_PROGRAMS += tests/unit/test_point_select
tests_unit_test_point_select_SOURCES = tests/unit/test_point_select.c
tests_unit_test_point_select_CFLAGS = $(proto_test_cflags)
tests_unit_test_point_select_LDADD = $(proto_test_ldadd)

check_PROGRAMS += tests/unit/test_vm_state
tests_unit_test_vm_state_SOURCES = tests/unit/test_vm_state.c
tests_unit_test_vm_state_CFLAGS = $(proto_test_cflags)
tests_unit_test_vm_state_LDADD = $(proto_test_ldadd)
