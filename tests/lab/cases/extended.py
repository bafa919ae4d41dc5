# SPDX-License-Identifier: GPL-2.0-or-later
"""B replicates its replica of web1 on to C, a single host: what C holds is always a true point in
time, never ahead of B, and only changes travel; through a move of B's replica and an engine of B
that is killed. What stands on a replica is said before the replica can be taken away."""
import json

import replication as rep
import shape as shapes
from case import require, say, wait_until

SHAPE = {"third": True}
TIMEOUT = 300
FREQUENCY = 10
RESOURCE = "web1-a-replica"
EXTENDED = RESOURCE + "-extended"


def run(lab):
    rep.ensure(lab, frequency=FREQUENCY)
    extend(lab)
    follows(lab)
    judge(lab)
    moves(lab)
    engine_killed(lab)
    equal(lab)
    failed_over(lab)
    taken_apart(lab)


# ---- looking

def entry(lab, site, role):
    """The status of web1 in that role, by its owner's own word."""
    def of(node):
        if not node:        # nobody owns it at the moment
            return None
        shown = json.loads(lab.vmreplica(node, "status --json"))
        for found in shown["vms"] if isinstance(shown, dict) else shown:
            if found["name"] == "web1" and found["role"] == role:
                return found
        return None
    found = wait_until(f"{site} shows web1 as {role}",
                       lambda: of(rep.node_of(lab, site)), 30)
    return of(found["owner"]) or found


def sent(lab):
    return entry(lab, "B", "primary")


def held(lab):
    return entry(lab, "C", "replica")


def cycles(lab, count, timeout=60, start=None):
    start = sent(lab)["cycles"]["ok"] if start is None else start
    return wait_until(f"{count} more cycles to C", lambda: (
        sent(lab) if sent(lab)["cycles"]["ok"] >= start + count else None), timeout, 0.5)


def sync(lab):
    """A cycle from A to B, then one from B to C; what C has applied then."""
    rep.wait_applied(lab, rep.sync(lab)["seq"])
    lab.vmreplica(sent(lab)["owner"], "sync web1 --wait", 60)
    return applied(lab)


def applied(lab):
    seq = sent(lab)["seq"]
    def there():
        found = held(lab)
        return found if found["seq"] >= seq and found["applied_seq"] == found["seq"] else None
    return wait_until(f"C has applied cycle {seq}", there, 30)


# ---- the steps

def extend(lab):
    node = rep.node_of(lab, "B")
    lab.vmreplica("c1", f"authorize add b.example --storage {rep.STORAGE}")
    result = lab.run(node, "vmreplica protect web1 --to c.example --frequency 5")
    require(result.returncode != 0 and "shorter" in result.stderr + result.stdout,
            f"a frequency shorter than the replica's own: {result}")
    # refused, to be tried again, while this node has not heard of a copy that is complete
    wait_until("it is protected", lambda: lab.vmreplica(
        node, f"protect web1 --to c.example --frequency {FREQUENCY}", 60), 30, 1)
    wait_until("C has a first copy", lambda: held(lab)["applied_seq"] > 0, 90, 0.5)
    owner = lab.wait_resource(RESOURCE, site="B")
    require(lab.wait_resource(EXTENDED, site="B") == owner, "it is not where the replica is")
    shown = lab.run(owner, "vmreplica check web1").stdout
    require("peer c.example: web1: replica on c1" in shown and "disks web1" not in shown, shown)


def follows(lab):
    """A small load: what goes on to C is of its size, not of the disks'."""
    sync(lab)
    before, first = sent(lab), rep.status(lab)
    lab.guest("load 200000 30")
    cycles(lab, 2)
    lab.guest("load 0")
    sync(lab)
    after, last = sent(lab), rep.status(lab)
    dirty = after["bytes"]["dirty"] - before["bytes"]["dirty"]
    changed = last["bytes"]["dirty"] - first["bytes"]["dirty"]
    say(f"changed by A's cycles {changed >> 10} KiB, sent on {dirty >> 10} KiB")
    require(0 < dirty <= changed + (1 << 20), "more travels to C than has changed")


