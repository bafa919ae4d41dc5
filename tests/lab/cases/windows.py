# SPDX-License-Identifier: GPL-2.0-or-later
"""A scheduled start begins when it is scheduled, or at once by `sync`. A needed resynchronization
waits for its window, stops at the window's end and goes on in the next where it was; the recovery
points from before it stay what they were."""
import datetime
import json
import time

import replication as rep
from case import require, say, wait_until
from cases.points import judge_points, layers
from cases.qemu_crash import MIB, crash, under_way

TIMEOUT = 240
KEPT = 6
POINTS = f"--points {KEPT} --point-interval 5"


def window(lab, begin_h, end_h):
    """A window of the nodes' local time, by hours from now."""
    now = datetime.datetime.strptime(lab.on("a1", "date +%H:%M").strip(), "%H:%M")
    begin, end = (now + datetime.timedelta(hours=hours) for hours in (begin_h, end_h))
    return f"{begin:%H:%M}-{end:%H:%M}"


def iso(lab, seconds):
    return lab.on("a1", f"date -u -d '{seconds} seconds' +%Y-%m-%dT%H:%M:%SZ").strip()


def scheduled(lab, when):
    def there():
        found = rep.status(lab)
        return found if when in found["reason"] else None
    found = wait_until(f"the status says {when}", there, 20)
    require(found["start_at"] and found["seq"] == 0 and found["reason_code"] == "scheduled",
            str(found))


def start(lab, closed):
    later, soon = iso(lab, 3600), iso(lab, 15)
    rep.protect(lab, more=f"--start-at {later} --resync {closed} {POINTS}")
    scheduled(lab, later)
    rep.protect(lab, more=f"--start-at {soon}")
    scheduled(lab, soon)
    rep.wait_replicating(lab, 60)
    late = time.time() - datetime.datetime.fromisoformat(soon.replace("Z", "+00:00")).timestamp()
    require(late >= 0, f"it began {-late:.1f} s too early")
    rep.remove(lab)
    rep.protect(lab, more=f"--start-at {later} --resync {closed} {POINTS}")
    scheduled(lab, later)
    lab.vmreplica("a2", "sync web1 --wait", 90)
    rep.wait_replicating(lab, 30)


def set_window(lab, text):
    lab.on("a1", f"pcs resource update web1-replica resync={text}")


def waits(lab, text):
    def there():
        found = rep.status(lab)
        fits = found["state"] == "WaitingForResynchronize"
        return found if fits and f"waits for its window {text}" in found["reason"] else None
    return wait_until(f"it waits for {text}", there, 90)


def points_of(lab, found):
    """What the manifest says of the points: cut and layers."""
    text = lab.on(found["owner"], f"cat {found['store']}/manifest.json")
    return {point["cut"]["seq"]: point["disks"] for point in json.loads(text)["points"]}


def begun(lab):
    """What the receivers of each node of B say of the resynchronizations that they took."""
    return {node: lab.run(node, "grep -h 'resync of cycle' /var/log/vmreplica/*receiver.log")
            .stdout.splitlines() for node in lab.live_nodes("B")}


def run(lab):
    rep.remove(lab)
    rep.thin(lab)
    rep.authorize(lab)
    closed, opened = window(lab, 2, 3), window(lab, -1, 1)
    start(lab, closed)
    rep.wait_cycles(lab, 3, 60)
    before = rep.sync(lab)
    rep.wait_applied(lab, before["seq"])
    points = points_of(lab, rep.from_owner(lab, "B"))
    require(len(points) >= 2, f"points: {sorted(points)}")
    earlier = begun(lab)
    crash(lab)
    found = waits(lab, closed)
    require(found["health"] == "Critical", str(found))
    lab.rate("4mbit")
    set_window(lab, opened)
    begin = wait_until("it begins in its window", lambda: under_way(lab), 60, 0.1)
    wait_until("some of it is done", lambda: under_way(lab, 300 * MIB), 60, 0.1)
    wait_until("it is not said to wait while it runs",
               lambda: "window" not in rep.status(lab)["reason"], 10, 0.1)
    set_window(lab, closed)
    waits(lab, closed)
    require(rep.status(lab)["resyncs"] == before["resyncs"], "it was done after its window's end")
    set_window(lab, opened)
    lab.rate(lab.shape.wan_rate)
    wait_until("it is done", lambda: rep.status(lab)["resyncs"] == before["resyncs"] + 1, 60)
    after = rep.from_owner(lab, "B")
    words = begun(lab)[after["owner"]][len(earlier[after["owner"]]):]
    say(f"{begin['total_bytes'] / MIB:.0f} MiB to hash; the receiver: {words}")
    require("goes on" in words[-1] and sum("begins" in line for line in words) == 1,
            "it began anew")
    kept = set(points) & set(points_of(lab, after))
    require(kept, f"no point of {sorted(points)} outlived the resynchronization")
    lab.vmreplica("a1", "pause web1")       # else the oldest go while they are looked at
    try:
        found = rep.wait_applied(lab, rep.status(lab)["seq"])
        wait_until("the older points are merged", lambda: layers(lab, found) <= KEPT + 1, 60, 0.5)
        judge_points(lab, found)
    finally:
        lab.vmreplica("a1", "resume web1")
    rep.compare_at_cut(lab)
    say(f"points of cycles {sorted(kept)} outlived it")
