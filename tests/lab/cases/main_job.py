# SPDX-License-Identifier: GPL-2.0-or-later
"""The main job: authorize, protect, initial replication and 20 deltas under load, then both disks
are the same bytes on both sides, and the replica's records are a gap-free run."""
import re

import replication as rep
from case import require, say, wait_until

TIMEOUT = 420
DATA_MIB, WAN_BYTES_PER_S = 24, 20 * 1000 * 1000 // 8
WATCHED = "/run/watched"
SHOWN = re.compile(r"initial \[.*\] +\d+% +[\d.]+ \w+ of [\d.]+ \w+  [\d.]+ [KM]iB/s  \d.* left")


def run(lab):
    rep.remove(lab)
    rep.thin(lab)
    lab.guest(f"fill {DATA_MIB} 0")
    node = rep.node_of(lab, "A")
    lab.run(rep.node_of(lab, "B"), "vmreplica authorize remove a.example")
    refused = lab.run(node, "vmreplica protect web1 --to 10.77.2.100 --frequency 5")
    require(refused.returncode == 1 and "authoriz" in refused.stderr,
            f"nobody may send by default: {refused.returncode} {refused.stderr}")
    rep.authorize(lab)
    check_dry_run(lab, node)
    lab.rate("20mbit")
    rep.protect(lab)
    progress_is_shown(lab, node)
    lab.rate(lab.shape.wan_rate)
    rep.wait_replicating(lab)
    lab.guest("load 400000 50")
    before = rep.wait_cycles(lab, 20, 240)
    lab.guest("load 0")
    rep.compare_at_cut(lab)
    after = rep.no_resync_since(lab, before)
    require(after["health"] == "OK", f"health {after['health']}: {after['reason']}")
    require(after["behind_s"] <= 3 * rep.FAST, f"behind {after['behind_s']} s")
    wait_until("crm_mon says OK", lambda: lab.attribute(
        lab.wait_resource("web1"), "vmreplica-web1") == "OK", 70)
    say(f"cycles {after['cycles']}, bytes {after['bytes']}")


def check_dry_run(lab, node):
    """--dry-run changes nothing and prints the commands for the resource and its constraints."""
    before = lab.on(node, "cibadmin --query --scope configuration")
    text = lab.vmreplica(node, "protect web1 --to 10.77.2.100 --frequency 5 --dry-run")
    require("pcs resource create web1-replica ocf:vmreplica:vm" in text, text)
    require("influence=false" in text, text)
    require(lab.on(node, "cibadmin --query --scope configuration") == before, "it changed the CIB")
    require(not rep.protected(lab), "--dry-run protected web1")


def progress_is_shown(lab, node):
    """Bytes, rate and time left of the initial replication, in --json and in --watch."""
    lab.on(node, f"timeout 60 vmreplica status web1 --watch > {WATCHED} 2>&1 & echo $! > {WATCHED}.pid")
    seen = []

    def done():
        found = rep.status(lab)
        if found["progress"] and found["progress"]["kind"] == "initial":
            require(found["state"] == "InitialReplication", f"progress in state {found['state']}")
            seen.append(found["progress"])
        return found["state"] == "Replicating"
    wait_until("initial replication ends", done, 120, 0.1)
    lab.run(node, f"kill $(cat {WATCHED}.pid)")
    check_numbers(seen)
    lines = [line for line in lab.on(node, f"cat {WATCHED}").splitlines() if SHOWN.search(line)]
    require(lines, "status --watch showed no bytes, rate and time left")
    say(f"status --watch: {lines[len(lines) // 2].strip()}")


def check_numbers(seen):
    """Counting up to the whole, at about the WAN's rate, with a time left that comes true."""
    say(f"status --json: {seen[0] if seen else None} ... {seen[-1] if seen else None}")
    moving = [entry for entry in seen if entry["rate_bytes_per_s"] > 0]
    require(len(moving) >= 3, f"the rate was seen {len(moving)} times")
    done = [entry["done_bytes"] for entry in seen]
    require(done == sorted(done) and done[-1] > done[0], f"bytes do not count up: {done}")
    require(all(entry["done_bytes"] <= entry["total_bytes"] for entry in seen), f"{seen}")
    require(min(entry["total_bytes"] for entry in seen) >= DATA_MIB << 20, f"{seen}")
    # The first bytes fill the queues on the way at once, so one rate alone may be high.
    rates = sorted(entry["rate_bytes_per_s"] for entry in moving)
    require(rates[len(rates) // 2] < 4 * WAN_BYTES_PER_S, f"rates {rates}")
    for entry in moving:
        require(isinstance(entry["eta_s"], int) and entry["eta_s"] < 60, f"time left {entry}")
    require(moving[-1]["eta_s"] <= moving[0]["eta_s"], "the time left grows")
