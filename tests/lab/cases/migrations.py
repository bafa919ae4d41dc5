# SPDX-License-Identifier: GPL-2.0-or-later
"""Ten live migrations of web1 under load, most of them in the middle of a cycle with tens of MiB
unsent: replication pauses and resumes, nothing is resynchronized, lost or repeated."""
import threading

import replication as rep
from case import require, say

TIMEOUT = 600
ROUNDS = 10


def run(lab):
    before = rep.ensure(lab)
    lab.rate("24mbit")      # so that a cycle is still being sent when the move comes
    lab.guest("load 1500000 0")
    with rep.unharmed(lab, may_move=True):
        for number in range(ROUNDS):
            under_way = wait_job(lab) if number % 4 else False
            source = lab.wait_resource("web1")
            took = lab.move("web1", lab.other_node(source))
            found = rep.wait_cycles(lab, 1, 60)
            say(f"move {number + 1} from {source} took {took:.1f} s, "
                f"{'in a cycle' if under_way else 'between cycles'}, "
                f"paused {found['moves']['last_pause_ms']} ms")
    lab.guest("load 0")
    lab.rate(lab.shape.wan_rate)
    rep.wait_cycles(lab, 1, 120)
    after = rep.no_resync_since(lab, before)
    require(after["moves"]["count"] >= before["moves"]["count"] + ROUNDS, f"{after['moves']}")
    require(0 < after["moves"]["last_pause_ms"] < 60000, f"{after['moves']}")
    rep.compare_at_cut(lab)


def wait_job(lab):
    """A cycle is at work with data unsent."""
    stop = threading.Event()
    for _ in range(60):
        progress = rep.status(lab)["progress"]
        if progress and progress["kind"] == "delta" and \
                progress["total_bytes"] - progress["done_bytes"] > 2 << 20:
            return True
        stop.wait(0.2)
    return False
