# SPDX-License-Identifier: GPL-2.0-or-later
"""Twenty running VMs while the WAN is cut: crm_mon shows it of each, which costs one transition for
each change of a node attribute (Pacemaker merges none of them), at most one a VM and minute; then,
and after the WAN is healed, it is as quiet as ever."""
import many
from case import require, wait_until

SOAK = True
TIMEOUT = 900
FRESH = True
SHAPE = {"guest": False}
SECONDS = 60


def run(lab):
    many.replicate(lab)
    lab.cut("wan")
    for minute in range(4):
        counts = many.transitions(lab, f"minute {minute + 1} of the cut", SECONDS)
        require(max(counts.values()) <= many.COUNT + 2, f"transitions in a minute: {counts}")
    # A Warning first; Critical when all retries are used up, after which nothing changes.
    wait_until("crm_mon shows it of all", lambda: all(
        text.startswith("Critical") for text in many.told(lab)), 240, 2)
    quiet(lab, "the WAN is still cut")
    lab.heal("wan")
    many.wait_told(lab, 300)
    quiet(lab, "the WAN is healed")


def quiet(lab, what):
    counts = many.transitions(lab, what, SECONDS)
    require(max(counts.values()) <= 2 * SECONDS / 60, f"transitions in {SECONDS} s: {counts}")
