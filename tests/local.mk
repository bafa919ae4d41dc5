# SPDX-License-Identifier: GPL-2.0-or-later
# Unit tests: one CUnit program for each module's noun, listed by room. `make check` runs them, `make
# check-valgrind` under valgrind; what that leaves out is said in valgrind.skip.
check-valgrind:
	$(MAKE) $(AM_MAKEFLAGS) check LOG_COMPILER="$(abs_top_srcdir)/tests/sanitizers/valgrind"
.PHONY: check-valgrind

# Read by the sanitizers of a build that has any (configure --with-sanitizers).
EXTRA_DIST += tests/sanitizers
AM_TESTS_ENVIRONMENT = TSAN_OPTIONS="suppressions=$(abs_top_srcdir)/tests/sanitizers/tsan.supp:$$TSAN_OPTIONS"; \
	export TSAN_OPTIONS;

include tests/unit/common.mk
include tests/unit/proto.mk
include tests/unit/cluster.mk
include tests/unit/broker.mk
include tests/unit/engine.mk
include tests/unit/receiver.mk
include tests/unit/admin.mk
include tests/faults/local.mk
include tests/fuzz/local.mk
include tests/bench/local.mk
include tests/lab/local.mk
