#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The pcs commands that `protect --dry-run` prints end in the same configuration as what vmreplica-cib does itself, with
# the same ids; the result is valid; and deleting takes all of it away again. Needs root (a mount namespace
# shows pcs our agent) and pcs.
set -eu

top=${abs_top_srcdir:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${abs_top_builddir:-$PWD}
agent=$top/agents/vm
base=$top/tests/fixtures/cib/base.xml

skip() {
	echo "skipped: $1"
	exit 77
}

if [ "${1-}" != inside ]; then
	for tool in pcs crm_verify crm_mon xmllint unshare; do
		command -v "$tool" >/dev/null 2>&1 || skip "$tool is missing"
	done
	[ "$(id -u)" = 0 ] || skip "needs root"
	[ -d /usr/lib/ocf/resource.d ] || skip "no OCF agents are installed"
	unshare -m true 2>/dev/null || skip "no mount namespaces here"
	exec unshare -m sh "$0" inside
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export VMREPLICA_CIB_HELPER="$build/vmreplica-cib"

# An OCF directory that has what is there, and our agent beside it.
mkdir -p "$work/ocf/vmreplica"
cp -a /usr/lib/ocf/resource.d/. "$work/ocf/"
cp "$agent" "$work/ocf/vmreplica/vm"
chmod 755 "$work/ocf/vmreplica/vm"
mount --bind "$work/ocf" /usr/lib/ocf/resource.d

# What counts is the configuration; epochs and the time of the change differ.
canonical() {
	xmllint --noblanks "$1" | xmllint --xpath /cib/configuration - | xmllint --c14n -
}

for number in 0 1; do
	cp "$base" "$work/ours.xml"
	cp "$base" "$work/pcs.xml"
	"$build/tests/unit/cib_example" create "$number" "$work/ours.xml"
	"$build/tests/unit/cib_example" commands "$number" >"$work/commands"
	cat "$work/commands"
	sed "s|^pcs |pcs -f $work/pcs.xml |" "$work/commands" >"$work/run"
	sh -e "$work/run"
	canonical "$work/ours.xml" >"$work/ours"
	canonical "$work/pcs.xml" >"$work/pcs"
	diff "$work/ours" "$work/pcs"
	CIB_file="$work/ours.xml" crm_verify --live-check -V
	"$build/tests/unit/cib_example" delete "$number" "$work/ours.xml"
	canonical "$work/ours.xml" >"$work/ours"
	canonical "$base" >"$work/before"
	diff "$work/ours" "$work/before"
done
echo "the configurations are the same"
