# SPDX-License-Identifier: GPL-2.0-or-later
"""Unplanned failovers: refused while the primary answers, its broker or, when that is down, its
engine; forced to a cycle between two points, with engine and receiver killed in its middle, and
cancelled: receiving goes on from where it was. Then site A loses power: to the newest cycle, with the
node that carries it out, and has the broker, killed in its middle; the VM runs under Pacemaker with
the right content, and after the commit on one short chain. The history of jobs outlives node and
broker."""
import json
import re

import cib_state
import replication as rep
from case import require, say, wait_until

TIMEOUT = 300
DIRTY = True
POINTS = 3
MORE = f"--points {POINTS} --point-interval {2 * rep.FAST}"


def run(lab):
    rep.remove(lab)
    rep.thin(lab)
    rep.authorize(lab)
    rep.protect(lab, more=MORE)
    rep.wait_replicating(lab)
    wait_until("a cycle between two points", lambda: between(lab), 60, 0.5)
    refused = lab.run("b1", "vmreplica failover web1 --unplanned", 90)
    require(refused.returncode == 1 and "--force" in refused.stderr, refused.stderr)
    say(refused.stderr.strip())
    broker_alone_is_down(lab)
    forced_and_cancelled(lab)
    have_broker(lab, rep.replica(lab)["owner"])
    rep.sync(lab)
    newest = rep.wait_applied(lab, rep.status(lab, "A")["seq"])
    for node in lab.nodes("A"):
        lab.kill(node)
    disaster(lab, newest)
    committed(lab)


def broker_alone_is_down(lab):
    """A's engine replicates on without it: A is not gone."""
    node = lab.live_nodes("A")[0]
    lab.on(node, "pcs resource disable vmreplica-broker --wait=60", 90)
    seq = rep.replica(lab)["seq"]
    refused = lab.run("b1", "vmreplica failover web1 --unplanned", 90)
    require(refused.returncode == 1, f"allowed: {refused.stdout}")
    for words in ("is alive", "its engine on ", "broker does not answer", "--force"):
        require(words in refused.stderr, f"not {words}: {refused.stderr}")
    say(refused.stderr.strip())
    lab.on(node, "pcs resource enable vmreplica-broker --wait=60", 90)
    wait_until("replication goes on", lambda: rep.replica(lab)["seq"] > seq, 60, 0.5)


def listed(lab, more=""):
    node = lab.live_nodes("B")[0]
    return json.loads(lab.vmreplica(node, f"points web1 --json {more}"))["points"]


def between(lab):
    """A cycle with a recovery point below and one above."""
    points = [point["seq"] for point in listed(lab)]
    return next((cycle for cycle in listed(lab, "--cycles") if not cycle["point"]
                 and cycle["verdict"] == "ok" and points[0] < cycle["seq"] < points[-1]), None)


def job(lab, identity):
    node = lab.live_nodes("B")[0]
    return json.loads(lab.vmreplica(node, f"jobs {identity} --json"))["jobs"][0]


def ended(lab, identity, timeout):
    def there():
        found = job(lab, identity)
        return found if found["state"] != "running" else None
    found = wait_until(f"job {identity} ends", there, timeout, 0.5)
    say(" | ".join(f"{step['name']} {step['text'] or ''}" for step in found["steps"]))
    require(found["state"] == "done", f"{found}")
    return found


def requested_ms(lab):
    """When the last failover had asked Pacemaker for the VM's start, from its order on."""
    jobs = json.loads(lab.vmreplica(lab.live_nodes("B")[0], "jobs --json"))["jobs"]
    steps = [job for job in jobs if job["kind"] == "unplanned-failover"][-1]["steps"]
    text = next(step["text"] for step in steps if step["name"] == "start")
    return int(re.search(r"requested (\d+) ms after the order", text).group(1))


def ordered(lab, node, arguments):
    output = lab.vmreplica(node, f"failover web1 {arguments} --no-wait", 90)
    return re.search(r"job ([0-9a-f]{8})", output).group(1)


def forced_and_cancelled(lab):
    cycle, owner = between(lab), rep.replica(lab)["owner"]
    identity = ordered(lab, owner, f"--unplanned --force --to seq:{cycle['seq']}")
    for program in ("vmreplica-receiver", "vmreplica-engine"):
        lab.kill_program(owner, program)
    ended(lab, identity, 90)
    found = wait_until("failed over", lambda: recovered(lab), 20)
    require(found["takeover"]["failover"]["seq"] == cycle["seq"], f"{found['takeover']}")
    node = lab.resource_node("web1", "B")
    below, inside, above = (newest_below(lab, found, cycle["seq"], step) for step in (-1, 0, 1))
    require(below < inside < above, f"not between: {below} {inside} {above}")
    written_on(lab, node, found, inside)
    cib_state.settled(lab, failed_over=True)
    seq = found["seq"]
    output = lab.vmreplica("b1", "failover web1 --cancel", 180)
    say(output.strip().replace("\n", " | "))
    require(lab.resource_node("web1", "B") is None, "it still runs")
    wait_until("receiving goes on", lambda: rep.replica(lab)["seq"] > seq, 60)
    cib_state.settled(lab)
    require(rep.status(lab, "A")["resyncs"] == 0, "a resynchronization")
    rep.compare_at_cut(lab)


