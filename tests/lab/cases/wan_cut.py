# SPDX-License-Identifier: GPL-2.0-or-later
"""The WAN is cut in the middle of cycles and healed: replication goes on by itself without a
resynchronization, and says what is wrong meanwhile."""
import time

import replication as rep
from case import require, say, wait_until

TIMEOUT = 420


def run(lab):
    before = rep.ensure(lab)
    lab.guest("load 800000 20")
    said = set()
    with rep.unharmed(lab):
        for how in (lab.cut, lab.stall):
            how("wan")
            found = wait_until("web1 is not well", lambda: unwell(lab, said), 90)
            require(found["reason"], "no reason is given")
            time.sleep(3)
            lab.heal("wan")
            rep.wait_cycles(lab, 2, 120)
        lab.cut("wan")
        start = time.monotonic()
        shown_by_pacemaker(lab, said)
        # Nor does the replica pretend: two cycles and a minute without a word, and it says so.
        wait_until("B says that nothing comes",
                   lambda: rep.replica(lab)["health"] == "Warning",
                   120 - (time.monotonic() - start))
        lab.heal("wan")
        rep.wait_cycles(lab, 1, 120)
    lab.guest("load 0")
    wait_until("web1 is well again", lambda: recovered(lab), 120)
    rep.no_resync_since(lab, before)
    rep.compare_at_cut(lab)


def recovered(lab):
    """The obstacle is gone.  That many of the cycles were missed stays true for the rest of the
    monitoring interval, and is a Warning by Hyper-V's rules."""
    found = rep.status(lab)
    return found["health"] == "OK" or "cycles missed" in found["reason"]


def shown_by_pacemaker(lab, said):
    """crm_mon shows health and reason as node attribute: after 8 s, and at most once a minute."""
    node = lab.wait_resource("web1")

    def shown():
        unwell(lab, said)
        value = lab.attribute(node, "vmreplica-web1") or ""
        word, _, reason = value.partition(": ")
        fits = word in ("Warning", "Critical") and any(
            health == word and reason and text.startswith(reason) for health, text in said)
        return value if fits else None
    value = wait_until("the node attribute says why web1 is not well", shown, 70, 1)
    say(f"crm_mon: vmreplica-web1: {value}")


def unwell(lab, said):
    """The status while web1 is not well; SAID gets each health and reason that is seen."""
    found = rep.status(lab)
    if found["health"] not in ("Warning", "Critical"):
        return None
    said.add((found["health"], found["reason"]))
    return found
