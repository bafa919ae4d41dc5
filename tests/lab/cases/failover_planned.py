# SPDX-License-Identifier: GPL-2.0-or-later
"""A planned failover to B, and home to A ordered on the replica's side: no record is lost, at every
moment one side at most runs the VM, and what travels in the other direction is a small part of the
disks. First the line is cut in the middle: A goes back to what it was, by an admin's cancel."""
import json

import replication as rep
import shape as shapes
from case import require, say, wait_until

TIMEOUT = 300
DIRTY = True            # web1 comes home with a definition made anew, which the lab cannot ask
SMALL = 24 << 20        # of two disks of 512 MiB


def run(lab):
    rep.remove(lab)
    rep.thin(lab)
    rep.authorize(lab)
    rep.authorize(lab, rep.SITE_B, site="A")
    rep.protect(lab)
    rep.wait_replicating(lab)
    cut(lab)
    lab.guest("load 100000 20")
    lab.records_advance()
    lab.guest("load 0")
    reached = lab.guest_status()["seq"]
    reached = over_to(lab, "A", "B", "A", reached)
    stands_on_one(lab, "B")
    over_to(lab, "B", "A", "A", reached)
    stands_on_one(lab, "A")


def runs_where(lab):
    """Nodes on which libvirt runs web1 at this moment."""
    return [node for site in "AB" for node in lab.live_nodes(site) if lab.run(
        node, "virsh list --name --state-running | grep -qx web1").returncode == 0]


def sides(lab):
    found = runs_where(lab)
    there = {shapes.site_of(name) for name in found}
    require(len(there) <= 1, f"web1 runs on both sides: {found}")
    return there


def last_job(lab, site, kind="planned-failover"):
    jobs = json.loads(lab.vmreplica(rep.node_of(lab, site), "jobs --json"))["jobs"]
    return [job for job in jobs if job["kind"] == kind and job["node"][0] == site.lower()][-1]


def watch(lab, site, done, timeout=150):
    """Until DONE says so of the job at SITE; meanwhile web1 runs on one side at most."""
    def look():
        sides(lab)
        job = last_job(lab, site)
        return job if done(job) else None
    return wait_until("the planned failover", look, timeout, 0.3)


def ended(job):
    return job["state"] != "running"


def cut(lab):
    """The WAN is cut while the guest shuts down: neither the last cycle nor TAKE gets through."""
    before = lab.guest_status()["seq"]
    node = rep.node_of(lab, "A")
    lab.vmreplica(node, "failover web1 --planned --no-wait")
    watch(lab, "A", lambda job: job["steps"][-1]["name"].startswith(("4", "5", "6", "7")))
    lab.cut("wan")
    wait_until("it is stopped", lambda: not runs_where(lab), 90, 0.5)
    lab.run(node, "vmreplica failover web1 --cancel --no-wait", 60)
    lab.heal()
    job = watch(lab, "A", ended)
    say(f"cut: {job['state']}: {job['text']}")
    if job["state"] == "done":      # the cut came too late
        raise AssertionError("the failover was through before the line was cut")
    wait_until("web1 writes at A again", lambda: lab.guest_status()["seq"] >= before, 90)
    require(sides(lab) == {"A"}, f"{runs_where(lab)}")
    rep.wait_cycles(lab, 1, 60)


def over_to(lab, old, new, ordered_at, reached):
    """OLD -> NEW. Returns the newest record that is at OLD afterwards."""
    sent = sum(rep.sent_by(lab, node) for node in lab.live_nodes(new))
    lab.vmreplica(rep.node_of(lab, ordered_at), "failover web1 --planned --no-wait", 60)
    wait_until("the job has begun", lambda: not ended(last_job(lab, old)), 20, 0.2)
    job = watch(lab, old, ended)
    say("; ".join(f"{step['name']}: {step['text'] or ''}" for step in job["steps"]))
    require(job["state"] == "done", f"{job['text']} {job['advice']}")
    require(sides(lab) == {new}, f"{runs_where(lab)}")
    reversed_cycle(lab, new)
    sent = sum(rep.sent_by(lab, node) for node in lab.live_nodes(new)) - sent
    require(sent < SMALL, f"{sent} bytes travelled back")
    say(f"{new} sent {sent >> 10} KiB")
    return judged(lab, old, reached)


def chain(lab, site):
    """How many files each disk of the running VM stands on."""
    node = runs_where(lab)[0]
    require(shapes.site_of(node) == site, f"web1 runs on {node}")
    listed = lab.run(node, "virsh domblklist web1").stdout
    paths = [word for word in listed.split() if word.endswith(".qcow2")]
    require(paths, f"no images: {listed}")
    return [len(json.loads(lab.run(
        node, f"qemu-img info -U --backing-chain --output=json {path}").stdout)) - 1
        for path in paths]


def stands_on_one(lab, site):
    """What the failover left of layers is merged under the running VM, between cycles, and the
    store that they lie in is told so."""
    def one():
        found = chain(lab, site)
        return found if max(found) == 1 and "-chain-" not in lab.run(
            rep.node_of(lab, site), "cibadmin -Q -o crm_config").stdout else None
    say(f"{site}: disks stand on {chain(lab, site)} files")
    wait_until(f"the layers at {site} are merged", one, 120, 1)


def reversed_cycle(lab, primary):
    """PRIMARY's side replicates to the other."""
    def good():
        found = lab.vm_status(rep.node_of(lab, primary), "web1")
        return found if (found["role"] == "primary" and found["state"] == "Replicating"
                         and found["cycles"]["ok"] > 1) else None
    return wait_until(f"{primary} replicates to the other side", good, 90, 0.5)


def judged(lab, site, reached):
    """The replica at SITE is a true point in time, newer than REACHED: returns its newest record."""
    def newer():
        found = lab.vm_status(rep.node_of(lab, site), "web1")
        found = lab.vm_status(found["owner"], "web1")
        if (found["role"] != "replica" or found["state"] != "Replicating"
                or found["applied_seq"] < found["seq"]):
            return None
        facts = lab.judge(found["owner"], rep.replica_images(found), unlocked=True)
        return facts["newest"] if facts["newest"] > reached else None
    newest = wait_until(f"a record after {reached} at {site}", newer, 60, 0.5)
    say(f"judged at {site}: newest {newest}, was {reached} before")
    return newest
