# SPDX-License-Identifier: GPL-2.0-or-later
"""What must stand in the CIB of both sides, and in `pcs status`, after each step of a VM's failover
life: roles, target roles, definitions, constraints, and nothing left over.

    settled(lab)                        replicating, or replicating again: the VM runs at A
    settled(lab, test=True)             a test failover stands at B
    settled(lab, failed_over=True)      unplanned at B; A is as it was (sites="B": A is off)
    settled(lab, primary="B")           planned, or after reverse: A is the replica
    gone(lab, relationship)             unprotected
"""
import xml.etree.ElementTree as tree

import replication as rep
from case import require, say, wait_until

ENGINE = "vmreplica-engine-clone"
EPOCH = "vmreplica-epoch-"
OTHER = {"A": "B", "B": "A"}


class Side:
    """The configuration and the status of one site, read once."""

    def __init__(self, lab, site):
        self.lab, self.site, self.node = lab, site, rep.node_of(lab, site)
        self.cib = tree.fromstring(lab.on(self.node, "cibadmin -Q")).find("configuration")
        self.mon = lab.crm(site)
        self.text = lab.on(self.node, "pcs status", 30)
        self.wrong = []

    def want(self, condition, text):
        if not condition:
            self.wrong.append(f"{self.site}: {text}")

    def primitives(self, kind):
        return [entry for entry in self.cib.iter("primitive") if entry.get("type") == kind]

    def ours(self, relationship):
        """Our resource of the relationship; None when there is none, or more than one."""
        found = [entry for entry in self.primitives("vm")
                 if values(entry, "instance_attributes").get("relationship") == relationship]
        return found[0] if len(found) == 1 else None

    def settings(self, relationship):
        """The settings named after the relationship, without the id."""
        return {entry.get("name")[:-len(relationship)]: entry.get("value")
                for entry in self.cib.iter("nvpair")
                if (entry.get("name") or "").endswith(relationship)}

    def constraints(self, name):
        """What is said of a resource's relation to others: (kind, first or rsc, then or with)."""
        found = set()
        for entry in self.cib.find("constraints"):
            ends = (entry.get("first") or entry.get("rsc"),
                    entry.get("then") or entry.get("with-rsc"))
            if name in ends:
                found.add((entry.tag, *ends))
        return found

    def started(self, name):
        return self.lab.resource_node(name, self.site, self.mon)


def values(primitive, kind):
    return {entry.get("name"): entry.get("value") for entry in primitive.findall(f"{kind}/nvpair")}


def settled(lab, primary="A", vm="web1", sites="AB", failed_over=False, test=False, timeout=60):
    """Waits until all of it holds: Pacemaker ends what is under way, the first cycle takes the last
    orders out of the settings. Sites without a cluster have no CIB to look at."""
    sites = [site for site in sites if not lab.shape.alone(site)]
    if not sites:
        return

    def look():
        wrong = []
        for site in sites:
            side = Side(lab, site)
            look_at(side, relationship, vm, site == primary, failed_over, test)
            wrong += side.wrong
        require(not wrong, "; ".join(wrong))
        return True
    relationship = rep.status(lab, sites[-1], vm)["relationship"]
    wait_until(f"the CIB of {' and '.join(sites)} is right with {vm} at {primary}", look, timeout, 1)
    say(f"the CIB and pcs status of {' and '.join(sites)} are right: "
        + ("failed over" if failed_over else "a test stands" if test else f"{vm} at {primary}"))


def look_at(side, relationship, vm, is_primary, failed_over, test):
    ours = side.ours(relationship)
    side.want(ours is not None, "not one resource of the relationship")
    if ours is None:
        return
    parameters = values(ours, "instance_attributes")
    look_at_role(side, ours, parameters, is_primary)
    name = vm_resource(side, relationship, parameters, vm)
    runs = is_primary or failed_over
    look_at_vm(side, ours.get("id"), name, runs)
    look_at_constraints(side, ours.get("id"), name, is_primary)
    look_at_settings(side, relationship, failed_over and not is_primary)
    look_at_test(side, relationship, (ours.get("id"), name), test and not is_primary)
    look_at_status(side, ours.get("id"), name, runs)


def look_at_role(side, ours, parameters, is_primary):
    role = "primary" if is_primary else "replica"
    side.want(parameters["role"] == role, f"{ours.get('id')} has the role {parameters['role']}")
    other = OTHER[side.site].lower()
    peer = parameters["peer"]
    side.want(peer.startswith("10.") if is_primary else peer == f"{other}.example",
              f"{ours.get('id')} has the peer {peer}")
    meta = values(ours, "meta_attributes")
    side.want(meta.get("critical") == "false", f"{ours.get('id')} is critical to others")


def vm_resource(side, relationship, parameters, vm):
    """The VM's own resource: the one that the primary names, or that was made for the replica."""
    made = [entry.get("id") for entry in side.primitives("VirtualDomain")
            if values(entry, "meta_attributes").get("vmreplica-relationship") == relationship
            and "vmreplica-test" not in values(entry, "meta_attributes")]
    side.want(len(made) <= 1, f"more than one resource for the VM: {made}")
    return parameters.get("vm_resource") or (made[0] if made else vm)


