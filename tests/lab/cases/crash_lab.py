# SPDX-License-Identifier: GPL-2.0-or-later
"""20 rounds of kill -9 in the lab: a daemon of either side (engine, receiver, broker,
qemu-storage-daemon, CIB helper) at a random moment while the guest writes and points are made, and
during test, unplanned (cancelled, or committed and reversed) and planned failovers.  After each
everything heals by itself, without a resynchronization, web1 runs on one side at most, both sides
are the same at one cut, and every point is a true one.  CRASH_LAB_ROUNDS, CRASH_SEED and
CRASH_LAB_OPERATION may be given; the results add up in _build/crash-results.jsonl, the file of case
crash_rounds."""
import json
import os
import random
import re
import time

from cases import crash_rounds
from cases import failover_planned as planned
import replication as rep
from case import Failure, require, say, wait_until

SOAK = True
FRESH = True
DIRTY = True
TIMEOUT = 5400
ROUNDS = int(os.environ.get("CRASH_LAB_ROUNDS") or 20)
SEED = int(os.environ.get("CRASH_SEED") or time.time() % 1000000)
MORE = f"--points 4 --point-interval {rep.FAST}"
HEAL_S = 180
# of 20; behind the first of the last two nobody can ask the guest any more
OPERATIONS = {"replicate": 8, "test": 4, "unplanned": 2, "planned": 3, "reverse": 3}
CHANGE_SIDES = ("planned", "reverse")
ONLY = os.environ.get("CRASH_LAB_OPERATION")
VICTIMS = ("engine A", "engine B", "receiver", "broker A", "broker B", "qemu-storage-daemon",
           "cib helper A", "cib helper B")


class World:
    """Where web1 is, and what is known of it."""

    def __init__(self, lab):
        self.lab, self.random = lab, random.Random(SEED)
        self.primary, self.reached, self.moved = "A", 0, False

    @property
    def replica(self):
        return "B" if self.primary == "A" else "A"

    def status(self, site):
        """By the owner's own word."""
        found = self.lab.vm_status(rep.node_of(self.lab, site))
        return self.lab.vm_status(found["owner"])

    def patient(self, site, arguments):
        """A command whose engine may be restarting."""
        return wait_until(f"vmreplica {arguments} is taken", lambda: self.lab.vmreplica(
            rep.node_of(self.lab, site), arguments, 120), HEAL_S, 1)


def run(lab):
    say(f"CRASH_SEED={SEED} CRASH_LAB_ROUNDS={ROUNDS}")
    rep.remove(lab)
    rep.thin(lab)
    rep.authorize(lab)
    rep.authorize(lab, rep.SITE_B, site="A")
    rep.protect(lab, more=MORE)
    rep.wait_replicating(lab)
    world = World(lab)
    lab.guest("load 200000 20")
    for number, operation in enumerate(order(world.random)):
        one_round(world, number, operation)


