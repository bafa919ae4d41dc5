# SPDX-License-Identifier: GPL-2.0-or-later
"""The main job: authorize, protect, initial replication and 20 deltas under load, then both disks
are the same bytes on both sides, and the replica's records are a gap-free run."""
import replication as rep
from case import require, say, wait_until

TIMEOUT = 420


def run(lab):
    rep.remove(lab)
    lab.guest("fill 24 30")
    node = rep.node_of(lab, "A")
    lab.run(rep.node_of(lab, "B"), "vmreplica authorize remove a.example")
    refused = lab.run(node, "vmreplica protect web1 --to 10.77.2.100 --frequency 5")
    require(refused.returncode == 1 and "authoriz" in refused.stderr,
            f"nobody may send by default: {refused.returncode} {refused.stderr}")
    rep.authorize(lab)
    check_dry_run(lab, node)
    rep.protect(lab)
    progress_is_shown(lab)
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


def progress_is_shown(lab):
    def seen():
        found = rep.status(lab)
        return found["state"] in ("InitialReplication", "Replicating")
    wait_until("initial replication begins", seen, 60)
