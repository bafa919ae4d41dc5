# SPDX-License-Identifier: GPL-2.0-or-later
"""The WAN is cut in the middle of cycles and healed: replication goes on by itself without a
resynchronization, and says what is wrong meanwhile."""
import time

import replication as rep
from case import require, wait_until

TIMEOUT = 420


def run(lab):
    before = rep.ensure(lab)
    lab.guest("load 800000 20")
    with rep.unharmed(lab):
        for how in (lab.cut, lab.stall):
            how("wan")
            found = wait_until("web1 is not well", lambda: unwell(lab), 90)
            require(found["reason"], "no reason is given")
            time.sleep(3)
            lab.heal("wan")
            rep.wait_cycles(lab, 2, 120)
        lab.cut("wan")
        # Nor does the replica pretend: two cycles and a minute without a word, and it says so.
        wait_until("B says that nothing comes",
                   lambda: rep.replica(lab)["health"] == "Warning", 120)
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


def unwell(lab):
    found = rep.status(lab)
    return found if found["health"] in ("Warning", "Critical") else None
