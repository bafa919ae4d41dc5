# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU is killed: the bitmaps are gone or inconsistent, and replication resynchronizes by itself.
Where less than a twentieth of the disks differs it sends less than a tenth of them; interrupted
by a crash of the engine and by one of the receiver it goes on where it was: nothing is hashed
again."""
import json
import time

import replication as rep
from case import require, say, wait_until

TIMEOUT = 420
MIB = 1 << 20
# A mark is made at least every 5 s; what the guest writes meanwhile is sent besides.
MARK_S, SLACK = 7, 8 * MIB


def run(lab):
    rep.ensure(lab)
    lab.guest("fill 8 0")
    before = rep.sync(lab)
    lab.cut("wan")              # what follows is on one side only
    node = crash(lab)
    differing, size = differing_bytes(lab, before["seq"]), disk_bytes(lab)
    require(differing < size / 20, f"{differing >> 20} MiB differ: too much for this case")
    lab.rate("4mbit")           # so that there is a middle
    sent = rep.sent_by(lab, node)
    lab.heal("wan")
    done, left = killed(lab, node, "vmreplica-engine", size)
    more, left = killed(lab, rep.replica(lab)["owner"], "vmreplica-receiver", left)
    found = wait_until("it replicates again", lambda: resynced(lab, before), 120)
    sent = rep.sent_by(lab, node) - sent
    say(f"{differing / MIB:.1f} MiB differed, {sent / MIB:.1f} MiB left {node}, "
        f"{(done + more + left) / MIB:.0f} MiB were hashed, of {size / MIB:.0f} MiB of disks")
    require(found["resyncs"] == before["resyncs"] + 1, f"{found['resyncs']} resynchronizations")
    require(sent < size / 10, "the resynchronization sent too much")
    require(sent < 1.25 * differing + 4 * MIB, "something was sent twice")
    lab.rate(lab.shape.wan_rate)
    lab.records_advance()
    rep.compare_at_cut(lab)


def crash(lab):
    """Kill QEMU with changes that the replica has not; returns where the guest runs again."""
    boots = lab.guest_status()["boots"]
    lab.guest("fill 20 0")
    node = lab.wait_resource("web1")
    lab.on(node, "kill -9 $(cat /run/libvirt/qemu/web1.pid)")
    wait_until("the guest has booted again", lambda: lab.guest_status()["boots"] > boots, 120)
    return lab.wait_resource("web1")


def differing_bytes(lab, seq):
    """What really differs, by an independent count of blocks, while the guest writes nothing."""
    found = rep.wait_applied(lab, seq)
    total = 0
    with rep.quiet_guest(lab):
        for mine, theirs in zip(lab.primary_images(), rep.replica_images(found)):
            text = lab.checker(found["owner"], f"count -U {rep.folder_path(lab, 'A', mine)} "
                               f"{theirs}").stdout
            total += int(text)
    return total


def killed(lab, node, program, left):
    return interrupted(lab, f"{program} on {node} was killed",
                       lambda: lab.kill_program(node, program), left, 2 * MARK_S)


def interrupted(lab, what, strike, left, watch_s):
    """STRIKE while the resynchronization is at work, which then goes on at its last mark and not
    before: returns what was done until then, and what was left to do."""
    seen = []       # (time, bytes done)
    begin = wait_until("a resynchronization is under way", lambda: under_way(lab), 90, 0.1)
    require(begin["total_bytes"] <= left + SLACK, f"{begin['total_bytes']} bytes to do, not {left}")
    start = time.monotonic()
    while time.monotonic() < start + watch_s:
        progress = under_way(lab)
        require(progress, "the resynchronization was over too soon for this case")
        seen.append((time.monotonic(), progress["done_bytes"]))
    strike()
    found = wait_until("it goes on from a mark", lambda: resumed(lab, begin), 120, 0.1)
    marked = max(done for when, done in seen if when <= seen[-1][0] - MARK_S)
    say(f"{what} after {seen[-1][1] / MIB:.1f} of {begin['total_bytes'] / MIB:.1f} MiB, of which "
        f"{marked / MIB:.1f} MiB were done {MARK_S} s before; "
        f"{found['total_bytes'] / MIB:.1f} MiB were left to do then")
    require(found["total_bytes"] <= begin["total_bytes"] - marked + SLACK, "it began anew")
    return seen[-1][1], found["total_bytes"]


def under_way(lab, least=1):
    progress = rep.status(lab)["progress"]
    fits = progress and progress["kind"] == "resync" and progress["done_bytes"] >= least
    return progress if fits else None


def resumed(lab, begin):
    """It is at work again: what was done before its last mark is no part of it any more."""
    progress = under_way(lab, 0)
    return progress if progress and progress["total_bytes"] < begin["total_bytes"] else None


def resynced(lab, before):
    found = rep.status(lab)
    good = found["resyncs"] > before["resyncs"] and found["state"] == "Replicating"
    return found if good else None


def disk_bytes(lab):
    return sum(json.loads(lab.on("a1", f"qemu-img info -U --output=json {image}"))["virtual-size"]
               for image in lab.primary_images())