def look_at_vm(side, ours, name, runs):
    entry = next((entry for entry in side.cib.iter("primitive") if entry.get("id") == name), None)
    side.want(entry is not None, f"no resource {name}")
    if entry is None:
        return
    role = values(entry, "meta_attributes").get("target-role", "Started")
    side.want(role == ("Started" if runs else "Stopped"), f"{name} has the target role {role}")
    node = side.started(name)
    side.want(bool(node) == runs, f"{name} runs on {node}")
    config = values(entry, "instance_attributes")["config"]
    node = node or side.started(ours) or side.node
    names = disks(side.lab.on(node, f"cat {config}"))
    there = side.lab.run(node, f"ls -d {' '.join(names)}").stdout.split()
    # What does not run must not start by a mistake either: its images have names of no file. What
    # comes home with it besides has its own.
    waits = [path for path in names if "/not-failed-over/" in path]
    side.want(names and bool(waits) != runs and sorted(there) == sorted(set(names) - set(waits)),
              f"{config} of {name} names {names}, of which there are {there}")


def disks(definition):
    return [source.get("file") or source.get("dev")
            for source in tree.fromstring(definition).findall("devices/disk/source")]


def look_at_constraints(side, ours, vm, is_primary):
    """Ours follows the engine; the primary's follows its VM as well, and a replica's must not: the
    VM could not be started without it, nor stopped."""
    wanted = {("rsc_order", ENGINE, ours), ("rsc_colocation", ours, ENGINE)}
    if is_primary:
        wanted |= {("rsc_order", vm, ours), ("rsc_colocation", ours, vm)}
    found = side.constraints(ours)
    side.want(found == wanted, f"constraints of {ours}: {sorted(found ^ wanted)} differ")
    for entry in side.cib.find("constraints").iter("rsc_colocation"):
        if entry.get("rsc") == ours:
            side.want(entry.get("influence") == "false", f"{entry.get('id')} moves the VM")
    guards = {clone.get("id") for clone in side.cib.iter("clone")
              if clone.find("primitive").get("type") == "guard"}
    of_vm = {entry for entry in side.constraints(vm)
             if ours not in entry and not guards & set(entry)}
    side.want(not of_vm, f"constraints of {vm}: {of_vm}")


def look_at_settings(side, relationship, holds_epoch):
    found = side.settings(relationship)
    epoch = found.pop(EPOCH, "")
    side.want(not found, f"left over in the settings: {found}")
    side.want(not holds_epoch or epoch.endswith(f" {side.site.lower()}.example"),
              f"it has failed over to here in the epoch {epoch!r}")


def look_at_test(side, relationship, names, stands):
    made = [entry.get("id") for entry in side.primitives("VirtualDomain")
            if "vmreplica-test" in values(entry, "meta_attributes")
            and values(entry, "meta_attributes")["vmreplica-relationship"] == relationship]
    side.want(bool(made) == stands, f"resources of a test: {made}")
    ids = [entry.get("id") for entry in side.cib.iter("rsc_location")
           if entry.get("rsc") in (*made, *names)]
    wanted = [f"vmreplica-location-{name}" for name in made]
    side.want(ids == wanted, f"location constraints: {ids}")
    for name in made:
        side.want(side.started(name), f"{name} does not run")


def look_at_status(side, ours, vm, runs):
    """No failed action, nothing blocked; what is off on purpose is said to be. What a case has
    killed itself is no fault: Pacemaker's own record of that stays until it is cleaned up."""
    killed = ("vmreplica-engine", "vmreplica-broker", "fence")
    failures = [f"{entry.get('op_key')}: {entry.get('exitreason') or entry.get('exitstatus')}"
                for entry in side.mon.iter("failure")
                if not (entry.get("op_key") or "").startswith(killed)]
    side.want(not failures, f"failed actions: {failures}")
    lines = {line.split()[1]: line for line in side.text.splitlines()
             if line.strip().startswith("* ") and "\t(" in line}
    side.want("Started" in lines.get(ours, ""), f"pcs status: {lines.get(ours)}")
    wanted = "Started" if runs else "Stopped (disabled)"
    side.want(wanted in lines.get(vm, ""), f"pcs status: {lines.get(vm)}")
    for line in lines.values():
        side.want(not any(word in line for word in ("FAILED", "blocked", "unmanaged")), line)


def gone(lab, relationship, primary="A", vm="web1", timeout=60):
    """Unprotected: nothing of the relationship is left on either side, and the VM runs on."""
    def look():
        wrong = []
        for site in "AB":
            side = Side(lab, site)
            text = tree.tostring(side.cib).decode()
            side.want(relationship not in text, "something names the relationship: "
                      f"{side.settings(relationship) or 'a resource'}")
            ids = [entry.get("id") for entry in side.cib.find("constraints")
                   if entry.get("id").startswith("vmreplica-") and f"-{vm}-" in entry.get("id")]
            side.want(not ids, f"constraints: {ids}")
            side.want("Failed Resource Actions" not in side.text or site != primary, side.text)
            wrong += side.wrong
        require(not wrong, "; ".join(wrong))
        return True
    wait_until("nothing of the relationship is left", look, timeout, 1)
    require(lab.resource_node(vm, primary), f"{vm} does not run at {primary}")
    say("unprotected: nothing of it is left in either CIB")
