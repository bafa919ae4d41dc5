# SPDX-License-Identifier: GPL-2.0-or-later
"""Five moves of the replica between the nodes of B: the sender finds the new owner by itself, also
when web1 moves at the same time; no resynchronization."""
import threading

import replication as rep
from case import say

TIMEOUT = 400
RESOURCE = "web1-a-replica"


def run(lab):
    before = rep.ensure(lab)
    lab.guest("load 500000 30")
    for number in range(5):
        both = number in (2, 4)
        other = threading.Thread(target=move_primary, args=(lab,)) if both else None
        if other:
            other.start()
        source = lab.wait_resource(RESOURCE, site="B")
        took = lab.move(RESOURCE, lab.other_node(source), site="B")
        if other:
            other.join()
        rep.wait_cycles(lab, 2, 60)
        say(f"replica moved from {source} in {took:.1f} s{' while web1 moved too' * both}")
    lab.guest("load 0")
    rep.no_resync_since(lab, before)
    rep.compare_at_cut(lab)


def move_primary(lab):
    lab.move("web1", lab.other_node(lab.wait_resource("web1")))
