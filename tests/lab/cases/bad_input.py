# SPDX-License-Identifier: GPL-2.0-or-later
"""Wrong use and wrong disks: one clear line each, the right exit status, nothing changed."""
import xml.etree.ElementTree as tree

import replication as rep
from case import require, say, wait_until

TIMEOUT = 240
TO = "--to 10.77.2.100"


def run(lab):
    rep.remove(lab)
    rep.authorize(lab)
    before = lab.on("a1", "cibadmin --query --scope configuration")
    wrong_use(lab)
    unknown(lab)
    refuse(lab, f"protect web1 {TO} --exclude-disk vdd", 1, "vdd", "no such disk")
    wrong_disks(lab)
    config_typo(lab)
    after = lab.on("a1", "cibadmin --query --scope configuration")
    require(resources(after) == resources(before), "a resource or constraint was left behind")


def resources(configuration):
    """The ids of all resources and constraints in it."""
    root = tree.fromstring(configuration)
    return sorted(entry.get("id") for part in ("resources", "constraints")
                  for entry in root.find(part).iter() if entry.get("id"))


def refuse(lab, command, status, *words):
    result = lab.run("a1", f"vmreplica {command}")
    text = result.stderr.strip()
    require(result.returncode == status, f"{command}: exit {result.returncode}: {text}")
    for word in words:
        require(word.lower() in text.lower(), f"{command}: no '{word}' in: {text}")
    # Wrong use is one line; a failure may add what to do next.
    most = 1 if status == 2 else 3
    lines = [line for line in (result.stdout + result.stderr).splitlines() if line.strip()]
    require(1 <= len(lines) <= most, f"{command}: {len(lines)} lines, not {most}: {lines}")
    say(f"{command}: {text}")


def wrong_use(lab):
    refuse(lab, "", 2)
    refuse(lab, "frobnicate", 2, "frobnicate")
    refuse(lab, "protect", 2)
    refuse(lab, f"protect web1 {TO} --frequency 4", 2, "frequency")
    refuse(lab, f"protect web1 {TO} --frequency x", 2, "frequency")
    refuse(lab, f"protect web1 {TO} --bandwidth 20Q", 2, "bandwidth")
    refuse(lab, "status --nonsense", 2)


def unknown(lab):
    refuse(lab, f"protect nosuchvm {TO}", 1, "nosuchvm")
    for command in ("sync", "pause", "resume", "resync", "unprotect", "locate"):
        refuse(lab, f"{command} nosuchvm", 1, "nosuchvm")
    refuse(lab, "protect web1 --to 10.77.2.250", 1, "10.77.2.250")


def wrong_disks(lab):
    """Each kind of disk that cannot be replicated is named with its reason."""
    images = "/srv/vms"
    make = {
        "raw": (f"qemu-img create -f raw {images}/bad-vda.raw 16M", "raw", "", "raw disk",
                "vmreplica wrap", "--exclude-disk vda"),
        "old": (f"qemu-img create -f qcow2 -o compat=0.10 {images}/bad-vda.qcow2 16M", "qcow2", "",
                "compat"),
        "shared": (f"qemu-img create -f raw {images}/bad-vda.raw 16M", "raw", "<shareable/>",
                   "shareable"),
        "crypt": (f"qemu-img create --object secret,id=s,data=x -f qcow2 -o encrypt.format=luks,"
                  f"encrypt.key-secret=s,encrypt.iter-time=10 {images}/bad-vda.qcow2 16M", "qcow2", "", "encrypt"),
    }
    for command, form, more, *words in make.values():
        path = command.split()[-2]
        source = f"<source file='{path}'/>"
        lab.on("a1", f"rm -f {images}/bad-vda.*; {command}")
        refuse_disk(lab, domain("file", source, form, more), *words)
    lab.on("a1", f"rm -f {images}/bad-vda.*")
    network_disks(lab)


def network_disks(lab):
    """Disks without an image of their own here; what serves them need not be there."""
    sources = {
        "nbd": "<source protocol='nbd' name='x'><host name='127.0.0.1' port='10809'/></source>",
        "rbd": "<source protocol='rbd' name='pool/x'><host name='127.0.0.1' port='6789'/></source>",
    }
    for source in sources.values():
        refuse_disk(lab, domain("network", source, "raw", ""), "network disk", "--exclude-disk vda")


def refuse_disk(lab, xml, *words):
    config = "/srv/vms/bad.xml"
    lab.on("a1", f"cat > {config} <<'X'\n{xml}X\nvirsh -q define {config} && pcs resource create "
           f"bad ocf:heartbeat:VirtualDomain config={config} hypervisor=qemu:///system --disabled "
           "--force", 60)
    try:
        refuse(lab, f"protect bad {TO}", 1, "vda", *words)
    finally:
        lab.on("a1", f"pcs resource delete bad --force; virsh -q undefine bad; rm {config}", 60)


def config_typo(lab):
    """A mistyped key, with file and line, from `check` while the engine still runs, from the engine
    that does not start, and from Pacemaker, which shows what it said."""
    conf, words = "/etc/vmreplica/vmreplica.conf", ("vmreplica.conf:5", "replication-adress")
    owner = lab.run("a1", "crm_resource -W -r web1 -Q").stdout.strip()
    node = lab.other_node(owner)
    lab.on(node, f"cp -a {conf} /run/conf.good && sed -i '5i replication-adress = 10.0.0.1' {conf}")
    try:
        result = lab.run(node, "vmreplica check")
        lines = [line for line in result.stdout.splitlines() if words[1] in line]
        require(result.returncode == 1 and lines and words[0] in lines[0],
                f"check: exit {result.returncode}: {result.stdout}")
        say(lines[0].strip())
        result = lab.run(node, "vmreplica-engine --foreground")
        require(result.returncode == 1 and all(word in result.stderr for word in words),
                f"the engine: exit {result.returncode}: {result.stderr}")
        lab.on(node, "kill $(cat /run/vmreplica/engine.pid)")
        wait_until("Pacemaker shows why the engine does not start", lambda: words[0] in lab.on(
            owner, "crm_mon -1"), 60, 1)
    finally:
        lab.on(node, f"mv /run/conf.good {conf}")
        lab.on(owner, "crm_resource --cleanup")
    wait_until(f"the engine on {node} is back", lambda: lab.run(
        node, "vmreplica status").returncode == 0, 60, 1)


def domain(kind, source, form, more):
    return (f"<domain type='qemu'>\n<name>bad</name>\n<memory>65536</memory>\n<os><type "
            f"machine='pc-q35-7.2'>hvm</type></os>\n<devices>\n<disk type='{kind}' device='disk'>"
            f"<driver name='qemu' type='{form}'/>{source}"
            f"<target dev='vda' bus='virtio'/>{more}</disk>\n</devices>\n</domain>\n")
