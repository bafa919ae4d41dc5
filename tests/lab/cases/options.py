# SPDX-License-Identifier: GPL-2.0-or-later
"""What protect and authorize are told holds: the commands of --dry-run, run by hand, give the same
configuration and replicate; an excluded disk does not travel; bandwidth bounds what is on the
wire, also when it is changed under way; an entry takes no more VMs than it says; unprotect leaves
nothing on either side, or what it is told to leave."""
import json
import re
import time
import xml.etree.ElementTree as tree

import replication as rep
from case import Failure, require, say, wait_until

TIMEOUT = 240
OPTIONS = "--to 10.77.2.100 --frequency 5 --exclude-disk vdb --bandwidth 40M"
MIB = 1024 * 1024


def run(lab):
    rep.remove(lab)
    rep.authorize(lab, more="--max-vms 1")
    try:
        before = dry_run(lab)
        excluded(lab)
        bandwidth(lab)
        one_vm_only(lab)
        keep_replica(lab, before)
        forced(lab, before)
    finally:
        rep.authorize(lab)


# ---- --dry-run

def configuration(lab, site="A"):
    """Resources and constraints in a form that compares; the relationship's id is random, and our
    set of settings stays when the last setting goes."""
    node = rep.node_of(lab, site)
    root = tree.fromstring(lab.on(node, "cibadmin --query --scope configuration"))
    settings = root.find("crm_config")
    for found in settings.findall("cluster_property_set[@id='vmreplica-settings']"):
        if len(found) == 0:
            settings.remove(found)
    parts = [tree.canonicalize(tree.tostring(root.find(part)), strip_text=True)
             for part in ("crm_config", "resources", "constraints")]
    return re.sub(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "UUID", "\n".join(parts))


def same(lab, site, before):
    require(configuration(lab, site) == before[site], f"something is left in site {site}: "
            f"{configuration(lab, site)}\nbefore: {before[site]}")


def dry_run(lab):
    """Returns both sides' configuration without web1's replication."""
    before = {site: configuration(lab, site) for site in "AB"}
    commands = lab.vmreplica("a2", f"protect web1 {OPTIONS} --dry-run").splitlines()
    for site in "AB":
        require(configuration(lab, site) == before[site], f"--dry-run changed site {site}")
    require(all(line.startswith("pcs ") for line in commands), f"not only commands: {commands}")
    for command in commands:
        lab.on("a2", command)
    by_hand = configuration(lab)
    found = rep.wait_replicating(lab, 90)
    require(rep.known(lab, "B", "web1"), "B has no replica after the commands")
    say(f"{len(commands)} commands by hand, replicating at cycle {found['seq']}")
    there = rep.replica(lab)
    require(is_there(lab, there["store"]), f"no store {there['store']}")
    rep.remove(lab)
    for site in "AB":
        same(lab, site, before)
    wait_until("the store is gone", lambda: not is_there(lab, there["store"]), 10)
    lab.vmreplica("a2", f"protect web1 {OPTIONS}", 120)
    by_tool = configuration(lab)
    if by_tool != by_hand:
        raise Failure(f"by hand: {by_hand}\nby the tool: {by_tool}")
    rep.wait_replicating(lab, 90)
    return before


def is_there(lab, path):
    return lab.run(rep.node_of(lab, "B"), f"test -e {path}").returncode == 0


# ---- --exclude-disk

def excluded(lab):
    found, there = rep.status(lab), rep.replica(lab)
    require([disk["name"] for disk in found["disks"]] == ["vda"], f"replicated: {found['disks']}")
    require(found["excluded_disks"] == ["vdb"], f"excluded: {found['excluded_disks']}")
    require([disk["name"] for disk in there["disks"]] == ["vda"], f"B has: {there['disks']}")
    require("vdb" in lab.vmreplica("a1", "status web1"), "status does not name the excluded disk")
    with rep.quiet_guest(lab):
        found = rep.wait_applied(lab, rep.sync(lab)["seq"])
        mine, theirs = lab.primary_images()[0], found["disks"][0]["top"]
        rep.compare(lab, found["owner"], rep.folder_path(lab, "A", mine),
                    rep.folder_path(lab, "B", theirs))
    stored = lab.on(found["owner"], f"find {found['store']} -name '*vdb*'").strip()
    require(not stored, f"B stores something of vdb: {stored}")


# ---- --bandwidth

def bandwidth(lab):
    """Bytes that leave the owner's network interface, while one long cycle is under way."""
    node = lab.wait_resource("web1")
    started = starts(lab, node)
    lab.on(node, "pcs resource update web1-replica bandwidth=2M")
    lab.vmreplica(node, "pause web1")
    lab.guest("fill 130 0")     # half of it goes to vda
    lab.vmreplica(node, "resume web1")
    wait_until("the long cycle is under way", lambda: (rep.status(lab)["progress"] or {}).get(
        "total_bytes", 0) > 50 * MIB, 30)
    seq = rep.status(lab)["seq"]
    time.sleep(1)
    bounded(lab, node, 2 * MIB, 10)
    lab.on(node, "pcs resource update web1-replica bandwidth=4M")
    wait_until("the new rate is known", lambda: rep.status(lab)["bandwidth_bytes_per_s"]
               == 4 * MIB or measure(node, lab, 1) > 3 * MIB, 20)
    bounded(lab, node, 4 * MIB, 4)
    require(rep.status(lab)["seq"] == seq, "the cycle ended while it was measured")
    lab.on(node, "pcs resource update web1-replica bandwidth=")
    rep.wait_cycles(lab, 2, 60)
    require(starts(lab, node) == started, "the change of a setting started web1-replica again")


