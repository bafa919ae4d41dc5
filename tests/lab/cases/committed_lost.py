# SPDX-License-Identifier: GPL-2.0-or-later
"""COMMITTED is lost on the wire and web1 migrates live, again and again: the receiver says what it
holds, and nothing is resynchronized."""
import replication as rep
from case import require, say, wait_until

TIMEOUT = 480
ROUNDS = 3


def run(lab):
    before = rep.ensure(lab)
    lab.guest("load 0")
    lab.guest("rate 1")     # cycles so small that they arrive without one TCP acknowledgement
    try:
        for number in range(ROUNDS):
            rep.wait_cycles(lab, 1, 60)
            committed, known = lose_committed(lab)
            source = lab.wait_resource("web1")
            lab.move("web1", lab.other_node(source))
            lab.heal()
            rep.wait_cycles(lab, 1, 150)
            say(f"round {number + 1}: B had committed {committed}, A knew of {known}; moved from "
                f"{source}")
    finally:
        lab.guest("rate 20")
    rep.no_resync_since(lab, before)
    rep.compare_at_cut(lab)


def lose_committed(lab):
    """B's voice vanishes: it commits the next cycle, and A never hears of it."""
    lab.mute("B")
    known = rep.status(lab)["seq"]
    committed = wait_until("B commits a cycle that A does not know of",
                           lambda: beyond(lab, known), 30)
    require(rep.status(lab)["seq"] == known, "A heard of it")
    return committed, known


def beyond(lab, known):
    seq = rep.replica(lab)["seq"]
    return seq if seq > known else 0
