# SPDX-License-Identifier: GPL-2.0-or-later
"""Five moves of the replica between the nodes of B: the sender finds the new owner by itself, also
when web1 moves at the same time; no resynchronization, and web1 writes all the while."""
from concurrent.futures import ThreadPoolExecutor

import replication as rep
from case import require, say

TIMEOUT = 400
RESOURCE = "web1-a-replica"
ROUNDS, BOTH = 5, (2, 4)


def run(lab):
    before = rep.ensure(lab)
    lab.guest("load 500000 30")
    with rep.unharmed(lab, may_move=True):
        for number in range(ROUNDS):
            one_round(lab, number in BOTH)
    lab.guest("load 0")
    moves = rep.status(lab)["moves"]["count"] - before["moves"]["count"]
    require(moves == len(BOTH), f"{moves} moves of web1 were counted, {len(BOTH)} were made")
    rep.no_resync_since(lab, before)
    rep.compare_at_cut(lab)


def one_round(lab, both):
    source = lab.wait_resource(RESOURCE, site="B")
    target = lab.other_node(source)
    with ThreadPoolExecutor(1) as pool:
        primary = pool.submit(move_primary, lab) if both else None
        took = lab.move(RESOURCE, target, site="B")
        meanwhile = f" while web1 moved to {primary.result()}" if primary else ""
    rep.wait_cycles(lab, 2, 60)
    require(rep.replica(lab)["owner"] == target, f"the replica's owner is not {target}")
    say(f"replica moved from {source} in {took:.1f} s{meanwhile}")


def move_primary(lab):
    """Returns where web1 is then; what goes wrong is raised where the result is asked for."""
    target = lab.other_node(lab.wait_resource("web1"))
    lab.move("web1", target)
    return target
