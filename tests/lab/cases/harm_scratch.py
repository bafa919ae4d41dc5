# SPDX-License-Identifier: GPL-2.0-or-later
"""The scratch directory, a small file system of its own, runs full: by what the guest overwrites
during a long job, and by somebody else's file.  The cycle is missed with that reason, web1 is
never paused, and replication goes on by itself when there is room.  Only where the last byte is
taken at once from under an open job does QEMU pause web1, for less than a second."""
import re

import replication as rep
from case import require, say, wait_until

SIZE_MIB = 96       # of which 64 MiB are the reserve that the lab's nodes have
# Small disks: web1 comes round to what it wrote before, and only what is overwritten is kept in
# scratch files.
SHAPE = {"scratch_size": f"{SIZE_MIB}M", "disk_size": "128M"}
TIMEOUT = 400
SCRATCH = "/var/lib/vmreplica/scratch"
EVENTS = "/run/web1-events"


def run(lab):
    lab.guest("fill 128 50")
    rep.ensure(lab)
    node = lab.wait_resource("web1")
    watcher = watch(lab, node)
    with rep.unharmed(lab):
        guest_fills(lab, node)
        other_fills(lab, node)
    require(not pauses(lab, node, watcher), f"web1 did not just run: {pauses(lab, node, watcher)}")
    watcher = watch(lab, node)
    with rep.unharmed(lab, most_gap_s=1.0):
        other_fills_at_once(lab, node)
    say(f"libvirt saw: {pauses(lab, node, watcher)}")
    lab.guest("load 0")
    rep.compare_at_cut(lab)


def long_job(lab, node):
    """A cycle that takes long, while the guest overwrites: what it overwrites is kept in the
    scratch file."""
    lab.vmreplica(node, "pause web1")
    lab.guest("fill 64 0")
    lab.rate("4mbit")
    lab.vmreplica(node, "resume web1")
    wait_until("a cycle is being sent", lambda: rep.status(lab)["progress"], 30, 0.1)
    lab.guest("load 6000000 0")


def guest_fills(lab, node):
    say("---- web1 overwrites more than the scratch directory takes, while a cycle is being sent")
    before = rep.status(lab)
    long_job(lab, node)
    least = [SIZE_MIB << 10]

    def missed():
        least[0] = min(least[0], free_kib(lab, node))
        return short(lab, before)
    found = wait_until("a cycle is missed for want of scratch", missed, 90, 0.1)
    say(f"{found['cycles']} {found['reason']}; at least {least[0]} KiB stayed free")
    require(0 < least[0] < (SIZE_MIB - 8) << 10, "the scratch directory was full, or not used")
    lab.guest("load 0")
    goes_on(lab)


def other_fills(lab, node):
    """Somebody else takes all the room between two cycles: no job begins."""
    say("---- somebody else takes all the room there")
    before = rep.status(lab)
    lab.guest("load 300000 0")
    lab.run(node, f"dd if=/dev/zero of={SCRATCH}/other bs=1M 2>/dev/null")
    found = wait_until("a cycle is missed for want of scratch", lambda: short(lab, before), 60)
    say(f"{found['cycles']} {found['reason']}, {free_kib(lab, node)} KiB free")
    require(free_kib(lab, node) == 0, "there is room left")
    lab.on(node, f"rm {SCRATCH}/other")
    goes_on(lab)


def other_fills_at_once(lab, node):
    """Quicker than anybody can watch: QEMU pauses web1, our engine ends the job and resumes it."""
    say("---- somebody else takes all the room there in an instant, under an open job")
    before = rep.status(lab)
    long_job(lab, node)
    lab.run(node, f"dd if=/dev/zero of={SCRATCH}/other bs=1M 2>/dev/null")
    wait_until("a cycle is missed for want of scratch", lambda: short(lab, before), 60, 0.1)
    lab.guest("load 0")
    wait_until("an event tells of the pause, if there was one", lambda: not pauses(lab, node)
               or "it was resumed" in lab.vmreplica(node, "events"), 15)
    lab.on(node, f"rm {SCRATCH}/other")
    goes_on(lab)


def goes_on(lab):
    lab.rate(lab.shape.wan_rate)
    rep.wait_cycles(lab, 2, 90)
    wait_until("its reason is gone", lambda: "scratch" not in rep.status(lab)["reason"], 30)


def free_kib(lab, node):
    return int(lab.on(node, f"df --output=avail -k {SCRATCH} | tail -1"))


def short(lab, before):
    found = rep.status(lab)
    missed = found["cycles"]["missed"] > before["cycles"]["missed"]
    return found if missed and "scratch" in found["reason"] else None


def watch(lab, node):
    """libvirt's own word about each pause of web1, however short."""
    return lab.on(node, f"timeout {TIMEOUT} virsh event web1 lifecycle --loop > {EVENTS} 2>&1 & "
                  "echo $!").strip()


def pauses(lab, node, watcher=None):
    if watcher:
        lab.run(node, f"kill {watcher}")
    return re.findall(r"'web1': (.*)", lab.on(node, f"cat {EVENTS}"))
