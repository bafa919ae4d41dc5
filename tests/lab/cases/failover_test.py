# SPDX-License-Identifier: GPL-2.0-or-later
"""A test failover: web1-test boots from the oldest recovery point while replication goes on, with
another identity and its cables pulled; what it writes is a true continuation of that point; its
cleanup leaves no trace, and the store's layers have the bytes, owners and modes of before."""
import json
import xml.etree.ElementTree as tree

import cib_state
import replication as rep
from case import require, say, wait_until

TIMEOUT = 240
POINTS = 2
MORE = f"--points 40 --point-interval {rep.FAST}"   # none is merged before its time
TEST = "web1-test"


def run(lab):
    rep.remove(lab)
    rep.thin(lab)
    rep.authorize(lab)
    rep.protect(lab, more=MORE)
    rep.wait_replicating(lab)
    wait_until("three points", lambda: len(points(lab)) >= 3, 60, 0.5)
    found = rep.replica(lab)
    point = points(lab)[0]
    before, newest = layers(lab, found, point), newest_of(lab, found, point)
    output = lab.vmreplica("b2", f"failover web1 --test --to seq:{point['seq']}", 120)
    say(output.strip().replace("\n", " | "))
    require(f"runs on {found['owner']} from cycle {point['seq']}" in output, output)
    identity(lab, found["owner"])
    cib_state.settled(lab, test=True)
    refused = lab.run("b1", "vmreplica failover web1 --test")
    require(refused.returncode == 1 and "--test-cleanup" in refused.stderr, refused.stderr)
    reached = wait_until("web1-test writes on", lambda: written(lab, found, newest), 60, 1)
    rep.wait_cycles(lab, 2, 60)
    require(wait_until("the test is told", lambda: rep.replica(lab)["takeover"], 10), "no takeover")
    output = lab.vmreplica("b1", "failover web1 --test-cleanup", 120)
    require("nothing of the test failover" in output, output)
    traces(lab, found)
    cib_state.settled(lab)
    after = layers(lab, found, point)
    require(after == before, f"the layers changed: {before} {after}")
    lab.on("b1", f"pcs resource update web1-a-replica points={POINTS}", 60)
    wait_until("that point is merged away", lambda: point["seq"] not in
               [left["seq"] for left in points(lab)] and merged(lab, found), 60, 0.5)
    rep.sync(lab)
    rep.compare_at_cut(lab)
    jobs = json.loads(lab.vmreplica("b2", "jobs --json"))["jobs"]
    require([job["state"] for job in jobs[-2:]] == ["done", "done"], f"{jobs[-2:]}")
    require([job["kind"] for job in jobs[-2:]] == ["test-failover", "test-cleanup"], f"{jobs[-2:]}")
    say(f"point {point['seq']} with record {newest}, reached {reached} in the test")


def points(lab):
    return json.loads(lab.vmreplica("b1", "points web1 --json"))["points"]


def manifest(lab, found):
    return json.loads(lab.on(found["owner"], f"cat {found['store']}/manifest.json"))


def point_files(lab, found, point):
    entry = next(entry for entry in manifest(lab, found)["points"]
                 if entry["cut"]["seq"] == point["seq"])
    files = {disk["name"]: f"{found['store']}/{disk['file']}" for disk in entry["disks"]}
    return [files[name] for name in sorted(files)]


def newest_of(lab, found, point):
    return lab.judge(found["owner"], point_files(lab, found, point), unlocked=True)["newest"]


def layers(lab, found, point):
    """Bytes, owner, mode and ACL of what the point consists of."""
    facts = []
    for file in point_files(lab, found, point):
        facts.append(lab.on(found["owner"], f"sha256sum {file}; stat -c '%u %g %a %s' {file}; "
                                            f"getfacl -p {file} 2>/dev/null", 30))
    return facts


def identity(lab, owner):
    require(lab.wait_resource(TEST, site="B") == owner, "not under Pacemaker there")
    ours = tree.fromstring(lab.on(owner, f"virsh dumpxml {TEST}"))
    theirs = tree.fromstring(lab.on(lab.resource_node("web1"), "virsh dumpxml web1"))
    require(ours.findtext("uuid") != theirs.findtext("uuid"), "the same UUID")
    for interface in ours.iter("interface"):
        require(interface.find("link").get("state") == "down", "a cable is plugged in")
    macs = [{mac.get("address") for mac in domain.iter("mac")} for domain in (ours, theirs)]
    require(not macs[0] & macs[1], f"a MAC address is there twice: {macs}")


def images(found):
    return [f"{found['store']}.test/{disk}.qcow2" for disk in ("vda", "vdb")]


def written(lab, found, newest):
    """The test's VM has booted and gone on from the point; looked at while it stands still."""
    lab.on(found["owner"], f"virsh suspend {TEST}")
    try:
        facts = lab.judge(found["owner"], images(found), unlocked=True, torn_ok=True)
    finally:
        lab.on(found["owner"], f"virsh resume {TEST}")
    return facts["newest"] if facts["newest"] > newest + 20 else None


def traces(lab, found):
    owner = found["owner"]
    require(lab.run(owner, f"virsh dominfo {TEST}").returncode != 0, "the domain is left")
    require(TEST not in lab.on("b1", "cibadmin -Q"), "the resource is left")
    require(lab.run(owner, f"test -e {found['store']}.test").returncode != 0, "files are left")
    require(not manifest(lab, found).get("pins"), "pins are left")
    require("vmreplica-failover-" not in lab.on("b1", "cibadmin -Q"), "the order is left")


def merged(lab, found):
    return max(len(disk["layers"]) for disk in manifest(lab, found)["current"]) <= POINTS + 1
