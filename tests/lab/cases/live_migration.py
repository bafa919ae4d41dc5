# SPDX-License-Identifier: GPL-2.0-or-later
"""web1 under VirtualDomain migrates live between the nodes of site A, there and back, under load:
no record is lost, it is not restarted, and its writing never pauses for more than 5 s."""
from case import require, say

PRODUCT = False
TIMEOUT = 150


def run(lab):
    lab.guest("load 1000000 50")
    lab.guest("gap-reset")
    boots = lab.guest_status()["boots"]
    for _ in range(2):
        source = lab.wait_resource("web1")
        took = lab.move("web1", lab.other_node(source))
        say(f"moved away from {source} in {took:.1f} s")
        lab.records_advance()
    status = lab.guest_status()
    say(f"largest gap {status['max_gap_ms']:.0f} ms")
    require(status["boots"] == boots, "web1 was restarted, not migrated")
    require(status["max_gap_ms"] <= 5000, f"web1 paused for {status['max_gap_ms']} ms")
    require(status["error"] == 0, f"web1 saw an I/O error: {status['error']}")
    lab.guest("load 0")
    lab.stop_guest()
    facts = lab.judge("a1", lab.primary_images())
    lab.start_guest()
    require(facts["newest"] >= status["seq"], "records are missing")
    say(f"judged: {facts}")
