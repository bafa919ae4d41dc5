# SPDX-License-Identifier: GPL-2.0-or-later
"""`vmreplica check`, the preflight: a healthy cluster passes with a line for each thing that counts,
and each thing that is broken, one at a time, is said with what to do and ends in exit status 1."""
import contextlib
import json

import pki
import replication as rep
import shape as shapes
from case import require, say, wait_until

TIMEOUT = 180
TO = f"--peer {shapes.broker_address('B')}"
CERTIFICATE, SCRATCH = "/etc/vmreplica/pki/node.crt", "/var/lib/vmreplica/scratch"
NODE_ITEMS = ("configuration", "certificate", "clock", "scratch", "libvirt", "QEMU")
CLUSTER_ITEMS = ("quorum", "lone survivor", "STONITH", "engine", "broker")


def run(lab):
    rep.remove(lab)
    rep.authorize(lab)
    unprotected(lab)
    unknown(lab)
    for breaking in (fencing, certificate, storage, authorization, scratch_missing, scratch_full):
        say(f"---- {breaking.__name__.replace('_', ' ')}")
        breaking(lab)
    rep.ensure(lab)
    healthy(lab)
    rep.remove(lab)


def check(lab, node, arguments=""):
    """Exit status and lines; what is shown to people says the same."""
    result = lab.run(node, f"vmreplica check --json {arguments}", 90)
    lines = json.loads(result.stdout)["lines"]
    require(result.returncode == int(any(line["verdict"] == "fail" for line in lines)),
            f"{node}: check {arguments}: exit {result.returncode}: {lines}")
    return result.returncode, lines


def find(lines, item, verdict=None, node=None):
    return [line for line in lines if line["item"].startswith(item)
            and verdict in (None, line["verdict"]) and node in (None, line["node"])]


def passes(lab, node, arguments=""):
    status, lines = check(lab, node, arguments)
    require(status == 0, f"{node}: check {arguments}: {find(lines, '', 'fail')}")
    return lines


# ---- nothing is broken


def healthy(lab):
    """Both sites, each from one of its nodes, with a VM that replicates."""
    for site in lab.shape.sites():
        lines = wait_until(f"{site} passes", lambda: passes(lab, rep.node_of(lab, site)), 20)
        for node in lab.nodes(site):
            for item in NODE_ITEMS + (("storage",) if site == "B" else ()):
                require(find(lines, item, node=node), f"{site}: no line on {item} of {node}")
            require(any(f"runs on node {node}" in line["text"] for line in find(lines, "engine")),
                    f"{site}: no engine on {node}")
        for item in CLUSTER_ITEMS:
            require(find(lines, item, "ok"), f"{site}: no good line on {item}")
        require("pcs quorum unblock" in find(lines, "lone survivor")[0]["text"], "the way out")
        for line in find(lines, "", "warning"):
            require(line["advice"] or line["item"].startswith("replica VM"), f"no advice: {line}")
        owner = rep.status(lab, site)["owner"]
        wanted = (("disks web1", "peer ") if site == "A" else ("replica VM web1",))
        for item in wanted:
            require(find(lines, item, "ok", owner), f"{site}: no line on {item} of {owner}")


# ---- a VM that is not protected


def unprotected(lab):
    """From the node where it runs and from the other; with the peer that authorizes us."""
    owner = lab.wait_resource("web1")
    for node in lab.nodes("A"):
        lines = passes(lab, node, f"web1 {TO}")
        seen = find(lines, "VM web1", "ok", owner)
        require(seen and "not protected yet" in seen[0]["text"], f"{node}: {lines}")
        disks = find(lines, "disks web1", "ok", owner)
        require([line["text"][:3] for line in disks] == ["vda", "vdb"], f"{node}: {disks}")
        peer = find(lines, "peer", "ok", node)
        require(peer and "authorizes us for /srv/replica" in peer[0]["text"], f"{node}: {lines}")
    result = lab.run("a1", "vmreplica status --json")
    require(not json.loads(result.stdout)["vms"], "looking at it protected it")
    bad_disk(lab)


def bad_disk(lab):
    """A resource whose disk cannot be replicated, asked for by the resource's id."""
    image, config = "/srv/vms/bad-vda.raw", "/srv/vms/bad.xml"
    xml = ("<domain type='qemu'>\n<name>bad</name>\n<memory>65536</memory>\n<os><type "
           "machine='pc-q35-7.2'>hvm</type></os>\n<devices>\n<disk type='file' device='disk'>"
           f"<driver name='qemu' type='raw'/><source file='{image}'/>"
           "<target dev='vda' bus='virtio'/></disk>\n</devices>\n</domain>\n")
    try:
        lab.on("a1", f"qemu-img create -q -f raw {image} 16M && cat > {config} <<'X'\n{xml}X\n"
               f"virsh -q define {config} && pcs resource create vm-bad "
               f"ocf:heartbeat:VirtualDomain config={config} hypervisor=qemu:///system "
               "--disabled --force", 60)
        lines = wait_until("the resource is known", lambda: known(lab, "vm-bad"), 10)
        found = find(lines, "disks bad", "fail")
        require(len(found) == 1 and "vda" in found[0]["text"] and "raw" in found[0]["text"]
                and "--exclude-disk" in found[0]["advice"], f"{lines}")
        say(f"{found[0]['text']} -> {found[0]['advice']}")
    finally:
        lab.run("a1", f"pcs resource delete vm-bad --force; virsh -q undefine bad; "
                f"rm -f {config} {image}", 60)


