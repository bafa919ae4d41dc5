#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The systemd units' exposure by systemd's own judgement, which needs no running systemd. Tenths.
# Run by make check in the build folder, where the units are made.
set -u
faults=0

limit=20

if ! command -v systemd-analyze >/dev/null ||
	! systemd-analyze --help | grep -q -- --threshold; then
	echo "skipped: no systemd-analyze that judges units"
	exit 77
fi
for unit in packaging/vmreplica-broker.service packaging/vmreplica-engine.service packaging/vmreplica-net.service; do
	name=${unit##*/}
	name=${name%.service}
	verdict=$(systemd-analyze security --offline=true --no-pager --threshold=$limit "$unit" 2>&1)
	if [[ $? -ne 0 || $verdict != *"Overall exposure level for $name"* ]]; then
		echo "FAIL: $name is above $limit tenths"
		faults=$((faults + 1))
	fi
	grep Overall <<<"$verdict"
done
# A unit without a word of restriction must not pass: the judge judges.
plain=$(mktemp -d)
trap 'rm -rf "$plain"' EXIT
printf '[Service]\nExecStart=/bin/true\n' >"$plain/vmreplica-plain.service"
if systemd-analyze security --offline=true --no-pager --threshold=$limit "$plain/vmreplica-plain.service" >/dev/null 2>&1; then
	echo "FAIL: an unrestricted unit passes"
	faults=$((faults + 1))
fi
exit $((faults > 0))
