# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU is killed: the bitmaps are gone or inconsistent, replication resynchronizes by itself and
sends less than a tenth of the disks where less than a twentieth differs.  It resumes after a cut
of the WAN in its middle."""
import json

import replication as rep
from case import require, say, wait_until

TIMEOUT = 420


def run(lab):
    rep.ensure(lab)
    lab.guest("fill 32 0")
    rep.wait_cycles(lab, 2, 120)
    before = rep.status(lab)
    node = lab.wait_resource("web1")
    lab.guest("fill 8 0")
    pid = lab.on(node, "cat /run/libvirt/qemu/web1.pid").strip()
    lab.on(node, f"kill -9 {pid}")
    state = wait_until("a resynchronization begins", lambda: resyncing(lab, before), 120, 0.1)
    say(f"state {state}")
    lab.cut("wan", duration=3)
    found = wait_until("it replicates again", lambda: resynced(lab, before), 180)
    sent = found["bytes"]["wire"] - before["bytes"]["wire"]
    size = disk_bytes(lab)
    say(f"{sent >> 10} KiB sent, of {size >> 20} MiB of disks")
    require(sent < size / 10, "the resynchronization sent too much")
    lab.records_advance()   # the guest has booted again
    rep.compare_at_cut(lab)


def resyncing(lab, before):
    found = rep.status(lab)
    started = found["state"] in ("Resynchronizing", "WaitingForResynchronize")
    return found["state"] if started or found["resyncs"] > before["resyncs"] else None


def resynced(lab, before):
    found = rep.status(lab)
    good = found["resyncs"] > before["resyncs"] and found["state"] == "Replicating"
    return found if good else None


def disk_bytes(lab):
    return sum(json.loads(lab.on("a1", f"qemu-img info -U --output=json {image}"))["virtual-size"]
               for image in lab.primary_images())
