# SPDX-License-Identifier: GPL-2.0-or-later
"""Recovery points: one every second cycle, four kept, the older ones merged away while the guest
writes. Every listed one is a true point in time, and the replica itself stays the primary's equal."""
import json

import replication as rep
from case import Failure, require, say, wait_until

TIMEOUT = 150
POINTS = 4
MORE = f"--points {POINTS} --point-interval {2 * rep.FAST}"


def manifest(lab, found):
    return json.loads(lab.on(found["owner"], f"cat {found['store']}/manifest.json"))


def layers(lab, found):
    return max(len(disk["layers"]) for disk in manifest(lab, found)["current"])


def listed(lab, more=""):
    """As any node of the replica's side says it."""
    node = lab.live_nodes("B")[-1]
    return json.loads(lab.vmreplica(node, f"points web1 --json {more}"))["points"]


def judge_points(lab, found):
    """Each point's images by their own content; the newest records ascend.  What is merged while it
    is looked at is another file then: that is no fault, and all of them are looked at again."""
    for _ in range(20):
        before = manifest(lab, found)
        try:
            newest = [newest_of(lab, found, point) for point in before["points"]]
        except Failure:
            if manifest(lab, found) == before:
                raise
            continue
        require(newest == sorted(set(newest)), f"the points do not ascend: {newest}")
        return newest
    raise Failure("the store changes all the time")


def newest_of(lab, found, point):
    files = {disk["name"]: f"{found['store']}/{disk['file']}" for disk in point["disks"]}
    return lab.judge(found["owner"], [files[name] for name in sorted(files)],
                     unlocked=True)["newest"]


def check_store(lab, found):
    """The store's own check, beside the running receiver, says the same."""
    verdict = json.loads(lab.vmreplica(found["owner"], f"store check {found['store']} --json"))
    require(verdict["sound"] and verdict["in_use"], f"store check: {verdict}")
    require(verdict["checked"]["points"] == POINTS and verdict["checked"]["logs"] > 0,
            f"store check: {verdict}")


def run(lab):
    rep.remove(lab)
    rep.thin(lab)
    rep.authorize(lab)
    rep.protect(lab, more=MORE)
    rep.wait_replicating(lab)
    lab.guest("load 400000 50")
    rep.wait_cycles(lab, 11, 90)
    lab.guest("load 0")
    lab.vmreplica(rep.node_of(lab, "A"), "pause web1")
    try:
        found = rep.wait_applied(lab, rep.status(lab, "A")["seq"])
        wait_until("the older points are merged", lambda: layers(lab, found) <= POINTS + 1, 30, 0.5)
        points = listed(lab)
        require(len(points) == POINTS, f"{len(points)} points are listed: {points}")
        require(all(point["verdict"] == "ok" for point in points[1:]), f"verdicts: {points}")
        require([point["seq"] for point in points] ==
                [point["cut"]["seq"] for point in manifest(lab, found)["points"]], str(points))
        cycles = listed(lab, "--cycles")
        require(cycles[-1]["seq"] == found["seq"] and len(cycles) > len(points), str(cycles))
        newest = judge_points(lab, found)
        check_store(lab, found)
    finally:
        lab.vmreplica(rep.node_of(lab, "A"), "resume web1")
    rep.compare_at_cut(lab)
    say(f"{len(points)} points with newest records {newest}, {len(cycles)} recoverable cycles, "
        f"{layers(lab, found)} layers")
