# SPDX-License-Identifier: GPL-2.0-or-later
"""Peak memory of engine and receiver together stays below 96 MiB with one active cycle."""
import replication as rep
from case import require, say

TIMEOUT = 240


def run(lab):
    rep.ensure(lab)
    lab.guest("fill 48 0")
    rep.sync(lab)
    total = 0
    sides = {"A": lab.wait_resource("web1"), "B": lab.wait_resource("web1-a-replica", site="B")}
    for site, node in sides.items():
        for name in ("engine", "receiver"):
            pid = lab.on(node, f"cat /run/vmreplica/{name}.pid").strip()
            peak = int(lab.on(node, f"awk '/VmHWM/ {{print $2}}' /proc/{pid}/status"))
            say(f"{site} {node} {name}: peak {peak >> 10} MiB")
            if (site, name) in (("A", "engine"), ("B", "receiver")):
                total += peak
    say(f"sender and receiver together: {total >> 10} MiB")
    require(total < 96 << 10, f"{total >> 10} MiB")
