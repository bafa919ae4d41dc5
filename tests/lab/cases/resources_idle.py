# SPDX-License-Identifier: GPL-2.0-or-later
"""Twenty running VMs, each replicated every 30 s, cause at most two transitions a minute at either
site.  (resources_cut: while the WAN is cut.)"""
import many
from case import require

TIMEOUT = 480
FRESH = True
SHAPE = {"guest": False}
SOAK = True  # three minutes, and nothing in it has changed for long
SECONDS = 60


def run(lab):
    many.replicate(lab)
    cycles = sum(vm["cycles"]["ok"] for vm in many.healthy(lab))
    counts = many.transitions(lab, "in peace", SECONDS)
    require(max(counts.values()) <= 2 * SECONDS / 60, f"transitions in {SECONDS} s: {counts}")
    require(sum(vm["cycles"]["ok"] for vm in many.healthy(lab)) >= cycles + many.COUNT,
            "they did not replicate meanwhile")
