# SPDX-License-Identifier: GPL-2.0-or-later
"""Wrong use and wrong disks: one clear line each, the right exit status, nothing changed."""
import xml.etree.ElementTree as tree

import replication as rep
from case import require, say

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
    require(text.count("\n") <= 2, f"{command}: too many lines: {text}")
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
        "raw": (f"qemu-img create -f raw {images}/bad-vda.raw 16M", "raw", "", "raw"),
        "old": (f"qemu-img create -f qcow2 -o compat=0.10 {images}/bad-vda.qcow2 16M", "qcow2", "",
                "compat"),
        "shared": (f"qemu-img create -f raw {images}/bad-vda.raw 16M", "raw", "<shareable/>",
                   "shareable"),
        "crypt": (f"qemu-img create --object secret,id=s,data=x -f qcow2 -o encrypt.format=luks,"
                  f"encrypt.key-secret=s {images}/bad-vda.qcow2 16M", "qcow2", "", "encrypt"),
    }
    for name, (command, form, more, word) in make.items():
        path = command.split()[-2]
        lab.on("a1", f"rm -f {images}/bad-vda.*; {command}")
        lab.on("a1", f"cat > {images}/bad.xml <<'X'\n{domain(path, form, more)}X\n"
               f"virsh define {images}/bad.xml")
        lab.on("a1", f"pcs resource create bad ocf:heartbeat:VirtualDomain config={images}/bad.xml "
               "hypervisor=qemu:///system --disabled --force", 60)
        try:
            refuse(lab, f"protect bad {TO}", 1, "vda", word)
        finally:
            lab.on("a1", "pcs resource delete bad --force; virsh undefine bad", 60)


def domain(path, form, more):
    return (f"<domain type='qemu'>\n<name>bad</name>\n<memory>65536</memory>\n<os><type "
            f"machine='pc-q35-7.2'>hvm</type></os>\n<devices>\n<disk type='file' device='disk'>"
            f"<driver name='qemu' type='{form}'/><source file='{path}'/>"
            f"<target dev='vda' bus='virtio'/>{more}</disk>\n</devices>\n</domain>\n")
