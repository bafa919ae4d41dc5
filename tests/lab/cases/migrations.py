# SPDX-License-Identifier: GPL-2.0-or-later
"""Ten live migrations of web1 under load, by `pcs resource move` and by node standby, at least
seven of them with a backup job open and at least 10 MiB unsent: replication pauses and resumes,
nothing is resynchronized, lost or repeated."""
import replication as rep
from case import require, say, wait_until

TIMEOUT = 600
ROUNDS, IN_A_CYCLE = 10, 7
MIB = 1 << 20
# 2 MB/s on the wire; pcs and the scheduler take about two seconds until replication is stopped.
RATE, UNSENT, ON_THE_WAY = "16mbit", 10 * MIB, 5 * MIB


def run(lab):
    before = rep.ensure(lab)
    lab.guest("fill 32 0")
    lab.rate(RATE)
    lab.guest("load 1800000 0")     # about what the WAN takes: each cycle is as long as the one before
    counted = 0
    with rep.unharmed(lab, may_move=True):
        for number in range(ROUNDS):
            counted += one_move(lab, number)
    lab.guest("load 0")
    lab.rate(lab.shape.wan_rate)
    rep.wait_cycles(lab, 1, 120)
    after = rep.no_resync_since(lab, before)
    moves = after["moves"]["count"] - before["moves"]["count"]
    say(f"{moves} moves, {counted} of them in the middle of a cycle, {after['cycles']}, "
        f"{after['resyncs'] - before['resyncs']} resynchronizations")
    require(counted >= IN_A_CYCLE, f"only {counted} moves came in the middle of a cycle")
    require(moves >= ROUNDS, f"{after['moves']}")
    require(0 < after["moves"]["last_pause_ms"] < 60000, f"{after['moves']}")
    rep.compare_at_cut(lab)


def one_move(lab, number):
    """Move web1; true when that interrupted a cycle with its job open and much unsent."""
    source = lab.wait_resource("web1")
    found = wait_until("a cycle with much unsent", lambda: in_a_cycle(lab, source), 60, 0.1)
    way = by_standby if number % 2 else by_move
    took = way(lab, source)
    after = rep.status(lab)
    interrupted = after["cycles"]["ok"] == found["cycles"]["ok"]
    say(f"move {number + 1} from {source} by {way.__doc__} took {took:.1f} s, "
        f"{rep.unsent(found) / MIB:.1f} MiB unsent, cycle "
        f"{'interrupted' if interrupted else 'committed before'}, "
        f"paused {after['moves']['last_pause_ms']} ms")
    return interrupted


def by_move(lab, source):
    """pcs resource move"""
    return lab.move("web1", lab.other_node(source))


def by_standby(lab, source):
    """node standby"""
    target = lab.other_node(source)
    took = lab.standby("web1", source, target)
    lab.on(target, f"pcs node unstandby {source}")
    return took


def in_a_cycle(lab, source):
    found = rep.status(lab)
    if rep.unsent(found) < UNSENT + ON_THE_WAY:
        return None
    return found if "Backup" in lab.on(source, "virsh domjobinfo web1") else None
