# SPDX-License-Identifier: GPL-2.0-or-later
"""What the guest discards (fstrim, blkdiscard) reads as zeros on the replica too, and costs next
to nothing on the wire."""
import replication as rep
from case import require, say

TIMEOUT = 240


def run(lab):
    rep.ensure(lab)
    lab.guest("fill 16 0")
    rep.sync(lab)
    before = rep.status(lab)
    lab.guest("stop")
    for disk in (0, 1):
        lab.guest(f"discard {disk} {64 << 20} {8 << 20}")
    lab.guest("go")
    rep.sync(lab)
    sent = rep.status(lab)["bytes"]["wire"] - before["bytes"]["wire"]
    say(f"{sent >> 10} KiB on the wire for 16 MiB discarded")
    require(sent < 4 << 20, f"{sent} bytes for a discard")
    # The checker knows load blocks that are gone as damage: only the comparison judges here.
    with rep.quiet_guest(lab):
        seq = rep.sync(lab)["seq"]
        found = rep.wait_applied(lab, seq)
        for mine, theirs in zip(lab.primary_images(), rep.replica_images(found)):
            rep.compare(lab, found["owner"], rep.folder_path(lab, "A", mine),
                        rep.folder_path(lab, "B", theirs))


DIRTY = True
