# SPDX-License-Identifier: GPL-2.0-or-later
# Faults of storage, memory and clock under the real receiver: short shares in `make check`, the
# whole in `./lab soak faults`.
faults_shared = tests/faults/faults.c tests/faults/faults.h tests/faults/shim.h
faults_libs = $(receiver_rig_libs)
faults_tests = \
	tests/faults/test_calls \
	tests/faults/test_power_loss \
	tests/faults/test_full_disk \
	tests/faults/test_clock_jumps \
	tests/faults/test_torn \
	tests/faults/test_wrong_frames
check_PROGRAMS += $(faults_tests)
$(faults_tests): vmreplica-receiver$(EXEEXT) tests/faults/shim.so
tests_faults_test_calls_SOURCES = tests/faults/test_calls.c $(faults_shared)
tests_faults_test_calls_CFLAGS = $(receiver_test_cflags)
tests_faults_test_calls_LDADD = $(faults_libs)

tests_faults_test_power_loss_SOURCES = tests/faults/test_power_loss.c tests/faults/replay.c \
	tests/faults/replay_make.c tests/faults/replay_parts.h tests/faults/replay.h $(faults_shared)
tests_faults_test_power_loss_CFLAGS = $(receiver_test_cflags)
tests_faults_test_power_loss_LDADD = $(faults_libs)

tests_faults_test_full_disk_SOURCES = tests/faults/test_full_disk.c $(faults_shared)
tests_faults_test_full_disk_CFLAGS = $(receiver_test_cflags)
tests_faults_test_full_disk_LDADD = $(faults_libs)
tests_faults_test_clock_jumps_SOURCES = tests/faults/test_clock_jumps.c $(faults_shared)
tests_faults_test_clock_jumps_CFLAGS = $(receiver_test_cflags)
tests_faults_test_clock_jumps_LDADD = $(faults_libs)

tests_faults_test_torn_SOURCES = tests/faults/test_torn.c $(faults_shared)
tests_faults_test_torn_CFLAGS = $(receiver_test_cflags)
tests_faults_test_torn_LDADD = $(faults_libs)

tests_faults_test_wrong_frames_SOURCES = tests/faults/test_wrong_frames.c $(faults_shared)
tests_faults_test_wrong_frames_CFLAGS = $(receiver_test_cflags)
tests_faults_test_wrong_frames_LDADD = $(faults_libs)

# Preloaded, into programs of others too: no sanitizer in it, and no warning about what it hides.
shim_sources = tests/faults/shim.c tests/faults/shim_files.c tests/faults/shim_record.c
EXTRA_DIST += $(shim_sources) tests/faults/shim_parts.h
CLEANFILES += tests/faults/shim.so
check_DATA += tests/faults/shim.so
tests/faults/shim.so: $(shim_sources) tests/faults/shim.h tests/faults/shim_parts.h
	$(AM_V_CC)$(MKDIR_P) tests/faults && $(CC) -shared -fPIC -O2 -g -Wall -Wextra -std=gnu11 \
		-D_GNU_SOURCE -I$(top_srcdir) -o $@ $(shim_sources:%=$(srcdir)/%) -ldl
