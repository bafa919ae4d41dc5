# SPDX-License-Identifier: GPL-2.0-or-later
"""The replica VM's definition on B: what cannot be had is told by protect and check, a VM that could
never start there is refused, and the XML beside the store is one that libvirt takes and VirtualDomain
reads, but that nobody can start before a failover: its disks do not exist, and libvirt says why."""
import xml.etree.ElementTree as tree

import replication as rep
from case import require, say, wait_until

TIMEOUT = 300
NAME = "web1-not-failed-over"
TO = "--to 10.77.2.100"


def run(lab):
    rep.remove(lab)
    rep.authorize(lab)
    refused(lab)
    warnings = told_by_protect(lab)
    rep.wait_replicating(lab)
    rep.sync(lab)
    found = wait_until("B shows a definition", lambda: defined(lab), 60)
    owner = found["owner"]
    require(any("pty" in note for note in found["notes"]), f"notes: {found['notes']}")
    require(all(note in warnings for note in found["notes"]), f"{found['notes']} were not told")
    content(lab, owner, found)
    libvirt_takes_it(lab, owner, found["definition"])
    told_by_check(lab)
    remap(lab, owner, found["definition"])
    rep.remove(lab)
    require(lab.run(owner, f"test -e {found['definition']}").returncode != 0, "it was left behind")


def defined(lab):
    found = rep.replica(lab)
    return found if found["definition"] else None


def refused(lab):
    """More memory than any node of B has."""
    image, xml = "/srv/vms/huge-vda.qcow2", "/srv/vms/huge.xml"
    lab.on("a1", f"qemu-img create -q -f qcow2 {image} 16M; cat > {xml} <<'X'\n{huge(image)}X\n"
           f"virsh define {xml}")
    lab.on("a1", f"pcs resource create huge ocf:heartbeat:VirtualDomain config={xml} "
           "hypervisor=qemu:///system --disabled --force", 60)
    try:
        result = lab.run("a1", f"vmreplica protect huge {TO}")
        require(result.returncode == 1, f"exit {result.returncode}")
        require("memory" in result.stderr and "--force" in result.stderr, result.stderr)
        say(result.stderr.strip())
        result = lab.run("a1", f"vmreplica protect huge {TO} --force --dry-run")
        require(result.returncode == 0, result.stderr)
        require("warning" in result.stderr and "memory" in result.stderr, result.stderr)
        require("huge-replica" in result.stdout, result.stdout)
    finally:
        lab.on("a1", f"pcs resource delete huge --force; virsh undefine huge; rm -f {image} {xml}",
               60)


def huge(image):
    return ("<domain type='qemu'>\n<name>huge</name>\n<memory unit='TiB'>4</memory>\n<os><type "
            "machine='pc-q35-7.2'>hvm</type></os>\n<devices>\n<disk type='file' device='disk'>"
            f"<driver name='qemu' type='qcow2'/><source file='{image}'/>"
            "<target dev='vda' bus='virtio'/></disk>\n</devices>\n</domain>\n")


def told_by_protect(lab):
    result = lab.run("a1", f"vmreplica protect web1 {TO} --frequency {rep.FAST} "
                     "--map net:prod=dr --map bridge:br0=br7", 120)
    require(result.returncode == 0, result.stderr)
    require("warning: a serial port of type unix is a pty" in result.stderr, result.stderr)
    config = lab.on("b1", "pcs resource config web1-a-replica", 30)
    require("net:prod=dr,bridge:br0=br7" in config, config)
    say(result.stderr.strip())
    return result.stderr


def content(lab, owner, found):
    path = found["definition"]
    require(path == f"{found['store']}.xml", path)
    require(lab.on(owner, f"stat -c '%U %a' {path}").split() == ["root", "644"], "owner or mode")
    text = lab.on(owner, f"cat {path}")
    require(f"\n  <name>{NAME}</name>\n" in text and text.startswith("<domain"), text)
    domain = tree.fromstring(text)
    disks = {disk.find("target").get("dev"): disk.find("source").get("file")
             for disk in domain.find("devices").findall("disk")}
    require(disks == {disk["name"]: f"{found['store']}/not-failed-over/{disk['name']}.qcow2"
                      for disk in found["disks"]}, f"{disks}")
    require(domain.find("os/kernel").text == "/srv/vms/boot/vmlinuz", text)
    require(domain.find("devices/emulator") is None and "/var/" not in text, text)


def libvirt_takes_it(lab, owner, path):
    """Its schema and its driver do; and VirtualDomain finds the name in it in its own way."""
    lab.on(owner, f"virsh define --validate {path}")
    lab.on(owner, f"virsh undefine {NAME}")
    result = lab.run(owner, f"virsh create {path}")
    require(result.returncode != 0 and "not-failed-over" in result.stderr, result.stderr)
    name = lab.on(owner, "sed -n 's/^[[:space:]]*<name>\\(.*\\)<\\/name>[[:space:]]*$/\\1/p' " + path)
    require(name.strip() == NAME, name)


def told_by_check(lab):
    result = lab.run("b1", "vmreplica check", 90)
    lines = [line for line in result.stdout.splitlines() if "replica VM web1" in line]
    require(any("would start on this node" in line for line in lines), result.stdout)
    require(any("pty" in line for line in lines), result.stdout)


def remap(lab, owner, path):
    """Another map is taken up without a restart, and the definition stays where it is."""
    lab.on("b1", "pcs resource update web1-a-replica map=net:prod=other", 60)
    rep.wait_cycles(lab, 1, 60)
    require(lab.run(owner, f"test -s {path}").returncode == 0, "the definition is gone")
