# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab's cables: one bridge a site, the WAN between them, all in the lab's own network
namespace, so that nothing of it is to be seen or collided with on the host.

  a1 eth0 --- p-a1 [brA] wanA ===(rate)=== wanB [brB] p-b1 --- eth0 b1
                                               [brB] upC ===(rate)=== wanC [brC] p-c1 --- eth0 c1

A `stall` drops frames silently (the bridge port is set to `disabled`, the link stays up); a
`reset` does, too, and answers each TCP segment with a reset, as a firewall that has lost its
state; a `cut` takes the link down; `mute` drops only what a site sends over the WAN; `lose` only
what one node sends to one address.  There is no netem on every kernel: no delay and no loss by
chance.
"""
import subprocess

from resetter import Resetter
from shape import PREFIX_LENGTH, LabError, address, address6, site_of

PORT_FORWARDING, PORT_DISABLED = "3", "0"
NOBODY = "02:00:00:00:00:01"    # what is lost goes to this hardware address


def run(*command):
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if result.returncode != 0:
        raise LabError(f"{' '.join(command)}: {result.stdout.strip()}")
    return result.stdout


class Network:
    def __init__(self, shape):
        self.shape = shape
        self.faults = {}        # name of what is cut -> how; of what is lost: "NODE>ADDRESS"
        self.rate = shape.wan_rate
        self.inside = {}        # node -> the command that runs `ip` in it
        self.lost = set()
        self.resetter = Resetter()

    def create(self):
        run("ip", "link", "set", "lo", "up")
        for site in self.shape.sites():
            run("ip", "link", "add", f"br{site}", "type", "bridge", "stp_state", "0",
                "mcast_snooping", "0", "forward_delay", "0")
            run("ip", "link", "set", f"br{site}", "up")
        run("ip", "link", "add", "wanA", "type", "veth", "peer", "name", "wanB")
        if self.shape.third:
            run("ip", "link", "add", "wanC", "type", "veth", "peer", "name", "upC")
            run("ip", "link", "set", "upC", "master", "brB", "up")
        for site in self.shape.sites():
            run("ip", "link", "set", f"wan{site}", "master", f"br{site}", "up")
        self.set_rate(self.rate)

    def set_rate(self, rate):
        """Limit each direction.  One packet may be as large as a whole GSO segment."""
        ends = {f"wan{site}": site for site in self.shape.sites()}
        if self.shape.third:
            ends["upC"] = None      # what goes to C
        for end, site in ends.items():
            if site and self.faults.get(site) == "mute":
                # Every packet is larger than this burst, and tbf drops what can never go.
                run("tc", "qdisc", "replace", "dev", end, "root", "tbf", "rate", "1kbit",
                    "burst", "20", "limit", "20")
            elif rate in ("0", "none", "unlimited"):
                subprocess.run(["tc", "qdisc", "del", "dev", end, "root"],
                               stderr=subprocess.DEVNULL)
            else:
                run("tc", "qdisc", "replace", "dev", end, "root", "tbf", "rate", rate,
                    "burst", "128kb", "latency", "100ms")
        self.rate = rate

    def plug(self, node, pid):
        """Give the node in the network namespace of process PID its eth0."""
        port = f"p-{node}"
        subprocess.run(["ip", "link", "del", port], stderr=subprocess.DEVNULL)
        run("ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", str(pid))
        run("ip", "link", "set", port, "master", f"br{site_of(node)}", "up")
        inside = self.inside[node] = ["nsenter", f"--net=/proc/{pid}/ns/net", "ip"]
        run(*inside, "link", "set", "lo", "up")
        run(*inside, "addr", "add", f"{address(node)}/{PREFIX_LENGTH}", "dev", "eth0")
        subprocess.run([*inside, "addr", "add", f"{address6(node)}/64", "dev", "eth0", "nodad"],
                       stderr=subprocess.DEVNULL)
        run(*inside, "link", "set", "eth0", "up")
        self.lost = {entry for entry in self.lost if entry[0] != node}
        self.set_lost()
        self.apply(node)

    def ports(self, name):
        if name == "wan":
            return ["wanA", "wanB"]
        if name.partition(">")[0] in self.shape.all_nodes() and ">" in name:
            return []
        if name.upper() in self.shape.sites():
            return [f"p-{node}" for node in self.shape.node_names(name.upper())] \
                + [f"wan{name.upper()}"]
        if name in self.shape.all_nodes():
            return [f"p-{name}"]
        raise LabError(f"{name}: not A, B, wan or a node")

    def break_(self, name, how):
        self.ports(name)
        if how == "mute" and name not in self.shape.sites():
            raise LabError(f"mute {name}: only a site's WAN has a direction")
        if (how == "lose") != (">" in name):
            raise LabError(f"{how} {name}: what is lost is NODE>ADDRESS")
        self.faults[name] = how
        self.refresh()

    def heal(self, name=None):
        if name is None:
            self.faults.clear()
        else:
            self.ports(name)
            self.faults.pop(name, None)
        self.refresh()

    def refresh(self):
        """Links first: a veth has a carrier only while its peer is up, and the kernel refuses a
        port state without one (it forwards by itself once the carrier is back)."""
        ports = [f"p-{node}" for node in self.shape.all_nodes()] + [f"wan{s}" for s in self.shape.sites()]
        for port in ports:
            self.set_link(port)
        for port in ports:
            self.set_state(port)
        self.set_rate(self.rate)
        self.set_lost()
        self.resetter.run("reset" in self.faults.values())

    def set_lost(self):
        """An address that a node finds at no port: the bridges flood what is sent there, and no
        network card takes it.  A node without power has nothing to set, hence no check."""
        wanted = {tuple(name.split(">")) for name, how in self.faults.items() if how == "lose"}
        for node, address_ in sorted(wanted ^ self.lost):
            change = ["replace", address_, "lladdr", NOBODY, "nud", "permanent"] \
                if (node, address_) in wanted else ["del", address_]
            subprocess.run([*self.inside[node], "neigh", *change, "dev", "eth0"],
                           stderr=subprocess.DEVNULL)
        self.lost = wanted

    def apply(self, node):
        self.set_link(f"p-{node}")
        self.set_state(f"p-{node}")

    def faults_of(self, port):
        return {how for name, how in self.faults.items() if port in self.ports(name)}

    def set_link(self, port):
        """The port of a node without power does not exist: nothing to do, hence no check."""
        subprocess.run(["ip", "link", "set", port,
                        "down" if "cut" in self.faults_of(port) else "up"],
                       stderr=subprocess.DEVNULL)

    def set_state(self, port):
        how = self.faults_of(port)
        if "cut" in how:
            return
        state = PORT_DISABLED if how & {"stall", "reset"} else PORT_FORWARDING
        result = subprocess.run(["bridge", "link", "set", "dev", port, "state", state],
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if result.returncode != 0 and state == PORT_DISABLED and "Cannot find" not in result.stdout:
            raise LabError(f"stall {port}: {result.stdout.strip()}")
