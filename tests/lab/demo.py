# SPDX-License-Identifier: GPL-2.0-or-later
"""`./lab demo`: the main job, from two empty sites to a replica that is equal bit for bit and has
survived a live migration, with a clear verdict at the end."""
import json
import os
import subprocess
import sys

import case as cases
import lifecycle
import replication as rep
import shape as shapes

FREQUENCY_S = 5


class Demo:
    def __init__(self, progress):
        self.step, self.lab = progress, None

    def show(self, node, command):
        self.step(f"{node}# {command}")
        output = self.lab.on(node, command, 120).rstrip()
        for line in output.splitlines():
            print(f"            {line}")
        return output

    def authorize_and_protect(self):
        target = shapes.broker_address("B")
        self.show("b1", "vmreplica authorize add 'a.example' --storage /srv/replica")
        self.show("a1", f"vmreplica protect web1 --to {target} --frequency {FREQUENCY_S} --dry-run")
        self.show("a1", f"vmreplica protect web1 --to {target} --frequency {FREQUENCY_S}")

    def wait_initial(self):
        def replicating():
            found = rep.status(self.lab)
            progress = found.get("progress") or {}
            self.step(f"web1: {found['state']} {json.dumps(progress)}")
            return found["state"] == "Replicating" and found["seq"] > 0
        cases.wait_until("initial replication", replicating, 180, 2)

    def deltas(self, count):
        self.step(f"{count} delta cycles while web1 writes to both its disks")
        self.lab.guest("load 400000 50")
        found = rep.wait_cycles(self.lab, count, 120)
        self.lab.guest("load 0")
        self.step(f"cycles {found['cycles']}, bytes {found['bytes']}, behind {found['behind_s']} s")

    def migrate(self):
        source = self.lab.wait_resource("web1")
        target = self.lab.other_node(source)
        before = rep.status(self.lab)
        self.step(f"live migration of web1 from {source} to {target}")
        took = self.lab.move("web1", target)
        self.step(f"moved in {took:.1f} s")
        rep.wait_cycles(self.lab, 2, 90)
        found = rep.no_resync_since(self.lab, before)
        self.step(f"replication went on by itself: moves {found['moves']}, "
                  f"resynchronizations {found['resyncs']}")

    def judge(self):
        self.step("comparing both disks of both sites at one cut")
        facts = rep.compare_at_cut(self.lab)
        gap = self.lab.guest_status()["max_gap_ms"]
        self.step(f"equal bit for bit; the replica's newest record is {facts['newest']}, its "
                  f"records are a gap-free run; web1's writing never paused for more than "
                  f"{gap / 1000:.2f} s")

    def run(self):
        self.lab = cases.Lab()
        self.lab.guest("fill 32 30")
        self.lab.guest("gap-reset")
        self.authorize_and_protect()
        self.wait_initial()
        self.deltas(5)
        self.migrate()
        self.judge()
        self.show("a1", "vmreplica status")
        self.show("b1", "vmreplica broker")


def main(arguments):
    if arguments:
        sys.stderr.write("usage: ./lab demo\n")
        return 2
    os.environ["VMREPLICA_LAB"] = f"{shapes.lab_id()}-demo"
    progress, problem = lifecycle.Progress(), ""
    with lifecycle.lock("demo"):
        lifecycle.down()
        try:
            lifecycle.up(shapes.Shape(), progress, bound=True)
            if not shapes.product_staged():
                raise shapes.LabError("the product is not built here: nothing to show")
            Demo(progress).run()
        except (cases.Failure, shapes.LabError, KeyError, subprocess.TimeoutExpired) as error:
            problem = f"{error}"
            if os.path.isdir(shapes.state_dir()):
                progress(f"the nodes' logs: {lifecycle.keep_logs(shapes.state_dir())}")
        finally:
            lifecycle.down()
            progress("the lab is down, nothing is left running")
    print(f"\ndemo: FAILED: {problem}" if problem else
          "\ndemo: OK: web1 was replicated, moved and replicated on; both sites were equal")
    return 1 if problem else 0
