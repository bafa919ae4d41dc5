# SPDX-License-Identifier: GPL-2.0-or-later
# agents: OCF resource agents in POSIX sh. What they share knows the installed programs' paths.
AGENTS = agents/broker agents/engine agents/guard agents/vm
agent_SCRIPTS += $(AGENTS)
EXTRA_DIST += $(AGENTS) agents/vmreplica-shellfuncs.in
ocflibdir = $(ocfdir)/lib/vmreplica
nodist_ocflib_DATA = agents/vmreplica-shellfuncs
CLEANFILES += agents/vmreplica-shellfuncs
agents/vmreplica-shellfuncs: $(srcdir)/agents/vmreplica-shellfuncs.in Makefile
	$(AM_V_GEN)$(MKDIR_P) agents && $(SED) -e 's|@bindir[@]|$(bindir)|g' -e 's|@sbindir[@]|$(sbindir)|g' \
		-e 's|@daemondir[@]|$(daemondir)|g' $(srcdir)/agents/vmreplica-shellfuncs.in >$@.new && mv $@.new $@
