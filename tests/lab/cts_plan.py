# SPDX-License-Identifier: GPL-2.0-or-later
"""Which steps case cts takes: from its seed alone, and each legal in the state that the steps
before it have left the lab in. Pure, but for the printing:

    cts_plan.py SEED STEPS [NODES [VMS]]

At most one node of a site is without power, without a cable or on standby, so that a majority, or
with two nodes the other one, is there to go on.  While a site is in maintenance mode nothing is
asked of its cluster.  Where a step sends a resource is the n-th other node by name, and which node
that is, only Pacemaker knows: the plan has n.
"""
import dataclasses
import random
import sys

# Whoever undoes something comes soon, so that most steps find both sides whole and connected.
WEIGHTS = {"kill node": 3, "standby": 3, "cut node": 2, "move VM": 4, "move replica": 4,
           "move broker": 3, "kill daemon": 5, "hang daemon": 2, "restart daemon": 3, "cut line": 3,
           "maintenance": 2, "boot node": 6, "unstandby": 6, "heal node": 6, "heal line": 8,
           "end maintenance": 6}
UNDO = {"off": "boot node", "standby": "unstandby", "cut": "heal node"}
LINE = ("both ways", "silently", "from A", "from B")
KILLED = ("engine", "receiver", "broker", "qemu-storage-daemon", "cib helper", "libvirtd")
HUNG = ("engine", "receiver", "broker")
STOPPED = ("engine", "broker")      # by Pacemaker, on all nodes of the site


@dataclasses.dataclass
class Step:
    name: str
    site: str = ""      # none for what concerns the line
    target: str = ""    # a node, a VM, a daemon, or how the line breaks
    pick: int = 0       # the how many-th of the nodes that are possible
    wait_s: float = 0   # before it, so that it meets any moment of a cycle
    last_s: float = 0   # how long a daemon hangs or stays off

    def __str__(self):
        text = f"{self.name} {self.target}".strip() + (f" at {self.site}" if self.site else "")
        text += f" for {self.last_s} s" if self.last_s else ""
        return f"{text}, {self.wait_s} s after the audit"


class State:
    """What of the lab is out of order after the steps so far."""

    def __init__(self, nodes, vms):
        self.nodes, self.vms = nodes, vms       # {site: names}, names
        self.out = {}                           # {site: (node, "off" | "standby" | "cut")}
        self.maintenance = set()
        self.line = ""

    def usable(self, site):
        """The nodes that run resources, or might."""
        return [name for name in self.nodes[site] if name != self.out.get(site, ("",))[0]]

    def legal(self):
        """{name of a step: [(site, target), ...]}, without empty lists."""
        found = {name: [] for name in WEIGHTS}
        for site in self.nodes:
            self.add_site(found, site)
        if self.line:
            found["heal line"].append(("", self.line))
        else:
            found["cut line"] += [("", how) for how in LINE]
        return {name: choices for name, choices in found.items() if choices}

    def add_site(self, found, site):
        if site in self.maintenance:
            found["end maintenance"].append((site, ""))
            return
        found["maintenance"].append((site, ""))
        for name, daemons in (("kill daemon", KILLED), ("hang daemon", HUNG),
                              ("restart daemon", STOPPED)):
            found[name] += [(site, daemon) for daemon in daemons
                            if site == "B" or daemon not in ("receiver", "qemu-storage-daemon")]
        if site in self.out:
            node, how = self.out[site]
            found[UNDO[how]].append((site, node))
            return
        for name in ("kill node", "standby"):
            found[name] += [(site, node) for node in self.nodes[site]]
        # The first node has the head start in shooting: it survives, so it must keep its cable.
        found["cut node"] += [(site, node) for node in self.nodes[site][1:]]
        found["move broker"].append((site, ""))
        found["move VM" if site == "A" else "move replica"] += [(site, vm) for vm in self.vms]

    def apply(self, step):
        """The step is done; it must have been legal."""
        assert (step.site, step.target) in self.legal().get(step.name, []), str(step)
        begun = {"kill node": "off", "standby": "standby", "cut node": "cut"}
        if step.name in begun:
            self.out[step.site] = (step.target, begun[step.name])
        elif step.name in UNDO.values():
            del self.out[step.site]
        elif step.name == "maintenance":
            self.maintenance.add(step.site)
        elif step.name == "end maintenance":
            self.maintenance.remove(step.site)
        elif step.name in ("cut line", "heal line"):
            self.line = step.target if step.name == "cut line" else ""


def steps(seed, count, nodes, vms):
    """COUNT steps, and after them what mends all that is out of order then."""
    chance, state, found = random.Random(seed), State(nodes, vms), []
    for _ in range(count):
        legal = state.legal()
        names = [name for name in WEIGHTS if name in legal]
        name = chance.choices(names, [WEIGHTS[name] for name in names])[0]
        site, target = chance.choice(legal[name])
        last_s = chance.randint(3, 20) if name in ("hang daemon", "restart daemon") else 0
        found.append(Step(name, site, target, chance.randrange(1 << 16),
                          round(chance.uniform(0, 5), 2), last_s))
        state.apply(found[-1])
    return found, mending(state)


def mending(state):
    found = []
    while True:
        undo = [(name, *choice) for name, choices in state.legal().items() for choice in choices
                if name in UNDO.values() or name in ("heal line", "end maintenance")]
        if not undo:
            return found
        # Maintenance ends first: the cluster must be able to act on the rest.
        undo.sort(key=lambda entry: entry[0] != "end maintenance")
        found.append(Step(*undo[0]))
        state.apply(found[-1])


def main(seed, count, nodes=2, vms=2):
    names = {site: [f"{site.lower()}{n}" for n in range(1, int(nodes) + 1)] for site in "AB"}
    plan, after = steps(int(seed), int(count), names, [f"web{n}" for n in range(1, int(vms) + 1)])
    for number, step in enumerate([*plan, *after]):
        print(f"{number if number < len(plan) else 'after'}: {step}")


if __name__ == "__main__":
    main(*sys.argv[1:])
