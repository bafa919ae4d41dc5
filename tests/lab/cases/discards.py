# SPDX-License-Identifier: GPL-2.0-or-later
"""What the guest discards (fstrim, blkdiscard) reads as zeros on the replica too, where there was
data before, and costs next to nothing on the wire."""
import replication as rep
from case import require, say

TIMEOUT = 240
MIB = 1 << 20
FILL_MIB, MOST_SENT = 16, 4 * MIB


def run(lab):
    rep.ensure(lab)
    lab.guest("load 0")
    first = int(lab.guest_status()["load_done"]) // 256     # of the guest's batches of 1 MiB
    lab.guest(f"fill {FILL_MIB} 0")
    before = rep.sync(lab)
    ranges = written(lab, first)
    require(not zeros(lab, before["seq"], ranges), "the replica has no data where the guest wrote")
    node = lab.wait_resource("web1")
    sent = rep.sent_by(lab, node)
    for disk, offset, length in ranges:
        lab.guest(f"discard {disk} {offset} {length}")
    after = rep.sync(lab)
    sent, wire = rep.sent_by(lab, node) - sent, after["bytes"]["wire"] - before["bytes"]["wire"]
    say(f"{wire >> 10} KiB on the wire for {FILL_MIB} MiB discarded, {sent >> 10} KiB left {node}")
    require(wire < MOST_SENT, f"{wire} bytes for a discard")
    require(sent < MOST_SENT, f"{sent} bytes left {node} for a discard")
    found = zeros(lab, after["seq"], ranges)
    require(found == ranges, f"of {ranges} only {found} read as zeros on the replica")
    rep.compare_at_cut(lab)


def written(lab, first):
    """The ranges (disk, offset, length) of the FILL_MIB batches from FIRST on: they alternate over
    the disks and begin again where a disk ends (guest/layout.h)."""
    places = ((int(lab.shape.disk_size.rstrip("M")) * MIB) - rep.LOAD_OFFSET) // MIB
    ranges = []
    for disk in (0, 1):
        for batch in range(first, first + FILL_MIB):
            offset = rep.LOAD_OFFSET + batch // 2 % places * MIB
            if batch % 2 != disk:
                continue
            if ranges and ranges[-1][0] == disk and sum(ranges[-1][1:]) == offset:
                ranges[-1][2] += MIB
            else:
                ranges.append([disk, offset, MIB])
    return ranges


def zeros(lab, seq, ranges):
    """Those of RANGES that read as zeros, from end to end, on the replica's top images."""
    found = rep.wait_applied(lab, seq)
    images, good = rep.replica_images(found), []
    for disk, offset, length in ranges:
        result = lab.run(found["owner"], f"qemu-io -r -U -f qcow2 -c 'read -P 0 {offset} {length}' "
                         f"{images[disk]}")
        require(f"read {length}/{length} bytes" in result.stdout, result.stdout + result.stderr)
        if "verification failed" not in result.stdout + result.stderr:
            good.append([disk, offset, length])
    return good
