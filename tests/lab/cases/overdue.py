# SPDX-License-Identifier: GPL-2.0-or-later
"""While the WAN is silent, before any timeout has given the cycle up, every node of A shows how far
behind web1 is and counts the cycles missed."""
import time

import replication as rep
from case import require, say

TIMEOUT = 150


def run(lab):
    rep.ensure(lab)
    rep.wait_cycles(lab, 1, 60)
    before = rep.status(lab)["cycles"]["missed"]
    lab.guest("load 500000 30")
    lab.stall("wan")
    time.sleep(4 * rep.FAST)
    for node in ("a1", "a2"):
        first = lab.vm_status(node)
        time.sleep(2)
        second = lab.vm_status(node)
        say(f"{node}: behind {first['behind_s']} s, missed {first['cycles']['missed']}")
        require(first["behind_s"] >= 2 * rep.FAST, f"{node}: behind {first['behind_s']} s")
        require(second["behind_s"] > first["behind_s"], f"{node}: it stands still")
        require(second["cycles"]["missed"] >= before + 2, f"{node}: no cycle is missed")
    lab.heal("wan")
    rep.wait_cycles(lab, 2, 90)
    lab.guest("load 0")