def known(lab, vm):
    result = lab.run("a1", f"vmreplica check {vm} --json", 90)
    return json.loads(result.stdout)["lines"] if result.stdout else None


def unknown(lab):
    for arguments in ("nosuchvm", f"nosuchvm {TO}"):
        result = lab.run("a1", f"vmreplica check {arguments}")
        first = result.stderr.splitlines()[0]
        require(result.returncode == 1 and not result.stdout, f"{result}")
        require(first == "vmreplica: no VM or resource is called nosuchvm", first)
    lines = check(lab, "a1", "--peer 10.77.2.250")[1]
    require("10.77.2.250" in find(lines, "peer", "fail")[0]["text"], f"{lines}")


# ---- one thing is broken


@contextlib.contextmanager
def broken(lab, node, breaking, mending):
    """Runs BREAKING on NODE, and MENDING whatever happens; after it all is well again."""
    lab.on(node, breaking)
    try:
        yield
    finally:
        lab.on(node, mending)


def fails(lab, node, item, words, advice, arguments="", where=None):
    """check on NODE has a failure of ITEM (of node WHERE) with WORDS and ADVICE, in JSON and as
    text, and exit status 1."""
    def there():
        found = [line for line in find(check(lab, node, arguments)[1], item, "fail", where)
                 if words in line["text"]]
        return found[0] if found else None
    line = wait_until(f"check on {node} says that {item} fails: {words}", there, 20)
    require(advice in line["advice"], f"advice: {line['advice']}")
    result = lab.run(node, f"vmreplica check {arguments}", 90)
    require(result.returncode == 1, f"exit {result.returncode}")
    shown = result.stdout.splitlines()
    at = [number for number, text in enumerate(shown)
          if text.startswith("fail") and item in text and words in text]
    require(at and advice in shown[at[0] + 1], result.stdout)
    say(f"{shown[at[0]].strip()} {shown[at[0] + 1].strip()}")


def fencing(lab):
    with broken(lab, "a1", "crm_attribute -n stonith-enabled -v false",
                "crm_attribute -n stonith-enabled -v true"):
        for node in lab.nodes("A"):
            fails(lab, node, "STONITH", "fencing is off", "stonith-enabled=true")
    wait_until("A passes again", lambda: passes(lab, "a1"), 30)


def certificate(lab):
    with broken(lab, "a2", f"mv {CERTIFICATE} /run/node.crt", f"mv /run/node.crt {CERTIFICATE}"):
        fails(lab, "a1", "certificate", CERTIFICATE, "vmreplica pki issue", where="a2")
        require(find(check(lab, "a1")[1], "certificate", node="a1")[0]["verdict"] != "fail",
                "a1's certificate is as it was")
    passes(lab, "a1")
    with broken(lab, "a1", f"cp -a {pki.NODE_PKI} /run/good-pki",
                f"cp -a /run/good-pki/* {pki.NODE_PKI}/; rm -r /run/good-pki"):
        runs_out(lab)
    passes(lab, "a1")


def runs_out(lab):
    """In 20 days: check and status tell it on every node, events on both sides."""
    pki.put(lab, "a1", 20)
    words = "the certificate expires on "
    wait_until("a2 shows a1's certificate in status", lambda: any(
        f"node a1: {words}" in text for text in json.loads(
            lab.vmreplica("a2", "status --json"))["warnings"]), 60)
    line = find(check(lab, "a2", TO)[1], "certificate", "warning", "a1")
    require(line and words in line[0]["text"] and "pki renew" in line[0]["text"], line)
    require(words in lab.vmreplica("a1", "events"), "no event of a1's own")
    wait_until("B tells of a1's certificate", lambda: (
        check(lab, "a1", TO), "the certificate of a1.a.example expires on " in lab.vmreplica(
            "b1", "events") + lab.vmreplica("b2", "events"))[1], 30)


def storage(lab):
    """Of one node alone: its mount becomes read-only."""
    with broken(lab, "b2", f"mount -o remount,bind,ro {rep.STORAGE}",
                f"mount -o remount,bind,rw {rep.STORAGE}"):
        fails(lab, "b1", "storage", f"{rep.STORAGE}: ", "writable for user vmreplica", where="b2")
        require(find(check(lab, "b1")[1], "storage", "ok", "b1"), "b1's storage is as it was")
    passes(lab, "b1")


def authorization(lab):
    try:
        lab.vmreplica("b1", f"authorize remove {rep.SITE_A}")
        fails(lab, "a1", "peer", "no authorization entry", "authorize list", f"web1 {TO}")
    finally:
        rep.authorize(lab)
    wait_until("A passes again", lambda: passes(lab, "a1", f"web1 {TO}"), 20)


def scratch_missing(lab):
    with broken(lab, "a2", f"mv {SCRATCH} {SCRATCH}.away",
                f"rmdir {SCRATCH}; mv {SCRATCH}.away {SCRATCH}"):
        fails(lab, "a1", "scratch", "No such file", "[scratch] directory", where="a2")
    passes(lab, "a1")


def scratch_full(lab):
    """No room above the reserve of 64 MiB, which a small file system of its own has not."""
    with broken(lab, "a2", f"mount -t tmpfs -o size=32M,mode=755 tmpfs {SCRATCH}",
                f"umount {SCRATCH}"):
        fails(lab, "a1", "scratch", "no cycle can start", "free space", where="a2")
    passes(lab, "a1")
