# SPDX-License-Identifier: GPL-2.0-or-later
# libFuzzer targets, one for each parser of foreign bytes. tests/fuzz/run builds and runs them all.
if FUZZERS
fuzz_cflags = $(AM_CFLAGS) $(PROTOBUF_C_CFLAGS) -UNDEBUG -Wno-cast-qual -Wno-undef
fuzz_ldflags = -fsanitize=fuzzer,address,undefined

noinst_PROGRAMS += tests/fuzz/fuzz_frame
tests_fuzz_fuzz_frame_SOURCES = tests/fuzz/fuzz_frame.c
tests_fuzz_fuzz_frame_CFLAGS = $(fuzz_cflags)
tests_fuzz_fuzz_frame_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_frame_LDADD = libvmr-proto.la

noinst_PROGRAMS += tests/fuzz/fuzz_logfile
tests_fuzz_fuzz_logfile_SOURCES = tests/fuzz/fuzz_logfile.c
tests_fuzz_fuzz_logfile_CFLAGS = $(fuzz_cflags)
tests_fuzz_fuzz_logfile_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_logfile_LDADD = libvmr-proto.la

noinst_PROGRAMS += tests/fuzz/fuzz_domain
tests_fuzz_fuzz_domain_SOURCES = tests/fuzz/fuzz_domain.c
tests_fuzz_fuzz_domain_CFLAGS = $(fuzz_cflags) $(LIBXML2_CFLAGS)
tests_fuzz_fuzz_domain_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_domain_LDADD = libvmr-engine.la

noinst_PROGRAMS += tests/fuzz/fuzz_placement
tests_fuzz_fuzz_placement_SOURCES = tests/fuzz/fuzz_placement.c
tests_fuzz_fuzz_placement_CFLAGS = $(fuzz_cflags) $(LIBXML2_CFLAGS)
tests_fuzz_fuzz_placement_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_placement_LDADD = libvmr-cluster.la

noinst_PROGRAMS += tests/fuzz/fuzz_vm_state
tests_fuzz_fuzz_vm_state_SOURCES = tests/fuzz/fuzz_vm_state.c
tests_fuzz_fuzz_vm_state_CFLAGS = $(fuzz_cflags)
tests_fuzz_fuzz_vm_state_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_vm_state_LDADD = libvmr-proto.la

noinst_PROGRAMS += tests/fuzz/make_corpus
tests_fuzz_make_corpus_SOURCES = tests/fuzz/make_corpus.c
tests_fuzz_make_corpus_CFLAGS = $(fuzz_cflags)
tests_fuzz_make_corpus_LDADD = libvmr-proto.la
endif
EXTRA_DIST += tests/fuzz/run tests/fuzz/corpus
