# SPDX-License-Identifier: GPL-2.0-or-later
"""Negative control of the harm rule: a VM that is paused for 8 s, without knowing it, shows a gap
of more than 5 s in its own records, and a restart of it shows as one boot more."""
import time

from case import require, say

PRODUCT = False


def run(lab):
    lab.guest("gap-reset")
    lab.records_advance()
    quiet = lab.guest_status()
    require(quiet["max_gap_ms"] <= 5000, f"a gap of {quiet['max_gap_ms']} ms without a pause")
    node = lab.wait_resource("web1")
    lab.on(node, "virsh suspend web1")
    time.sleep(8)
    lab.on(node, "virsh resume web1")
    lab.records_advance(5)
    paused = lab.guest_status()
    say(f"largest gap before {quiet['max_gap_ms']:.0f} ms, after {paused['max_gap_ms']:.0f} ms")
    require(paused["max_gap_ms"] > 5000, f"the pause went unseen: {paused['max_gap_ms']} ms")
    lab.stop_guest()
    facts = lab.judge(node, lab.primary_images())
    require(facts["largest_gap_s"] > 5, f"the image does not show it: {facts}")
    lab.start_guest()
    require(lab.guest_status()["boots"] == quiet["boots"] + 1, "a restart is not counted")