def starts(lab, node):
    """How often the resource agent was told to start on NODE."""
    return int(lab.on(node, "grep -c 'Result of start operation for web1-replica on' "
                            "/var/log/pacemaker/pacemaker.log || true"))


def measure(node, lab, seconds):
    """Bytes a second out of NODE."""
    script = ("n=/sys/class/net/eth0/statistics/tx_bytes; a=$(cat $n); s=$(date +%s%N); "
              f"sleep {seconds}; b=$(cat $n); e=$(date +%s%N); "
              "echo $(( (b - a) * 1000 / ((e - s) / 1000000) ))")
    return int(lab.on(node, script))


def bounded(lab, node, limit, seconds):
    rate = measure(node, lab, seconds)
    say(f"{rate / MIB:.2f} MiB/s of {limit / MIB:.0f} over {seconds} s")
    require(rate <= 1.2 * limit, f"{rate} bytes/s on the wire, {limit} are allowed")
    require(rate >= 0.7 * limit, f"{rate} bytes/s on the wire of {limit}: it does not use them")


# ---- --max-vms and --max-size; what is there goes on

def one_vm_only(lab):
    images = "/srv/vms"
    lab.on("a1", f"qemu-img create -q -f qcow2 {images}/two-vda.qcow2 16M && "
           f"cat > {images}/two.xml <<'X'\n{domain(images)}X\nvirsh -q define {images}/two.xml && "
           f"pcs resource create two ocf:heartbeat:VirtualDomain config={images}/two.xml "
           "hypervisor=qemu:///system --disabled --force")
    try:
        result = lab.run("a1", "vmreplica protect two --to 10.77.2.100")
        require(result.returncode == 1, f"exit {result.returncode}: {result.stdout}")
        for words in ("entry a.example allows 1 VM", "--max-vms"):
            require(words in result.stderr, f"no '{words}' in: {result.stderr}")
        denials = json.loads(lab.vmreplica("b1", "broker --json"))["denials"]
        require(any("allows 1 VM" in entry["reason"] for entry in denials), f"B shows {denials}")
        require("allows 1 VM" in lab.vmreplica("b1", "events"), "no event in B tells of it")
        rep.authorize(lab, more="--max-size 20M")
        result = lab.run("a1", "vmreplica protect two --to 10.77.2.100")
        for words in ("entry a.example allows 20 MiB", "this one would have 16", "--max-size"):
            require(words in result.stderr, f"no '{words}' in: {result.stderr}")
        shown = json.loads(lab.vmreplica("b1", "authorize list --json"))["entries"][0]
        require(shown["max_size_bytes"] == 20 * MIB and shown["size_bytes"] > 20 * MIB, shown)
        rep.authorize(lab, more="--max-vms 1")
        require(not rep.known(lab, "B", "two"), "B took it all the same")
        rep.wait_cycles(lab, 1, 60)
    finally:
        lab.on("a1", f"pcs resource delete two --force; virsh -q undefine two; rm {images}/two*")


def domain(images):
    return ("<domain type='qemu'>\n<name>two</name>\n<memory>65536</memory>\n<os><type "
            "machine='pc-q35-7.2'>hvm</type></os>\n<devices>\n<disk type='file' device='disk'>"
            f"<driver name='qemu' type='qcow2'/><source file='{images}/two-vda.qcow2'/>"
            "<target dev='vda' bus='virtio'/></disk>\n</devices>\n</domain>\n")


# ---- unprotect --keep-replica, --force

def keep_replica(lab, before):
    """The resources go on both sides, the replica's files stay and hold what they held."""
    there = rep.wait_applied(lab, rep.sync(lab)["seq"])
    image = there["disks"][0]["top"]
    said = lab.vmreplica("a1", "unprotect web1 --keep-replica", 120)
    for site in "AB":
        same(lab, site, before)
    # the receiver lets go of its images a moment after the resource has gone
    wait_until("the image is free, and sound",
               lambda: lab.run("b1", f"qemu-img check {image}").returncode == 0, 20)
    say(f"kept: {there['store']}: {said.strip().splitlines()[-1]}")
    lab.on("b1", f"rm -r {there['store']}")


def forced(lab, before):
    """Site B cannot be reached: that is an error, until it is told not to mind."""
    lab.vmreplica("a1", f"protect web1 {OPTIONS}", 120)
    there = wait_until("B has a store", lambda: rep.replica(lab)["store"] and rep.replica(lab), 30)
    lab.cut("wan")
    result = lab.run("a1", "vmreplica unprotect web1", 120)
    require(result.returncode == 1 and "--force" in result.stderr and rep.protected(lab),
            f"unprotect without B: exit {result.returncode}: {result.stderr}")
    say(result.stderr.strip().replace("\n", ""))
    said = lab.vmreplica("a1", "unprotect web1 --force", 120)
    require("stays" in said, said)
    same(lab, "A", before)
    lab.heal("wan")
    require(rep.known(lab, "B", "web1") and is_there(lab, there["store"]), "B's replica is gone")
    lab.on("b1", f"pcs resource delete web1-a-replica && pcs resource delete web1 && rm -r {there['store']}", 60)
    wait_until("B has forgotten web1", lambda: not rep.known(lab, "B", "web1"), 30)
    same(lab, "B", before)
