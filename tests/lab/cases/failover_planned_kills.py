# SPDX-License-Identifier: GPL-2.0-or-later
"""Planned failovers go on through kills in their middle: to B with the engines of both sides
killed, home to A with A's receiver and broker killed and the line cut while B hands over. At every
moment one side at most runs the VM, nothing is lost, and each ends where it was ordered to. What
did not strike, because the job was over before, is tried again on the next way.

Then the other side takes the VM and can never start it: once it is lost before its first cycle, once
its admin gives the VM back. Both times the old side's own disks are what it fails over from, at the
final cycle, and `reverse` makes the other side its replica."""
import json
import shlex
import threading
import time

import failover_planned as planned
import replication as rep
import shape as shapes
from case import Failure, require, say, wait_until

TIMEOUT = 900           # two ways of about 40 s; more when a strike is missed, or the machine slow
DIRTY = True
WAYS = 4
OLD_STEPS = ("1 checks", "2 handover", "3 catch-up", "4 stop", "5 stopped", "6 final cycle",
             "7 take", "8 role", "9 reverse replication")
NEW_STEPS = ("order", "takeover", "definition", "resource", "start", "running", "role", "end")
STRIKE = f"/usr/bin/python3 -EsB {shapes.HERE}/strike.py"


def run(lab):
    prepare(lab)
    # On the way from A, on the way from B: where, in which step or behind, what.
    wanted = {"A": [("old", "5 stopped", "vmreplica-engine"), ("new", "running", "vmreplica-engine")],
              "B": [("new", "takeover", "vmreplica-receiver"), ("old", "6 final cycle", "wan"),
                    ("old", "7 take", "vmreplica-broker")]}
    reached, old = lab.guest_status()["seq"], "A"
    for _way in range(WAYS):
        hits = []
        reached, old, _job = way(lab, old, reached, wanted[old], hits)
        wanted[other(old)] = [strike for strike in wanted[other(old)]
                              if strike not in [aim for aim, _step in hits]]
        if old == "A" and not wanted["A"] and not wanted["B"]:
            break
    missed = wanted["A"] + wanted["B"]
    require(len(missed) <= 1, f"these never struck: {missed}")
    lost(lab, old)
    given_back(lab, old)


def lost(lab, old):
    """The other side is off once it has taken the VM, and comes back when OLD has failed over."""
    new = other(old)
    taken(lab, old)
    for node in lab.nodes(new):
        lab.kill(node)
    failed_over(lab, old)
    for node in lab.nodes(new):
        lab.boot(node)
    reversed_to(lab, old)


def given_back(lab, old):
    """The other side is there, and its admin gives back what it cannot start."""
    new = other(old)
    taken(lab, old)
    def refused():      # its store opens a moment after the change of roles
        result = lab.run(rep.node_of(lab, old), "vmreplica failover web1 --unplanned", 60)
        if result.returncode == 0:
            raise AssertionError(f"{new} has taken it, and yet: {result.stdout}")
        return result.stderr if "taking" in result.stderr else None
    say(wait_until(f"it is refused because {new} has taken it", refused, 90, 1).strip())
    output = lab.run(rep.node_of(lab, new), "vmreplica failover web1 --cancel", 150)
    say(f"{output.stdout.strip()} {output.stderr.strip()}")
    failed_over(lab, old)
    reversed_to(lab, old)


def vm_resource(lab, site):
    found = lab.on(rep.node_of(lab, site), "crm_resource -l").split()
    return next(name for name in ("web1", "web1-a", "web1-b") if name in found)


def taken(lab, old):
    """Planned; the other side takes the VM, which no node of it may run."""
    new = other(old)
    node = rep.node_of(lab, new)
    lab.on(node, f"pcs constraint location {vm_resource(lab, new)} avoids "
                 f"{' '.join(lab.nodes(new))}", 60)
    before = planned.last_id(lab, old)
    lab.vmreplica(rep.node_of(lab, old), "failover web1 --planned --no-wait", 60)
    job = planned.watch(lab, old, lambda job: job["id"] != before and (
        planned.ended(job) or job["steps"][-1]["name"] == "9 reverse replication"), 200)
    require(not planned.ended(job), f"{job['state']}: {job['text']} {job['advice']}")
    require(not planned.runs_where(lab), f"it runs on {planned.runs_where(lab)}")


def failed_over(lab, old):
    """By the one point that there is, without --force; from OLD's own disks as they are."""
    def one():
        found = json.loads(lab.vmreplica(rep.node_of(lab, old), "points web1 --json"))["points"]
        return found[-1] if found else None
    point = wait_until(f"{old} lists its own disks as a point", one, 60, 0.5)
    output = lab.vmreplica(rep.node_of(lab, old), "failover web1 --unplanned", 150)
    require(f"cycle {point['seq']}" in output, f"point {point}: {output}")
    say(output.strip().splitlines()[-1])
    node = wait_until(f"it runs at {old}", lambda: planned.runs_where(lab), 60)[0]
    require(shapes.site_of(node) == old, f"it runs on {node}")
    bases = [json.loads(lab.on(node, f"qemu-img info -U --output=json {path}"))["full-backing-filename"]
             for path in domain_disks(lab, node)]
    facts = lab.judge(node, bases, unlocked=True)
    say(f"{old} runs it from cycle {point['seq']}, whose newest record is {facts['newest']}")


