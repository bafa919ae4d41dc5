# SPDX-License-Identifier: GPL-2.0-or-later
"""Planned failovers go on through kills in their middle: to B with the engines of both sides
killed, home to A with A's receiver and broker killed and the line cut while B hands over. At every
moment one side at most runs the VM, nothing is lost, and each ends where it was ordered to. What
did not strike, because the job was over before, is tried again on the next way."""
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
            return
    missed = wanted["A"] + wanted["B"]
    require(len(missed) <= 1, f"these never struck: {missed}")


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
