# SPDX-License-Identifier: GPL-2.0-or-later
"""The replica's storage, a small file system of its own, really runs full in the middle of a cycle:
replication pauses with that reason on both sides, web1 is unharmed, and what was acknowledged
outlives even a crash of the receiver on the full disk.  With room it goes on by itself."""
import replication as rep
from case import require, say, wait_until

TIMEOUT = 300
PLACE, IMAGE = "/srv/small", "/srv/small.img"
LEFT_MIB = 80       # of which 64 MiB are the reserve that the lab's nodes have


def run(lab):
    rep.remove(lab)
    rep.thin(lab)
    mount_small(lab)
    try:
        lab.run("b1", f"vmreplica authorize remove {rep.SITE_A}")
        rep.authorize(lab, storage=PLACE)
        rep.protect(lab)
        before = rep.wait_replicating(lab)
        with rep.unharmed(lab):
            fills_in_a_cycle(lab, before)
        rep.no_resync_since(lab, before)
        lab.guest("load 0")
        rep.compare_at_cut(lab)
    finally:
        lab.run("b1", f"rm -f {PLACE}/other {PLACE}/more")
        rep.remove(lab)
        lab.run("b1", f"vmreplica authorize remove {rep.SITE_A}")
        for name in lab.nodes("B"):
            lab.on(name, f"umount {PLACE}")
        lab.on("b1", f"rm {IMAGE}")


def mount_small(lab):
    """One ext4, mounted by all nodes of B: they share a kernel, hence its cache."""
    device = lab.on("b1", f"truncate -s 3G {IMAGE} && mkfs.ext4 -q -m 0 {IMAGE} && "
                    f"losetup --find --show {IMAGE}").strip()
    for name in lab.nodes("B"):
        lab.on(name, f"mkdir -p {PLACE} && mount {device} {PLACE}")
    lab.on("b1", f"losetup -d {device}; chown vmreplica: {PLACE}")    # gone with the last umount


def fills_in_a_cycle(lab, before):
    """Somebody else leaves little room, web1 uses some of it, and then there is none at all."""
    lab.on("b1", f"fallocate -l {(free_kib(lab) >> 10) - LEFT_MIB}M {PLACE}/other")
    lab.guest("load 3000000 0")
    wait_until("a cycle is being received", lambda: free_kib(lab) < (LEFT_MIB - 8) << 10, 60, 0.1)
    lab.on("b1", f"(while [ -e {PLACE}/other ]; do dd if=/dev/zero of={PLACE}/more bs=64k "
           "oflag=append conv=notrunc; sleep 0.3; done) > /dev/null 2> /run/filler &")
    for site in "AB":
        found = wait_until(f"{site} says that B's storage is full", lambda: full(lab, site), 60)
        say(f"{site}: {found['health']}, {found['reason']}")
    require("No space left" in lab.on("b1", "cat /run/filler"), "there was room left")
    stopped = rep.status(lab)
    # Its engine starts another one; on the full disk that finds what was acknowledged.
    lab.kill_program(rep.replica(lab)["owner"], "vmreplica-receiver")
    found = wait_until("B knows the replica again", lambda: rep.replica(lab), 60)
    require(found["seq"] >= stopped["seq"],
            f"acknowledged was cycle {stopped['seq']}, B holds {found['seq']}")
    require(rep.status(lab)["cycles"]["ok"] == stopped["cycles"]["ok"], "a cycle was committed")
    require(free_kib(lab) < 4096, f"{free_kib(lab)} KiB are free")
    lab.guest("load 300000 50")
    lab.on("b1", f"rm {PLACE}/other; sleep 1; rm {PLACE}/more")
    rep.wait_cycles(lab, 2, 120)
    for site in "AB":
        wait_until(f"{site} has forgotten that", lambda: not full(lab, site), 30)
    say(f"went on: {before['cycles']} -> {rep.status(lab)['cycles']}")


def full(lab, site):
    found = rep.status(lab, site)
    return found if found["reason_code"] == "storage-full" else None


def free_kib(lab):
    return int(lab.on("b1", f"df --output=avail -k {PLACE} | tail -1"))
