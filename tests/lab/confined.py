# SPDX-License-Identifier: GPL-2.0-or-later
"""What the daemons of a node gave up: from /proc, and by trying with the receiver's rights."""
import ctypes

from case import require, say

USER = "vmreplica"
CAPABILITIES = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
# What runs without privileges: they parse what peers send.
BARE = ("vmreplica-broker", "vmreplica-receiver", "qemu-storage-daemon")
CREATE_RULESET, VERSION = 444, 1
AS_USER = f"setpriv --reuid={USER} --regid={USER} --clear-groups --no-new-privs"


def landlock():
    """The kernel's, 0 without; the product needs 2."""
    abi = ctypes.CDLL(None, use_errno=True).syscall(CREATE_RULESET, None, 0, VERSION)
    return max(abi, 0)


def processes(lab, node):
    """[(program, pid)] of the product on NODE."""
    found = lab.on(node, "for entry in /proc/[0-9]*; do set -- $(tr '\\0' '\\n' < $entry/cmdline "
                   "2>/dev/null | head -1); echo \"${1##*/} ${entry#/proc/}\"; done 2>/dev/null")
    pairs = [line.split() for line in found.splitlines()]
    return [(pair[0], int(pair[1])) for pair in pairs if len(pair) == 2
            and pair[0].startswith(("vmreplica-", "qemu-storage-daemon"))]


def status(lab, node, pid):
    lines = lab.on(node, f"cat /proc/{pid}/status").splitlines()
    return {name: value.split() for name, _, value in (line.partition(":") for line in lines)}


def check(lab, node):
    """Each of NODE's daemons; returns their programs' names."""
    user = lab.on(node, f"id -u {USER}").strip()
    helpers = lab.on(node, "getent group haclient").split(":")[2]
    found = processes(lab, node)
    for program, pid in found:
        facts = status(lab, node, pid)
        what = f"{program} (pid {pid}) on {node}"
        require((helpers in facts["Gid"] + facts["Groups"]) == (program == "vmreplica-cib"),
                f"{what}: groups {facts['Gid']} {facts['Groups']}, haclient is {helpers}")
        maps = lab.on(node, f"cut -c74- /proc/{pid}/maps")
        require(("libvirt.so" in maps) == (program == "vmreplica-engine"),
                f"{what}: libvirt is to be in the engine alone")
        require(" 0 " in " ".join(lab.on(node, f"grep core /proc/{pid}/limits").split()),
                f"{what} may leave a core dump")
        if program in BARE:
            bare(lab, node, pid, facts, user, what)
        if program == "vmreplica-cib":
            require(facts["NoNewPrivs"] == ["1"] and int(facts["CapEff"][0], 16) == 0, what)
    return [program for program, _ in found]


def bare(lab, node, pid, facts, user, what):
    require(set(facts["Uid"]) == {user}, f"{what} runs as {facts['Uid']}")
    for name in CAPABILITIES:
        require(int(facts[name][0], 16) == 0, f"{what} has capabilities: {name} {facts[name]}")
    require(facts["NoNewPrivs"] == ["1"], f"{what}: new privileges")
    require(facts["Seccomp"] == ["2"], f"{what}: no filter of system calls")
    if "qemu-storage-daemon" not in what:
        owner = lab.on(node, f"stat -c %u /proc/{pid}/status").strip()
        require(owner == "0", f"{what}: its memory can be read by its user")


def check_landlock(lab, node):
    said = lab.run(node, "grep -h 'files are not restricted' /var/log/vmreplica/*.log").stdout
    if landlock() < 2:
        require("Landlock" in said, f"{node}: a kernel without Landlock, and no word of it")
        say("this kernel has no Landlock: not tried")
    else:
        require(said == "", f"{node}: {said}")


def refused(lab, node, what, command):
    result = lab.run(node, f"{AS_USER} sh -c '{command}'")
    require(result.returncode != 0, f"{node}: with the receiver's rights, {what}: {command}")


def check_rights(lab, node, disks):
    """What a receiver that was taken over could try, even were there neither filter nor Landlock."""
    require(lab.run(node, f"{AS_USER} id -u").returncode == 0, "setpriv does not work")
    for what, command in (
            ("the CIB by its tool", "cibadmin --query"),
            ("the CIB's file", "cat /var/lib/pacemaker/cib/cib.xml"),
            ("the cluster's key", "cat /etc/corosync/authkey"),
            ("the cluster's status", "crm_mon -1"),
            ("libvirt", "virsh -c qemu:///system list"),
            ("the engine's state", "ls /var/lib/vmreplica/jobs"),
            ("shadow", "cat /etc/shadow"),
            *((f"a VM's disk", f"head -c1 {disk}") for disk in disks)):
        refused(lab, node, what, command)
