# SPDX-License-Identifier: GPL-2.0-or-later
"""Planned failovers go on through kills in their middle: to B with the engines of both sides
killed, home to A with A's receiver and broker killed and the line cut while B hands over. At every
moment one side at most runs the VM, nothing is lost, and each ends where it was ordered to."""
import failover_planned as planned
import replication as rep
from case import require, say

TIMEOUT = 300
DIRTY = True


def run(lab):
    rep.remove(lab)
    rep.thin(lab)
    rep.authorize(lab)
    rep.authorize(lab, rep.SITE_B, site="A")
    rep.protect(lab)
    rep.wait_replicating(lab)
    reached = lab.guest_status()["seq"]
    reached = leg(lab, "A", "B", reached, (
        (("5", "6"), lambda: lab.kill_program(rep.status(lab, "A")["owner"], "vmreplica-engine")),
        (("6", "7"), lambda: lab.kill_program(owner(lab, "B"), "vmreplica-engine"))))
    leg(lab, "B", "A", reached, (
        (("4", "5", "6"), lambda: lab.kill_program(owner(lab, "A"), "vmreplica-receiver")),
        (("5", "6", "7"), lambda: lab.cut("wan", 0, 5)),
        (("6", "7"), lambda: lab.kill_program(lab.resource_node("vmreplica-broker", "A"),
                                              "vmreplica-broker"))))


def owner(lab, site):
    return rep.status(lab, site)["owner"]


def leg(lab, old, new, reached, troubles):
    lab.vmreplica(rep.node_of(lab, old), "failover web1 --planned --no-wait", 60)
    for steps, trouble in troubles:
        job = planned.watch(lab, old, lambda job: planned.ended(job)
                            or job["steps"][-1]["name"].startswith(steps))
        if not planned.ended(job):
            trouble()
            say(f"struck at {job['steps'][-1]['name']}")
    job = planned.watch(lab, old, planned.ended, 200)
    say("; ".join(step["name"] for step in job["steps"]))
    require(job["state"] == "done", f"{job['text']} {job['advice']}")
    require(planned.sides(lab) == {new}, f"{planned.runs_where(lab)}")
    planned.reversed_cycle(lab, new)
    return planned.judged(lab, old, reached)
