# SPDX-License-Identifier: GPL-2.0-or-later
# packaging: what a host needs beside the programs.
SERVICE_UNITS = packaging/vmreplica-engine.service packaging/vmreplica-broker.service packaging/vmreplica-net.service
EXTRA_DIST += packaging/vmreplica-engine.service.in packaging/vmreplica-broker.service.in \
	packaging/vmreplica-net.service.in packaging/vmreplica-net.socket \
	packaging/vmreplica.sysusers packaging/vmreplica.tmpfiles packaging/vmreplica.conf \
	packaging/vmreplica.bash-completion packaging/libvirt-hook

systemunitdir = $(prefix)/lib/systemd/system
nodist_systemunit_DATA = $(SERVICE_UNITS)
systemunit_DATA = packaging/vmreplica-net.socket
CLEANFILES += $(SERVICE_UNITS)
packaging/%.service: $(srcdir)/packaging/%.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) packaging && $(SED) -e 's|@sbindir[@]|$(sbindir)|g' -e 's|@sysconfdir[@]|$(sysconfdir)|g' \
		-e 's|@localstatedir[@]|$(localstatedir)|g' -e 's|@daemondir[@]|$(daemondir)|g' $< >$@.new && mv $@.new $@

# Their names there are not their names here, hence the rules by hand. vmreplica.conf is an example:
# the one in /etc is the administrator's and is never overwritten.
sysusersdir = $(prefix)/lib/sysusers.d
tmpfilesdir = $(prefix)/lib/tmpfiles.d
completiondir = $(datadir)/bash-completion/completions
hookdir = $(sysconfdir)/libvirt/hooks/qemu.d
exampledir = $(datadir)/doc/vmreplica/examples
dist_example_DATA = packaging/vmreplica.conf
dist_doc_DATA = README.md ARCHITECTURE.md NEWS

install-data-local:
	$(MKDIR_P) "$(DESTDIR)$(sysusersdir)" "$(DESTDIR)$(tmpfilesdir)" "$(DESTDIR)$(completiondir)"
	$(INSTALL_DATA) $(srcdir)/packaging/vmreplica.sysusers "$(DESTDIR)$(sysusersdir)/vmreplica.conf"
	$(INSTALL_DATA) $(srcdir)/packaging/vmreplica.tmpfiles "$(DESTDIR)$(tmpfilesdir)/vmreplica.conf"
	$(INSTALL_DATA) $(srcdir)/packaging/vmreplica.bash-completion "$(DESTDIR)$(completiondir)/vmreplica"
	$(MKDIR_P) "$(DESTDIR)$(hookdir)"
	$(INSTALL_SCRIPT) $(srcdir)/packaging/libvirt-hook "$(DESTDIR)$(hookdir)/vmreplica"

uninstall-local:
	rm -f "$(DESTDIR)$(sysusersdir)/vmreplica.conf" "$(DESTDIR)$(tmpfilesdir)/vmreplica.conf" \
		"$(DESTDIR)$(completiondir)/vmreplica" "$(DESTDIR)$(hookdir)/vmreplica"
