# SPDX-License-Identifier: GPL-2.0-or-later
"""ocf:vmreplica:guard, made as README says: with it a live migration stays live;
nothing that becomes of it touches a VM that runs; when the other side is silent a VM starts after
its patience, with health Critical until that side is heard again, or waits, as chosen; and a site
that comes back while the other has failed over does not start its VM, and says why."""
import replication as rep
from case import require, say, wait_until

TIMEOUT = 420
DIRTY = True
PATIENCE = 5
AGENT = "/usr/lib/ocf/resource.d/vmreplica/guard"


def run(lab):
    rep.ensure(lab)
    node = rep.node_of(lab, "A")
    make_guard(lab, node, rep.status(lab)["relationship"], 10, f"patience={PATIENCE}")
    lab.wait_resource("web1")
    migrates(lab)
    harmless(lab)
    silent(lab, node)
    returns(lab, node)


def make_guard(lab, node, identity, timeout_s=60, more=""):
    for command in (
            f"pcs resource create web1-guard ocf:vmreplica:guard relationship={identity} "
            f"{more} op stop timeout=20s on-fail=ignore meta failure-timeout={timeout_s}s "
            "clone interleave=true --wait=60",
            "pcs constraint order vmreplica-engine-clone then web1-guard-clone kind=Optional",
            "pcs constraint order start web1-guard-clone then start web1 symmetrical=false"):
        lab.on(node, command, 90)


def guards(lab, site="A"):
    """The nodes of SITE whose guard is started."""
    return {node.get("name") for entry in lab.crm(site).iter("resource")
            if entry.get("id") == "web1-guard" and entry.get("role") == "Started"
            and entry.get("failed") != "true" for node in entry.findall("node")}


def failures(lab, words=""):
    """What Pacemaker shows of failed actions of the guards."""
    return [line.strip() for line in lab.on(lab.live_nodes("A")[0], "crm_mon -1").splitlines()
            if "web1-guard" in line and "returned" in line and words in line]


def all_guards(lab, site="A", timeout=90):
    wait_until(f"every node of {site} has its guard",
               lambda: guards(lab, site) == set(lab.live_nodes(site)), timeout, 0.5)


def migrates(lab):
    boots = lab.guest_status()["boots"]
    source = lab.wait_resource("web1")
    took = lab.move("web1", lab.other_node(source))
    lab.records_advance()
    require(lab.guest_status()["boots"] == boots, "web1 was restarted, not migrated")
    say(f"migrated live in {took:.1f} s with the guard")


def harmless(lab):
    """The guards' files are gone; their monitors fail; they are disabled: web1 runs on."""
    node, state = lab.live_nodes("A")[0], "/run/vmreplica/resources/web1-guard"
    all_guards(lab)
    with rep.unharmed(lab, most_gap_s=20):
        for name in lab.live_nodes("A"):
            lab.on(name, f"rm {state}")
        wait_until("the guards are started again", lambda: all(
            lab.run(name, f"test -e {state}").returncode == 0
            for name in lab.live_nodes("A")), 90, 0.5)
        all_guards(lab)
        for name in lab.live_nodes("A"):
            lab.on(name, f"cp {AGENT} /run/guard.real && printf '%s\\n' '#!/bin/sh' "
                   "'[ \"$1\" != monitor ] || exit 1' 'exec /run/guard.real \"$@\"' >/run/guard.bad "
                   f"&& chmod 755 /run/guard.* && mount --bind /run/guard.bad {AGENT}")
        wait_until("the monitors have failed", lambda: len(failures(lab, "monitor")) == 2, 90, 0.5)
        for name in lab.live_nodes("A"):
            lab.on(name, f"umount -l {AGENT}")
        lab.on(node, "pcs resource disable web1-guard-clone --wait=90", 120)
        require(not guards(lab), "the guard is disabled, and runs")
    lab.on(node, "pcs resource cleanup web1-guard", 60)
    say("neither a lost file nor a failing monitor nor the guard's end touched web1")


def silent(lab, node):
    lab.on(node, "pcs resource disable web1 --wait=90", 120)
    lab.cut("wan")
    lab.on(node, "pcs resource enable web1", 30)
    require(lab.resource_node("web1") is None, "web1 started while its guard is disabled")
    lab.on(node, "pcs resource enable web1-guard-clone", 30)
    lab.wait_resource("web1", timeout=90)
    rep.wait_health(lab, "Critical", "silent", 60)
    lab.heal()
    wait_until("the other side is heard again", lambda: rep.status(lab)["health"] != "Critical",
               90, 0.5)
    say("started while the other side was silent, and said so until it was heard")


def returns(lab, node):
    """B fails over while A cannot be seen; A loses power, comes back, and asks: first nobody
    answers, and it waits, as it was told to; then B answers."""
    lab.cut("wan")
    lab.on(node, "pcs resource update web1-guard on_silence=wait", 60)
    output = lab.vmreplica(rep.node_of(lab, "B"), "failover web1 --unplanned --force", 200)
    say(output.strip().splitlines()[-1])
    for name in lab.nodes("A"):
        lab.kill(name)
    for name in lab.nodes("A"):
        lab.boot(name)
    why = wait_until("a guard waits, and says why", lambda: came_back(lab, "on_silence=wait"),
                     200, 1)
    require(lab.resource_node("web1") is None, "web1 started although the other side is silent")
    say(why[0])
    lab.heal()
    why = wait_until("a guard is told who holds web1, and says so",
                     lambda: came_back(lab, "b.example holds epoch"), 120, 1)
    say(why[0])
    found = rep.wait_health(lab, "Critical", "b.example holds epoch", 60)
    say(found["reason"])
    require(lab.resource_node("web1") is None, "web1 started although B holds its epoch")
    lab.wait_resource("web1", timeout=30, site="B")


def came_back(lab, words):
    """Both nodes of A are there, and a start of a guard failed for that reason. They take turns at
    being tried again, so one of them counts."""
    online = {entry.get("name") for entry in lab.crm("A").findall("nodes/node")
              if entry.get("online") == "true"}
    return failures(lab, words) if online == set(lab.nodes("A")) else None
