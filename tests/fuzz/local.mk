# SPDX-License-Identifier: GPL-2.0-or-later
# libFuzzer targets, one for each parser of foreign bytes. tests/fuzz/run builds and runs them all.
if FUZZERS
fuzz_cflags = $(AM_CFLAGS) $(PROTOBUF_C_CFLAGS) $(LIBXML2_CFLAGS) $(JANSSON_CFLAGS) -I$(srcdir)/tests/fuzz -UNDEBUG \
	-Wno-cast-qual -Wno-undef
fuzz_ldflags = -fsanitize=fuzzer,address,undefined

# Mutators that know the structure, and what targets share.
noinst_LTLIBRARIES += libvmr-fuzz.la
libvmr_fuzz_la_SOURCES = tests/fuzz/fuzz.h \
	tests/fuzz/message_promise.c tests/fuzz/message_promise.h \
	tests/fuzz/mutate_json.c tests/fuzz/mutate_json.h \
	tests/fuzz/mutate_message.c tests/fuzz/mutate_message.h \
	tests/fuzz/mutate_pieces.c tests/fuzz/mutate_pieces.h \
	tests/fuzz/mutate_value.c tests/fuzz/mutate_value.h \
	tests/fuzz/mutate_xml.c tests/fuzz/mutate_xml.h \
	tests/fuzz/scratch_file.c tests/fuzz/scratch_file.h
libvmr_fuzz_la_CFLAGS = $(fuzz_cflags)
libvmr_fuzz_la_LIBADD = libvmr-proto.la $(LIBXML2_LIBS) $(JANSSON_LIBS)

# Of the receiver what parses a store's files; all of it would take a minute to compile.
noinst_LTLIBRARIES += libvmr-fuzz-store.la
libvmr_fuzz_store_la_SOURCES = receiver/durable.c receiver/history.c receiver/manifest.c receiver/manifest_decode.c \
	receiver/manifest_encode.c receiver/manifest_points.c receiver/manifest_points_json.c receiver/manifest_states.c \
	receiver/manifest_sum.c receiver/manifest_takeover.c receiver/ownership.c
libvmr_fuzz_store_la_CFLAGS = $(fuzz_cflags)
libvmr_fuzz_store_la_LIBADD = libvmr-proto.la $(JANSSON_LIBS)

noinst_PROGRAMS += tests/fuzz/fuzz_admin
tests_fuzz_fuzz_admin_SOURCES = tests/fuzz/fuzz_admin.c
tests_fuzz_fuzz_admin_CFLAGS = $(fuzz_cflags)
tests_fuzz_fuzz_admin_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_admin_LDADD = libvmr-fuzz.la libvmr-engine.la

noinst_PROGRAMS += tests/fuzz/fuzz_config
tests_fuzz_fuzz_config_SOURCES = tests/fuzz/fuzz_config.c
tests_fuzz_fuzz_config_CFLAGS = $(fuzz_cflags)
tests_fuzz_fuzz_config_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_config_LDADD = libvmr-fuzz.la libvmr-engine.la

noinst_PROGRAMS += tests/fuzz/fuzz_domain
tests_fuzz_fuzz_domain_SOURCES = tests/fuzz/fuzz_domain.c
tests_fuzz_fuzz_domain_CFLAGS = $(fuzz_cflags)
tests_fuzz_fuzz_domain_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_domain_LDADD = libvmr-fuzz.la libvmr-engine.la

noinst_PROGRAMS += tests/fuzz/fuzz_extents
tests_fuzz_fuzz_extents_SOURCES = tests/fuzz/fuzz_extents.c
tests_fuzz_fuzz_extents_CFLAGS = $(fuzz_cflags)
tests_fuzz_fuzz_extents_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_extents_LDADD = libvmr-fuzz.la libvmr-proto.la

noinst_PROGRAMS += tests/fuzz/fuzz_frame
tests_fuzz_fuzz_frame_SOURCES = tests/fuzz/fuzz_frame.c
tests_fuzz_fuzz_frame_CFLAGS = $(fuzz_cflags)
tests_fuzz_fuzz_frame_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_frame_LDADD = libvmr-fuzz.la libvmr-proto.la

