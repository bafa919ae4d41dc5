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
    for disk in (0, 1):
        lab.guest(f"discard {disk} {64 << 20} {8 << 20}")
    rep.sync(lab)
    sent = rep.status(lab)["bytes"]["wire"] - before["bytes"]["wire"]
    say(f"{sent >> 10} KiB on the wire for 16 MiB discarded")
    require(sent < 4 << 20, f"{sent} bytes for a discard")
    rep.compare_at_cut(lab)