def judge(lab):
    """While all goes on C is stopped for a look: a true point in time, not ahead of B."""
    owner = sent(lab)["owner"]
    lab.vmreplica(owner, f"pause {EXTENDED}")
    try:
        found = applied(lab)
        facts = lab.judge("c1", rep.replica_images(found), unlocked=True)
        ahead = rep.judge_replica(lab)
    finally:
        lab.vmreplica(owner, f"resume {EXTENDED}")
    require(facts["newest"] <= ahead["newest"], f"C has {facts}, B {ahead}")
    say(f"newest record at C {facts['newest']}, at B {ahead['newest']}")


def moves(lab):
    source = lab.wait_resource(RESOURCE, site="B")
    target = lab.other_node(source)
    lab.move(RESOURCE, target, site="B")
    require(lab.wait_resource(EXTENDED, site="B") == target, "it did not follow the replica")
    cycles(lab, 2)
    say(f"both moved from {source} to {target}")


def engine_killed(lab):
    before = sent(lab)
    lab.kill_program(before["owner"], "vmreplica-engine")
    cycles(lab, 3, 90, before["cycles"]["ok"])


def equal(lab):
    """Quiet, all three hold the same bytes, and none of it took a resynchronization."""
    with rep.quiet_guest(lab):
        found = sync(lab)
        for mine, theirs in zip(lab.primary_images("web1"), rep.replica_images(found)):
            rep.compare(lab, "c1", rep.folder_path(lab, "A", mine), theirs)
        facts = lab.judge("c1", rep.replica_images(found), unlocked=True)
    require(sent(lab)["resyncs"] == 0, "it was resynchronized")
    say(f"A and C are equal bit for bit, newest record {facts['newest']}")


def failed_over(lab):
    """The VM runs at C on what came through B; cancelled, C receives again."""
    found = held(lab)
    newest = lab.judge("c1", rep.replica_images(found), unlocked=True)["newest"]
    result = lab.run("c1", "vmreplica failover web1 --unplanned")
    require(result.returncode != 0 and "--force" in result.stderr, f"B answers: {result}")
    lab.vmreplica("c1", "failover web1 --unplanned --force", 120)
    reached = wait_until("web1 writes on at C", lambda: written(lab, newest), 60, 1)
    say(f"C ran on from record {newest} to {reached}")
    lab.vmreplica("c1", "failover web1 --cancel", 120)
    # B was refused meanwhile: it goes on when its admin says so.
    lab.vmreplica(rep.node_of(lab, "B"), f"resume {EXTENDED}")
    cycles(lab, 2, 90)
    require(sent(lab)["resyncs"] == 0, "it was resynchronized after the cancel")


def written(lab, newest):
    """Looked at while it stands still: what the VM runs on goes on from what C held."""
    lab.on("c1", "virsh suspend web1")
    try:
        images = [path for path in lab.on("c1", "virsh domblklist web1 --details").split()
                  if path.startswith(rep.STORAGE)]
        facts = lab.judge("c1", images, unlocked=True, torn_ok=True)
    finally:
        lab.on("c1", "virsh resume web1")
    return facts["newest"] if facts["newest"] > newest + 20 else None


def taken_apart(lab):
    result = lab.run(rep.node_of(lab, "A"), "vmreplica unprotect web1", 60)
    require(result.returncode != 0 and EXTENDED in result.stderr + result.stdout,
            f"A may take away what C's replica stands on: {result}")
    lab.vmreplica(rep.node_of(lab, "B"), f"unprotect {EXTENDED}", 60)
    wait_until("C forgot it", lambda: not rep.known(lab, "C", "web1"), 30)
    require(shapes.site_of(rep.replica(lab)["owner"]) == "B", "B's replica is gone, too")
