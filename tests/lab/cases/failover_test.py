# SPDX-License-Identifier: GPL-2.0-or-later
"""A test failover: web1-test boots from the oldest recovery point while replication goes on, with
another identity and its cables pulled; what it writes is a true continuation of that point; its
cleanup leaves no trace, and the store's layers have the bytes, owners and modes of before. Another one,
of a point that is named by its time, hangs on the isolated network that was named, its cable plugged in."""
import json
import xml.etree.ElementTree as tree

import cib_state
import replication as rep
from case import require, say, wait_until

TIMEOUT = 300
POINTS = 2
MORE = f"--points 40 --point-interval {rep.FAST}"   # none is merged before its time
TEST = "web1-test"
# Libvirt networks of B without a forward mode and without addresses: nobody else is on them.
CABLE, ISOLATED = "cable", "drill"
INTERFACE = f"""<interface type='network'>
      <mac address='52:54:00:4a:bc:de'/><source network='{CABLE}'/><model type='virtio'/>
    </interface>"""


def run(lab):
    rep.remove(lab)
    networks(lab)
    owner = lab.wait_resource("web1")
    next_start(lab, owner)
    try:
        failovers(lab)
    finally:
        rep.remove(lab)
        lab.on(owner, "virsh undefine web1")    # it runs on, as it was


def networks(lab):
    for node in lab.nodes("B"):
        for name in (CABLE, ISOLATED):
            lab.run(node, "virsh net-create /dev/stdin", input_text=f"<network><name>{name}</name>"
                    f"<bridge name='{name}0'/></network>")
        require(set(lab.on(node, "virsh net-list --name").split()) == {CABLE, ISOLATED}, node)


def next_start(lab, owner):
    """The definition that counts is that of the next start, and has a network interface."""
    text = lab.on(owner, "virsh dumpxml --inactive web1")
    result = lab.run(owner, "virsh define /dev/stdin",
                     input_text=text.replace("<devices>", f"<devices>{INTERFACE}", 1))
    require(result.returncode == 0, result.stderr)


def failovers(lab):
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
    cable(lab, found["owner"], CABLE, "down")
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
    on_network(lab, found)
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


def on_network(lab, found):
    """The second point by its time, as it is listed."""
    point = points(lab)[1]
    newest = newest_of(lab, found, point)
    output = lab.vmreplica("b1", f"failover web1 --test --to {point['time']} --network {ISOLATED}",
                           120)
    require(f"runs on {found['owner']} from cycle {point['seq']}" in output, output)
    base = lab.judge(found["owner"], rep.test_base(lab, found), unlocked=True)["newest"]
    require(base == newest, f"{point} holds record {newest}, the test began from {base}")
    cable(lab, found["owner"], ISOLATED, "up")
    lab.vmreplica("b2", "failover web1 --test-cleanup", 120)
    traces(lab, found)
    say(f"{point['time']} is cycle {point['seq']} with record {newest}")


def cable(lab, owner, network, state):
    """As the running domain has it: one interface, on that network's bridge, plugged in or not."""
    interface, = tree.fromstring(lab.on(owner, f"virsh dumpxml {TEST}")).iter("interface")
    source, target = interface.find("source"), interface.find("target").get("dev")
    require((source.get("network"), source.get("bridge")) == (network, f"{network}0"),
            tree.tostring(interface).decode())
    link = lab.on(owner, f"virsh domif-getlink {TEST} {target}").split()[-1]
    require(link == state, f"the link of {target} is {link}")
    require(f"master {network}0" in lab.on(owner, f"ip link show {target}"), "on another bridge")


def identity(lab, owner):
    require(lab.wait_resource(TEST, site="B") == owner, "not under Pacemaker there")
    ours = tree.fromstring(lab.on(owner, f"virsh dumpxml {TEST}"))
    theirs = tree.fromstring(lab.on(lab.resource_node("web1"),
                                    "virsh dumpxml --inactive web1"))
    require(ours.findtext("uuid") != theirs.findtext("uuid"), "the same UUID")
    macs = [{mac.get("address") for mac in domain.iter("mac")} for domain in (ours, theirs)]
    require(all(macs) and not macs[0] & macs[1], f"a MAC address is there twice: {macs}")


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
