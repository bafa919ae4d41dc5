# SPDX-License-Identifier: GPL-2.0-or-later
"""Peak memory of engine and receiver together stays below 96 MiB with one active cycle."""
import replication as rep
from case import require, say

TIMEOUT = 240


def run(lab):
    rep.ensure(lab)
    lab.guest("fill 48 0")
    rep.sync(lab)
    total = peak(lab, lab.wait_resource("web1"), "vmreplica-engine")
    total += peak(lab, lab.wait_resource("web1-a-replica", site="B"), "vmreplica-receiver")
    say(f"sender and receiver together: {total >> 10} MiB")
    require(total < 96 << 10, f"{total >> 10} MiB")


def peak(lab, node, program):
    """KiB; a program's name is longer than the kernel's comm."""
    pid = lab.on(node, f"ps -eo pid,args | awk '$2 ~ /{program}$/ {{print $1; exit}}'").strip()
    found = int(lab.on(node, f"awk '/VmHWM/ {{print $2}}' /proc/{pid}/status"))
    say(f"{node} {program}: peak {found >> 10} MiB")
    return found
