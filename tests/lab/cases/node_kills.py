# SPDX-License-Identifier: GPL-2.0-or-later
"""A power cut of the replica's node, then of web1's own node, in the middle of a cycle: replication
goes on by itself.  web1's crash costs a digest resynchronization, and only that."""
import replication as rep
from case import require, say, wait_until

TIMEOUT = 480


def run(lab):
    rep.ensure(lab)
    replica_node(lab)
    primary_node(lab)


def replica_node(lab):
    before = rep.status(lab)
    lab.guest("load 800000 20")
    victim = lab.wait_resource("web1-a-replica", site="B")
    lab.kill(victim)
    lab.wait_resource("web1-a-replica", lab.other_node(victim), 90, site="B")
    rep.wait_cycles(lab, 2, 90)
    lab.boot(victim)
    lab.guest("load 0")
    rep.no_resync_since(lab, before)
    rep.compare_at_cut(lab)


def primary_node(lab):
    before = rep.status(lab)
    lab.guest("load 800000 20")
    victim = lab.wait_resource("web1")
    survivor = lab.other_node(victim)
    lab.kill(victim)
    lab.wait_resource("web1", survivor, 90)
    lab.boot(victim)
    found = wait_until("it was resynchronized and replicates", lambda: resynced(lab, before), 180)
    say(f"resynchronized: {found['resyncs']} in all")
    lab.records_advance()
    lab.guest("load 0")
    require(found["health"] in ("OK", "Warning"), f"{found['health']} {found['reason']}")
    rep.wait_cycles(lab, 1, 60)
    rep.compare_at_cut(lab)


def resynced(lab, before):
    found = rep.status(lab)
    good = found["resyncs"] > before["resyncs"] and found["state"] == "Replicating"
    return found if good else None
