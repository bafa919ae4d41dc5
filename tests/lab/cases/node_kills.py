# SPDX-License-Identifier: GPL-2.0-or-later
"""A power cut of the replica's node, then of web1's own node, in the middle of a cycle: replication
goes on by itself.  web1's crash costs a digest resynchronization, and only that."""
import replication as rep
from case import require, say, wait_until

TIMEOUT = 480
MIB = 1 << 20
# 2 MB/s on the wire: what is unsent at the kill would have taken another five seconds.
RATE, FILL_MIB, UNSENT = "16mbit", 32, 10 * MIB


def run(lab):
    rep.ensure(lab)
    replica_node(lab)
    primary_node(lab)


def replica_node(lab):
    before = rep.status(lab)
    victim = lab.wait_resource("web1-a-replica", site="B")
    kill_in_a_cycle(lab, victim)
    lab.wait_resource("web1-a-replica", lab.other_node(victim), 90, site="B")
    rep.wait_cycles(lab, 2, 90)
    lab.boot(victim)
    lab.guest("load 0")
    rep.no_resync_since(lab, before)
    rep.compare_at_cut(lab)


def primary_node(lab):
    before = rep.status(lab)
    victim = lab.wait_resource("web1")
    survivor = lab.other_node(victim)
    kill_in_a_cycle(lab, victim)
    lab.wait_resource("web1", survivor, 90)
    lab.boot(victim)
    found = wait_until("it was resynchronized and replicates", lambda: resynced(lab, before), 180)
    say(f"resynchronized: {found['resyncs']} in all")
    lab.records_advance()
    lab.guest("load 0")
    require(found["health"] in ("OK", "Warning"), f"{found['health']} {found['reason']}")
    rep.wait_cycles(lab, 1, 60)
    rep.compare_at_cut(lab)


def kill_in_a_cycle(lab, victim):
    """Cut VICTIM's power with much of a cycle sent and much of it not, while the guest writes."""
    lab.rate(RATE)
    lab.guest(f"fill {FILL_MIB} 0")
    lab.guest("load 800000 20")
    found = rep.wait_mid_cycle(lab, UNSENT)
    lab.kill(victim)
    lab.rate(lab.shape.wan_rate)
    seq = rep.replica(lab)["seq"] if victim.startswith("a") else rep.status(lab)["seq"]
    require(seq == found["seq"], f"cycle {seq} was committed, {found['seq']} before the kill")
    say(f"{victim} lost power with {rep.unsent(found) / MIB:.1f} of "
        f"{found['progress']['total_bytes'] / MIB:.1f} MiB of cycle {seq + 1} unsent")


def resynced(lab, before):
    found = rep.status(lab)
    good = found["resyncs"] > before["resyncs"] and found["state"] == "Replicating"
    return found if good else None