def order(chance):
    """As many of each as OPERATIONS says, shuffled; those that change sides last."""
    if ONLY:
        return [ONLY] * ROUNDS
    names = [name for name, count in OPERATIONS.items() for _ in range(count)]
    names = [names[i * len(names) // ROUNDS] if ROUNDS < len(names) else names[i % len(names)]
             for i in range(ROUNDS)]
    chance.shuffle(names)
    return sorted(names, key=lambda name: name in CHANGE_SIDES)


def one_round(world, number, operation):
    victim = world.random.choice(VICTIMS)
    after_s = round(world.random.uniform(0, 12 if operation in CHANGE_SIDES else 6), 2)
    facts = {"where": "lab", "seed": SEED, "round": number, "operation": operation,
             "killed": victim, "after_us": int(after_s * 1000000),
             "commit": crash_rounds.commit(), "ok": False}
    say(f"round {number}: {operation}, {victim} is killed after {after_s} s")
    try:
        begin = time.monotonic()
        RUN[operation](world, lambda: strike(world, victim, after_s))
        healed(world)
        say(f"round {number}: healed and judged in {time.monotonic() - begin:.0f} s")
        facts["ok"] = True
    finally:
        os.makedirs(os.path.dirname(crash_rounds.RESULTS), exist_ok=True)
        with open(crash_rounds.RESULTS, "a") as file:
            file.write(json.dumps(facts) + "\n")


# ---- the kill

def victim_found(world, victim):
    """Node and program, or None while there is none."""
    name, _, site = victim.partition(" ") if "cib" not in victim else ("cib", "", victim[-1])
    if name == "broker":
        return world.lab.resource_node("vmreplica-broker", site), "vmreplica-broker"
    if name == "cib":
        return world.random.choice(world.lab.live_nodes(site)), "vmreplica-cib"
    if name == "engine":
        return world.status(site)["owner"], "vmreplica-engine"
    return world.status(world.replica)["owner"], {
        "receiver": "vmreplica-receiver", "qemu-storage-daemon": "qemu-storage-daemon"}[name]


def strike(world, victim, after_s):
    """A daemon that is not there at that moment (a failover ends the store's) is struck later, or
    not at all when it does not come back within some seconds."""
    time.sleep(after_s)

    def struck():
        node, program = victim_found(world, victim)
        if not node:
            return None
        world.lab.kill_program(node, program)
        return node
    try:
        say(f"{victim} killed on {wait_until('a victim', struck, 10, 0.5)}")
    except Failure as error:
        say(f"no {victim} to kill: {error}")


# ---- operations

def replicate(world, kill):
    kill()


def job(world, site, identity):
    return json.loads(world.lab.vmreplica(rep.node_of(world.lab, site),
                                          f"jobs {identity} --json"))["jobs"][0]


def ordered(world, arguments):
    """The id of a job that was ordered at the replica's side."""
    output = world.patient(world.replica, f"failover web1 {arguments} --no-wait")
    return re.search(r"job ([0-9a-f]{8})", output).group(1)


def done(world, identity):
    def ended():
        found = job(world, world.replica, identity)
        return found if found["state"] != "running" else None
    found = wait_until(f"job {identity} ends", ended, HEAL_S, 1)
    require(found["state"] == "done", f"{found}")


def test(world, kill):
    identity = ordered(world, "--test")
    kill()
    done(world, identity)
    done(world, ordered(world, "--test-cleanup"))


def unplanned(world, kill):
    """Forced while the primary runs, and taken back."""
    identity = ordered(world, "--unplanned --force")
    kill()
    done(world, identity)
    done(world, ordered(world, "--cancel"))


def planned_failover(world, kill):
    """Through to the other side, or back to where it was: never both, never neither."""
    old, new = world.primary, world.replica
    before = planned_jobs(world, old)
    world.patient(old, "failover web1 --planned --no-wait")
    world.moved = True
    wait_until("the job has begun", lambda: planned_jobs(world, old) - before, 60, 0.2)
    kill()
    found = planned.watch(world.lab, old, planned.ended, HEAL_S + 60)
    say("; ".join(step["name"] for step in found["steps"]))
    world.primary = new if found["state"] == "done" else old
    wait_until(f"web1 runs at {world.primary}",
               lambda: planned.sides(world.lab) == {world.primary}, 120, 1)
    if world.primary == old:
        say(f"not gone over: {found['text']}")


def reverse(world, kill):
    """The replica's side takes it while the primary runs, and stays; the old primary becomes the
    replica.  Struck while the images of a commit are merged under the VM, or in the reverse."""
    in_commit = world.random.random() < 0.5
    world.moved = True
    done(world, ordered(world, "--unplanned --force"))
    identity = ordered(world, "--commit")
    if in_commit:
        kill()
    done(world, identity)
    world.patient(world.replica, "reverse web1 --no-wait")
    if not in_commit:
        kill()

    def turned():
        found = world.status(world.replica)
        return found["role"] == "primary" and found["state"] == "Replicating"
    wait_until(f"{world.replica} replicates", turned, HEAL_S + 60, 1)
    world.primary = world.replica


def planned_jobs(world, site):
    found = json.loads(world.lab.vmreplica(rep.node_of(world.lab, site), "jobs --json"))["jobs"]
    return {one["id"] for one in found if one["kind"] == "planned-failover"}


RUN = {"replicate": replicate, "test": test, "unplanned": unplanned, "planned": planned_failover,
       "reverse": reverse}


# ---- what must hold

def well(world):
    ours, theirs = world.status(world.primary), world.status(world.replica)
    good = (ours["role"] == "primary" and theirs["role"] == "replica"
            and ours["state"] == theirs["state"] == "Replicating"
            and ours["health"] != "Critical" and theirs["health"] != "Critical")
    return (ours, theirs) if good else None


def healed(world):
    ours, _theirs = wait_until("both sides are well", lambda: well(world), HEAL_S, 1)
    wait_until("cycles go on", lambda: (well(world) or [ours])[0]["seq"] >= ours["seq"] + 2, HEAL_S)
    require(planned.sides(world.lab) == {world.primary}, f"{planned.runs_where(world.lab)}")
    ours, theirs = wait_until("both sides are well", lambda: well(world), HEAL_S, 1)
    require(ours["resyncs"] == theirs["resyncs"] == 0, "a crash cost a resynchronization")
    newest = equal_by_verify(world) if world.moved else equal_by_bytes(world)
    require(newest > world.reached, f"record {newest} now, {world.reached} the round before")
    world.reached = newest
    points_judged(world)


def equal_by_bytes(world):
    newest = rep.compare_at_cut(world.lab)["newest"]
    world.lab.guest("load 200000 20")
    return newest


def equal_by_verify(world):
    """Where nobody can ask the guest to be quiet the product compares; the checker judges."""
    answer = json.loads(world.patient(world.primary, "verify web1 --json"))
    require(answer["state"] == "done" and not answer["differences"], f"{answer}")
    return planned.judged(world.lab, world.replica, world.reached)


def points_judged(world):
    """Each point by its own content. Replication is paused meanwhile: with each cycle another point
    is merged into the oldest layer, which is one of those looked at."""
    def judged():
        found = world.status(world.replica)
        text = world.lab.on(found["owner"], f"cat {found['store']}/manifest.json")
        newest = []
        for point in json.loads(text)["points"]:
            files = {disk["name"]: f"{found['store']}/{disk['file']}" for disk in point["disks"]}
            newest.append(world.lab.judge(found["owner"], [files[name] for name in sorted(files)],
                                          unlocked=True)["newest"])
        require(newest == sorted(set(newest)), f"the points do not ascend: {newest}")
        return newest
    world.patient(world.primary, "pause web1")
    try:
        say(f"points with records {wait_until('all points are true', judged, 90, 2)}")
    finally:
        world.patient(world.primary, "resume web1")
