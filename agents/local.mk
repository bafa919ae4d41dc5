# SPDX-License-Identifier: GPL-2.0-or-later
# agents: OCF resource agents in POSIX sh. What they share knows the installed programs' paths.
AGENTS = agents/broker agents/engine agents/guard agents/vm
agent_SCRIPTS += $(AGENTS)
AGENT_FUNCTIONS = agents/vmreplica-shellfuncs agents/vmreplica-vm-parameters
EXTRA_DIST += $(AGENTS) $(AGENT_FUNCTIONS:=.in)
ocflibdir = $(ocfdir)/lib/vmreplica
nodist_ocflib_DATA = $(AGENT_FUNCTIONS)
CLEANFILES += $(AGENT_FUNCTIONS)
$(AGENT_FUNCTIONS): agents/%: $(srcdir)/agents/%.in Makefile
	$(AM_V_GEN)$(MKDIR_P) agents && $(SED) -e 's|@bindir[@]|$(bindir)|g' -e 's|@sbindir[@]|$(sbindir)|g' \
		-e 's|@daemondir[@]|$(daemondir)|g' $< >$@.new && mv $@.new $@
