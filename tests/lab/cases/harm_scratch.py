# SPDX-License-Identifier: GPL-2.0-or-later
"""The scratch space is nearly full: the cycle is missed with that reason, the job ends before QEMU
runs out of room, web1 never notices."""
import replication as rep
from case import require, say, wait_until

SHAPE = {"scratch_size": "96M"}
SOAK = True
TIMEOUT = 300


def run(lab):
    rep.ensure(lab)
    node = lab.wait_resource("web1")
    before = rep.status(lab)
    lab.rate("2mbit")       # the job stays open for long
    with rep.unharmed(lab):
        lab.guest("load 6000000 0")
        found = wait_until("a cycle is missed for want of scratch", lambda: short(lab, before), 150)
        say(f"{found['cycles']} {found['reason']}")
        jobs = lab.on(node, "virsh domjobinfo web1")
        free = lab.on(node, "df --output=avail -k /var/lib/vmreplica/scratch | tail -1")
        require(int(free) > 0, f"the scratch directory is full: {free} {jobs}")
        lab.guest("load 0")
        lab.rate("0")
    rep.wait_cycles(lab, 2, 150)
    lab.rate(lab.shape.wan_rate)
    rep.compare_at_cut(lab)


def short(lab, before):
    found = rep.status(lab)
    missed = found["cycles"]["missed"] > before["cycles"]["missed"]
    return found if missed and "scratch" in found["reason"] else None
