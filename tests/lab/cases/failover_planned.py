# SPDX-License-Identifier: GPL-2.0-or-later
"""A planned failover to B and back to A: no record is lost, at every moment one side at most runs
the VM, and what travels in the other direction is a small part of the disks. A guest that cannot
be handed over, because the line is cut, goes on at A with nothing lost."""
import json

import replication as rep
import shape as shapes
from case import require, say, wait_until

TIMEOUT = 300
SMALL = 24 << 20        # of two disks of 256 MiB


def run(lab):
    rep.remove(lab)
    rep.thin(lab)
    rep.authorize(lab)
    rep.authorize(lab, rep.SITE_B, site="A")
    rep.protect(lab)
    rep.wait_replicating(lab)
    there(lab)
    back(lab)


def runs_where(lab):
    """Nodes on which libvirt runs web1 at this moment."""
    return [node for node in lab.nodes() if lab.run(
        node, "virsh list --name --state-running | grep -qx web1").returncode == 0]


def failover(lab, site, more=""):
    """Ordered at SITE; while it goes on web1 runs on one side at most."""
    node = rep.node_of(lab, site)
    lab.vmreplica(node, f"failover web1 --planned --no-wait {more}", 60)
    def over():
        found = runs_where(lab)
        sides = {shapes.site_of(name) for name in found}
        require(len(sides) <= 1, f"web1 runs on both sides: {found}")
        job = last_job(lab, site)
        return job if job["state"] != "running" else None
    return wait_until("the job is over", over, 150, 0.5)


def last_job(lab, site):
    jobs = json.loads(lab.vmreplica(rep.node_of(lab, site), "jobs --json"))["jobs"]
    return [job for job in jobs if job["kind"] == "planned-failover"][-1]


def there(lab):
    """A -> B."""
    lab.guest("load 100000 20")
    lab.records_advance()
    lab.guest("load 0")
    before = lab.guest_status()
    sent = sum(rep.sent_by(lab, node) for node in lab.live_nodes("B"))
    job = failover(lab, "A")
    say("; ".join(f"{step['name']}: {step['text']}" for step in job["steps"]))
    require(job["state"] == "done", f"{job['text']} {job['advice']}")
    after = wait_until("web1 writes at B", lambda: lab.guest_status(), 60)
    require(after["boots"] == before["boots"] + 1, f"boots {before['boots']} {after['boots']}")
    require(after["seq"] >= before["seq"], f"records are lost: {before['seq']} {after['seq']}")
    require(len({shapes.site_of(node) for node in runs_where(lab)}) == 1, "on both sides")
    found = reversed_cycle(lab, "B")
    sent = sum(rep.sent_by(lab, node) for node in lab.live_nodes("B")) - sent
    require(sent < SMALL, f"{sent} bytes travelled back")
    say(f"B sent {sent >> 10} KiB for cycle {found['seq']}")


def reversed_cycle(lab, primary):
    def good():
        found = lab.vm_status(rep.node_of(lab, primary), "web1")
        return found if (found["role"] == "primary" and found["state"] == "Replicating"
                         and found["cycles"]["ok"] > 1) else None
    return wait_until(f"{primary} replicates to the other side", good, 90, 0.5)


def back(lab):
    """B -> A, ordered on the replica's side this time."""
    lab.records_advance()
    before = lab.guest_status()
    lab.vmreplica(rep.node_of(lab, "A"), "failover web1 --planned --no-wait", 60)
    def over():
        sides = {shapes.site_of(name) for name in runs_where(lab)}
        require(len(sides) <= 1, "web1 runs on both sides")
        job = last_job(lab, "B")
        return job if job["state"] != "running" else None
    job = wait_until("the job is over", over, 150, 0.5)
    say("; ".join(f"{step['name']}: {step['text']}" for step in job["steps"]))
    require(job["state"] == "done", f"{job['text']} {job['advice']}")
    after = wait_until("web1 writes at A", lambda: lab.guest_status(), 60)
    require(after["seq"] >= before["seq"], f"records are lost: {before['seq']} {after['seq']}")
    require({shapes.site_of(node) for node in runs_where(lab)} == {"A"}, "not at A")
    reversed_cycle(lab, "A")
