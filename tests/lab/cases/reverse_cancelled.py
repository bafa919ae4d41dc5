# SPDX-License-Identifier: GPL-2.0-or-later
"""The new primary's admin thinks better of it while the old primary makes way for `vmreplica reverse`,
and its VM hangs in being stopped: that side is the primary again, with what it wrote alone. Three
times: by its word; by its word though its engines are killed; and without, forced over a cut line."""
import cib_state
import replication as rep
import shape as shapes
from case import require, say, wait_until
from cases import failover_planned as planned
from cases import reverse

TIMEOUT = 600
SOAK = True
DIRTY = True


def run(lab):
    rep.remove(lab)
    rep.thin(lab)
    rep.authorize(lab)
    rep.authorize(lab, rep.SITE_B, site="A")
    rep.protect(lab)
    rep.wait_replicating(lab)
    rep.wait_cycles(lab, 2, 60)
    taken_back(lab, lambda there: cancel(lab, there), "cancelled")
    taken_back(lab, lambda there: engines_die(lab, there), "failed", "cancelled")
    taken_back(lab, lambda there: forced(lab, there), "cancelled")


def cancel(lab, there, more=""):
    say(lab.vmreplica(there, f"failover web1 --cancel{more}", 120).strip().splitlines()[-1])


def engines_die(lab, there):
    for name in lab.live_nodes("A"):
        lab.on(name, "kill -9 $(pgrep -x vmreplica-engin)")
    wait_until("the cancel has A's word", lambda: lab.run(
        there, "vmreplica failover web1 --cancel", 120).returncode == 0, 120, 2)


def forced(lab, there):
    """Without its word it is refused."""
    lab.cut("wan")
    wait_until("A is silent", lambda: "has not given its word" in lab.run(
        there, "vmreplica failover web1 --cancel", 120).stderr, 120, 1)
    cancel(lab, there, " --force")
    lab.heal()


def taken_back(lab, take_back, *states):
    """B has failed over, A's VM ran on, and hangs when it shall stop for B's reverse: B cancels.
    A's job ends in one of STATES."""
    lab.cut("wan")
    there = rep.node_of(lab, "B")
    lab.vmreplica(there, "failover web1 --unplanned --force", 120)
    wait_until("it runs at B, and writes on at A in isolation", lambda: reverse.runs_at(lab) == {
        "A", "B"} and reverse.writes(lab, "A") and reverse.writes(lab, "B"), 120, 0.5)
    lab.heal()
    here = next(name for name in planned.runs_where(lab) if shapes.site_of(name) == "A")
    lab.on(here, "virsh suspend web1")  # it does not hear what Pacemaker asks
    written = newest_of(lab, here)
    lab.vmreplica(there, "reverse web1 --no-wait", 60)
    wait_until("A stops its VM", lambda: planned.last_job(lab, "A", "reverse")["steps"][-1]["name"]
               == "stop" and "Stopping" in lab.on(here, "crm_mon -1"), 60, 0.5)
    take_back(there)
    lab.run(here, "virsh resume web1 && virsh shutdown web1")   # what it was asked is forgotten
    job = wait_until("A's job ends", lambda: planned.ended(planned.last_job(lab, "A", "reverse"))
                     and planned.last_job(lab, "A", "reverse"), 200, 0.5)
    require(job["state"] in states, f"{job}")
    wait_until("it runs at A alone", lambda: reverse.runs_at(lab) == {"A"}
               and reverse.writes(lab, "A"), 120, 0.5)
    cib_state.settled(lab)
    say(f"A kept what it wrote, up to record {written}")
    planned.judged(lab, "B", written)


def newest_of(lab, node):
    """The newest record on the disks of the VM that runs on NODE."""
    paths = [line.split()[1] for line in lab.on(node, "virsh domblklist web1").splitlines()
             if " /" in line]
    return lab.judge(node, paths, unlocked=True)["newest"]