def recovered(lab):
    node = lab.live_nodes("B")[0]
    found = lab.vm_status(node)
    return found if found["state"] == "Recovered" and found["takeover"]["failover"] else None


def overlays(found):
    epoch = found["epoch"]["number"]
    return [f"{found['store']}/vm-{epoch}/{disk}.qcow2" for disk in ("vda", "vdb")]


def newest_below(lab, found, seq, step):
    """The newest record of the point before SEQ, of what the VM began from, or of the point after."""
    owner = found["owner"]
    if step == 0:
        files = [json.loads(lab.on(owner, f"qemu-img info -U --output=json {file}"))
                 ["full-backing-filename"] for file in overlays(found)]
    else:
        points = json.loads(lab.on(owner, f"cat {found['store']}/manifest.json"))["points"]
        chosen = [point for point in points if (point["cut"]["seq"] - seq) * step > 0]
        disks = {disk["name"]: disk["file"] for disk in chosen[-1 if step < 0 else 0]["disks"]}
        files = [f"{found['store']}/{disks[name]}" for name in sorted(disks)]
    return lab.judge(owner, files, unlocked=True)["newest"]


def written_on(lab, node, found, newest, count=20):
    """The VM goes on from there; looked at while it stands still for a moment."""
    def there():
        lab.on(node, "virsh suspend web1")
        try:
            facts = lab.judge(node, overlays(found), unlocked=True, torn_ok=True)
        finally:
            lab.on(node, "virsh resume web1")
        return facts["newest"] if facts["newest"] >= newest + count else None
    return wait_until(f"the VM writes on from record {newest}", there, 60, 1)


def have_broker(lab, node):
    if lab.wait_resource("vmreplica-broker", site="B") != node:
        lab.move("vmreplica-broker", node, site="B")


def history(lab, survivor):
    """Of all that was done, by the node that is gone too, with the broker where it is now."""
    lab.wait_resource("vmreplica-broker", survivor, 60, "B")
    jobs = json.loads(lab.vmreplica(survivor, "jobs --json"))["jobs"]
    found = [(job["kind"], job["state"]) for job in jobs][-3:]
    require(found == [("unplanned-failover", "done"), ("cancel", "done"),
                      ("unplanned-failover", "done")], f"{found}")
    require(all(job["begin"] and job["end"] and job["steps"] for job in jobs), f"{jobs}")
    gone = {job["node"] for job in jobs} - {survivor}
    require(gone, f"all jobs were {survivor}'s own: {jobs}")
    say(f"{survivor} lists the jobs of {' '.join(gone)}, which is off")


def disaster(lab, found):
    owner = found["owner"]
    newest = lab.judge(owner, rep.replica_images(found), unlocked=True)["newest"]
    identity = ordered(lab, lab.other_node(owner), "--unplanned")
    lab.kill(owner)
    ended(lab, identity, 150)
    after = wait_until("failed over", lambda: recovered(lab), 30)
    require(after["takeover"]["failover"]["seq"] == found["seq"], f"{after['takeover']}")
    node = lab.wait_resource("web1", timeout=30, site="B")
    written_on(lab, node, after, newest)
    history(lab, lab.live_nodes("B")[0])


def committed(lab):
    before = recovered(lab)
    output = lab.vmreplica(lab.live_nodes("B")[0], "failover web1 --commit", 180)
    say(output.strip().replace("\n", " | "))
    found = wait_until("committed", lambda: rep.wait_state(lab, "Committed", 20, "B"), 30)
    require(found["takeover"]["failover"]["committed"], f"{found['takeover']}")
    require(not listed(lab), "points are left")
    node = lab.resource_node("web1", "B")
    for file in overlays(before):
        chain = json.loads(lab.on(node, f"qemu-img info -U --backing-chain --output=json {file}"))
        require(len(chain) == 2, f"{[image['filename'] for image in chain]}")
    newest = written_on(lab, node, before, 1, 0)
    written_on(lab, node, before, newest)
    say(f"the guest went on behind record {newest}")
    cib_state.settled(lab, failed_over=True, sites="B")