noinst_PROGRAMS += tests/fuzz/fuzz_history
tests_fuzz_fuzz_history_SOURCES = tests/fuzz/fuzz_history.c
tests_fuzz_fuzz_history_CFLAGS = $(fuzz_cflags)
tests_fuzz_fuzz_history_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_history_LDADD = libvmr-fuzz.la libvmr-fuzz-store.la

noinst_PROGRAMS += tests/fuzz/fuzz_logfile
tests_fuzz_fuzz_logfile_SOURCES = tests/fuzz/fuzz_logfile.c
tests_fuzz_fuzz_logfile_CFLAGS = $(fuzz_cflags)
tests_fuzz_fuzz_logfile_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_logfile_LDADD = libvmr-fuzz.la libvmr-proto.la

noinst_PROGRAMS += tests/fuzz/fuzz_manifest
tests_fuzz_fuzz_manifest_SOURCES = tests/fuzz/fuzz_manifest.c
tests_fuzz_fuzz_manifest_CFLAGS = $(fuzz_cflags)
tests_fuzz_fuzz_manifest_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_manifest_LDADD = libvmr-fuzz.la libvmr-fuzz-store.la

noinst_PROGRAMS += tests/fuzz/fuzz_media
tests_fuzz_fuzz_media_SOURCES = tests/fuzz/fuzz_media.c
tests_fuzz_fuzz_media_CFLAGS = $(fuzz_cflags)
tests_fuzz_fuzz_media_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_media_LDADD = libvmr-fuzz.la libvmr-engine.la

noinst_PROGRAMS += tests/fuzz/fuzz_message
tests_fuzz_fuzz_message_SOURCES = tests/fuzz/fuzz_message.c
tests_fuzz_fuzz_message_CFLAGS = $(fuzz_cflags)
tests_fuzz_fuzz_message_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_message_LDADD = libvmr-fuzz.la libvmr-cluster.la

noinst_PROGRAMS += tests/fuzz/fuzz_name
tests_fuzz_fuzz_name_SOURCES = tests/fuzz/fuzz_name.c
tests_fuzz_fuzz_name_CFLAGS = $(fuzz_cflags)
tests_fuzz_fuzz_name_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_name_LDADD = libvmr-fuzz.la libvmr-proto.la

noinst_PROGRAMS += tests/fuzz/fuzz_placement
tests_fuzz_fuzz_placement_SOURCES = tests/fuzz/fuzz_placement.c
tests_fuzz_fuzz_placement_CFLAGS = $(fuzz_cflags)
tests_fuzz_fuzz_placement_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_placement_LDADD = libvmr-fuzz.la libvmr-cluster.la

noinst_PROGRAMS += tests/fuzz/fuzz_setting
tests_fuzz_fuzz_setting_SOURCES = tests/fuzz/fuzz_setting.c
tests_fuzz_fuzz_setting_CFLAGS = $(fuzz_cflags)
tests_fuzz_fuzz_setting_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_setting_LDADD = libvmr-fuzz.la libvmr-engine.la

noinst_PROGRAMS += tests/fuzz/fuzz_vm_state
tests_fuzz_fuzz_vm_state_SOURCES = tests/fuzz/fuzz_vm_state.c
tests_fuzz_fuzz_vm_state_CFLAGS = $(fuzz_cflags)
tests_fuzz_fuzz_vm_state_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_vm_state_LDADD = libvmr-fuzz.la libvmr-proto.la

noinst_PROGRAMS += tests/fuzz/make_corpus
tests_fuzz_make_corpus_SOURCES = tests/fuzz/make_corpus.c tests/fuzz/make_corpus.h tests/fuzz/make_corpus_messages.c
tests_fuzz_make_corpus_CFLAGS = $(fuzz_cflags)
tests_fuzz_make_corpus_LDADD = libvmr-proto.la
endif
EXTRA_DIST += tests/fuzz/run tests/fuzz/corpus
