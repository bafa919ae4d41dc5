# SPDX-License-Identifier: GPL-2.0-or-later
"""A scheduled start begins when it is scheduled, or at once by `sync`. A needed resynchronization
waits for its window, stops at the window's end and goes on in the next where it was; so it does
when web1 is moved live in its middle, and when its replica is.  The recovery points from before it
stay what they were."""
import datetime
import json
import time

import replication as rep
from case import require, say, wait_until
from cases.points import judge_points, layers
from cases.qemu_crash import MARK_S, MIB, crash, interrupted, under_way

TIMEOUT = 240
KEPT = 6
# crash() writes 20 MiB; what comes behind a mark, 5 s at most, may come again after each of the moves,
# and a boot, digests and cluster talk besides.  Begun anew after the second it would be 10 MiB more.
ARRIVE_MAX = 30 << 20
SECOND_DISK = 400 << 20     # less than is done when the second disk's changes are reached
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


def received(lab):
    """Bytes that have come to the nodes of B, whatever they were: no memory of web1's among them."""
    return sum(int(lab.on(node, "cat /sys/class/net/eth0/statistics/rx_bytes"))
               for node in lab.live_nodes("B"))


def moved_in_its_middle(lab, left):
    """web1, live, while the first disk's changes travel, and the replica while the second's do: what
    was done until the last mark stays done."""
    boots = lab.guest_status()["boots"]
    for resource, site, done in (("web1", "A", 1), ("web1-a-replica", "B", SECOND_DISK)):
        wait_until(f"{done / MIB:.0f} MiB are done", lambda least=done: under_way(lab, least),
                   90, 0.1)
        target = lab.other_node(lab.wait_resource(resource, site=site))
        left = interrupted(lab, f"{resource} was moved to {target}",
                           lambda move=(resource, target, site): lab.move(*move),
                           left, MARK_S + 2)[1]
    require(lab.guest_status()["boots"] == boots, "web1 was not moved live")


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
    lab.cut("wan")              # all that differs is left to the resynchronization
    crash(lab)
    lab.heal("wan")
    found = waits(lab, closed)
    require(found["health"] == "Critical", str(found))
    lab.rate("4mbit")
    arrived = received(lab)
    set_window(lab, opened)
    begin = wait_until("it begins in its window", lambda: under_way(lab), 60, 0.1)
    wait_until("it is not said to wait while it runs",
               lambda: "window" not in rep.status(lab)["reason"], 10, 0.1)
    moved_in_its_middle(lab, begin["total_bytes"])
    set_window(lab, closed)
    waits(lab, closed)
    require(rep.status(lab)["resyncs"] == before["resyncs"], "it was done after its window's end")
    set_window(lab, opened)
    lab.rate(lab.shape.wan_rate)
    wait_until("it is done", lambda: rep.status(lab)["resyncs"] == before["resyncs"] + 1, 60)
    arrived = received(lab) - arrived
    after = rep.from_owner(lab, "B")
    words = [line for node, lines in begun(lab).items() for line in lines[len(earlier[node]):]]
    say(f"{begin['total_bytes'] / MIB:.0f} MiB to hash, {arrived / MIB:.1f} MiB came; "
        f"the receivers: {words}")
    require("goes on" in begun(lab)[after["owner"]][-1]
            and sum("begins" in line for line in words) == 1, "it began anew")
    require(arrived < ARRIVE_MAX, "something was sent twice")
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