def domain_disks(lab, node):
    return sorted(line.split()[1] for line in lab.on(node, "virsh domblklist web1").splitlines()
                  if " /" in line)


def reversed_to(lab, old):
    """The other side, back, is refused by its epoch; reverse at OLD makes it the replica."""
    new = other(old)
    wait_until(f"{new} is back", lambda: rep.status(lab, new), 120, 1)
    output = lab.vmreplica(rep.node_of(lab, old), "reverse web1", 240)
    say(output.strip().splitlines()[-1])
    planned.reversed_cycle(lab, old)
    require_at(lab, old)
    name = vm_resource(lab, new)
    lab.on(rep.node_of(lab, new), "for id in $(pcs constraint location --full | grep -o "
           f"'location-{name}-[a-z0-9]*-INFINITY'); do pcs constraint remove $id; done", 90)
    planned.judged(lab, new, 0)


def prepare(lab):
    rep.remove(lab)
    rep.thin(lab)
    rep.authorize(lab)
    rep.authorize(lab, rep.SITE_B, site="A")
    rep.protect(lab)
    rep.wait_replicating(lab)


def other(site):
    return "B" if site == "A" else "A"


def owner(lab, site):
    return rep.status(lab, site)["owner"]


def victim(lab, site, what):
    """Node and pid of what is to be killed; pid 0: the line is to be cut."""
    if what == "wan":
        return owner(lab, site), 0
    node = lab.resource_node("vmreplica-broker", site) if what == "vmreplica-broker" \
        else owner(lab, site)
    pids = lab.on(node, f"ps -eo pid,args | awk '$2 ~ /(^|\\/){what}$/ {{print $1}}'").split()
    require(pids, f"{what} does not run on {node}")
    return node, min(map(int, pids))        # not what it is about to start


class Strike(threading.Thread):
    """Waits in the node for its moment: see strike.py."""

    def __init__(self, lab, old, aim, since_ms):
        super().__init__(daemon=True)
        self.lab, self.aim, self.hit = lab, aim, ""
        where, step, what = aim
        names = OLD_STEPS if where == "old" else NEW_STEPS
        site = old if where == "old" else other(old)
        self.node, pid = wait_until(f"{what} runs at {site}", lambda: victim(lab, site, what), 60)
        steps = shlex.quote(",".join(names[names.index(step):]))
        self.command = f"{STRIKE} planned-failover {since_ms} {steps} {pid} 300"

    def run(self):
        result = self.lab.run(self.node, self.command, 330)
        seen = result.stdout.strip()
        if result.returncode == 0 and seen != "ended":
            if self.aim[2] == "wan":
                self.lab.cut("wan", 0, 5)
            self.hit = seen
        say(f"{self.aim[2]} on {self.node} at {self.aim[1]}: {seen} {result.stderr.strip()}")


def way(lab, old, reached, aims, hits, must=True):
    """A planned failover away from OLD with these strikes; those that hit go to HITS as (aim,
    step). Returns the newest record that is safe, the primary's side afterwards, and the job.
    Unless it must succeed, the VM may be back where it was."""
    before = planned.last_id(lab, old)
    since_ms = int(float(lab.on(rep.node_of(lab, old), "date +%s.%N")) * 1000)
    strikes = [Strike(lab, old, aim, since_ms) for aim in aims]
    for strike in strikes:
        strike.start()
    time.sleep(1)
    lab.vmreplica(rep.node_of(lab, old), "failover web1 --planned --no-wait", 60)
    job = planned.watch(lab, old, lambda job: job["id"] != before and planned.ended(job), 400)
    for strike in strikes:
        strike.join(340)
        if strike.hit:
            hits.append((strike.aim, strike.hit))
    say(f"{job['state']}: {'; '.join(step['name'] for step in job['steps'])}: {job['text']}")
    if job["state"] == "done":
        require_at(lab, other(old))
        planned.reversed_cycle(lab, other(old))
        return planned.judged(lab, old, reached), other(old), job
    require(not must, f"{job['text']} {job['advice']}")
    require_at(lab, old)
    planned.reversed_cycle(lab, old)
    return planned.judged(lab, other(old), reached), old, job


def require_at(lab, site):
    planned.never_both(lab)
    if planned.sides(lab) != {site}:
        raise Failure(f"it runs on {planned.runs_where(lab)}, not at {site}")
