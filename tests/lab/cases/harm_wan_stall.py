# SPDX-License-Identifier: GPL-2.0-or-later
"""The WAN is stalled for ten minutes in the middle of a cycle: web1 is unharmed."""
import time

import replication as rep

SOAK = True
TIMEOUT = 1200


def run(lab):
    rep.ensure(lab)
    lab.guest("load 500000 30")
    with rep.unharmed(lab):
        lab.stall("wan")
        time.sleep(600)
        lab.heal("wan")
        rep.wait_cycles(lab, 2, 300)
    lab.guest("load 0")
    rep.compare_at_cut(lab)
