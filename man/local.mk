# SPDX-License-Identifier: GPL-2.0-or-later
# man: one page a program, and one an agent, generated from the agent's metadata.
dist_man_MANS += man/vmreplica-broker.8 man/vmreplica-engine.8 man/vmreplica.1 man/vmreplica.conf.5 man/vmreplica-receiver.8 man/vmreplica-freeze.8 man/vmreplica-cib.8 man/vmreplica-net.8

AGENT_PAGES = man/ocf_vmreplica_broker.7 man/ocf_vmreplica_engine.7 man/ocf_vmreplica_guard.7 man/ocf_vmreplica_vm.7
man_MANS = $(AGENT_PAGES)
CLEANFILES += $(AGENT_PAGES)
EXTRA_DIST += man/agent-page.awk
man/ocf_vmreplica_%.7: $(srcdir)/agents/% $(srcdir)/man/agent-page.awk
	$(AM_V_GEN)$(MKDIR_P) man && $(SHELL) $< meta-data >$@.xml && \
		$(AWK) -v version=$(VERSION) -f $(srcdir)/man/agent-page.awk <$@.xml >$@.new && \
		rm -f $@.xml && mv $@.new $@
