# SPDX-License-Identifier: GPL-2.0-or-later
"""A blackout of site B, after which one node comes back alone: it waits for the other, Pacemaker
starts no engine there, and vmreplica itself says why and what to do.  Done as it says, the broker
and the replica start on that node and replication goes on; the other node joins later."""
import replication as rep
from case import require, say, wait_until

TIMEOUT = 200
ALONE, LOST = "b1", "b2"
STEPS = ("1 of 2 votes", "make sure that it is switched off and stays off", "pcs quorum unblock")


def run(lab):
    rep.ensure(lab)
    before = rep.status(lab)
    for node in (ALONE, LOST):
        lab.kill(node)
    lab.boot(ALONE)
    wait_until("Corosync runs without quorum", lambda: "Activity blocked" in lab.run(
        ALONE, "corosync-quorumtool -s").stdout, 30)
    # Such a node is no place for a resource, whatever one tells Pacemaker.
    wait_until("Pacemaker waits for quorum", lambda: "WITHOUT quorum" in lab.run(
        ALONE, "crm_mon -1").stdout, 30)
    for command in ("status", "check"):
        told(lab, command)
    require(lab.run(ALONE, "test -S /run/vmreplica/engine.sock").returncode != 0, "an engine runs")
    follow(lab)
    found = rep.wait_cycles(lab, 2, 60)
    say(f"replication went on: {found['cycles']}")
    lab.boot(LOST)
    wait_until(f"{LOST} is back", lambda: all(
        lab.run(node, "vmreplica status").returncode == 0 for node in (ALONE, LOST)), 60)
    result = wait_until("check finds nothing wrong", lambda: good(lab), 30, 1)
    require(f"engine: runs on node {LOST}" in result, result)
    rep.no_resync_since(lab, before)
    rep.compare_at_cut(lab)
    rep.remove(lab)


def told(lab, command):
    result = lab.run(ALONE, f"vmreplica {command}")
    require(result.returncode == 1, f"{command}: exit {result.returncode}")
    for word in STEPS:
        require(word in result.stderr, f"{command}: no '{word}' in: {result.stderr}")
    require("Start it:" not in result.stderr, result.stderr)
    say(result.stderr.strip())


def follow(lab):
    """The other node is off, as the lab knows; pcs asks a person, or wants --force."""
    require(LOST not in lab.live_nodes("B"), f"{LOST} runs")
    lab.on(ALONE, "pcs quorum unblock --force", 60)
    wait_until("the engine runs", lambda: lab.run(ALONE, "vmreplica status").returncode == 0, 60)
    lab.wait_resource("web1-a-replica", ALONE, 60, site="B")
    lab.wait_resource("vmreplica-broker", ALONE, 30, site="B")


def good(lab):
    result = lab.run(ALONE, "vmreplica check", 90)
    return result.stdout if result.returncode == 0 else None
