# SPDX-License-Identifier: GPL-2.0-or-later
"""Which addresses are dialled: the broker's and the nodes' may be IPv6, redirected and relayed; a
node's replication-address comes from its node attribute, else from its file."""
import json

import replication as rep
import shape as shapes
from case import require, say, wait_until

TIMEOUT = 240
BROKER = shapes.broker_address6("B")
ATTRIBUTE = "vmreplica-replication-address"
CONF = "/etc/vmreplica/vmreplica.conf"
# Nobody of A reaches B by IPv4, nor the other way round.
NO_IPV4 = {"A": "ip route add unreachable 10.77.2.0/24", "B": "ip route add unreachable 10.77.1.0/24"}


def run(lab):
    rep.remove(lab)
    rep.authorize(lab)
    try:
        configure(lab)
        move_broker(lab, BROKER, 64)
        for node in lab.nodes("B"):
            lab.on(node, f"pcs node attribute {node} {ATTRIBUTE}={shapes.address6(node)}")
        ipv4(lab, "add")
        over_ipv6(lab)
        ipv4(lab, "del")
        from_file(lab)
        rep.remove(lab)
    finally:
        ipv4(lab, "del")
        move_broker(lab, shapes.broker_address("B"), shapes.PREFIX_LENGTH)
        restore(lab)


def more_address(node):
    """One more address of NODE, which its file names."""
    return f"10.77.2.{int(node[1:]) + 20}"


def configure(lab):
    for node in lab.nodes("B"):
        lab.on(node, f"ip addr add {more_address(node)}/16 dev eth0; sed -i "
               f"'s/^name = {node}$/&\\nreplication-address = {more_address(node)}/' {CONF}")
    restart_engines(lab)


def restore(lab):
    for node in lab.nodes("B"):
        lab.run(node, f"pcs node attribute {node} {ATTRIBUTE}=")
        lab.on(node, f"sed -i /^replication-address/d {CONF}; "
               f"ip addr del {more_address(node)}/16 dev eth0")
    restart_engines(lab)


def restart_engines(lab):
    """Pacemaker notices that they ended, and starts them again."""
    old = {node: lab.on(node, "cat /run/vmreplica/engine.pid").strip() for node in lab.nodes("B")}
    for node, pid in old.items():
        lab.on(node, f"kill {pid}; while [ -e /proc/{pid} ]; do sleep 0.1; done")
    for node, pid in old.items():
        wait_until(f"the engine on {node} is back", lambda: lab.on(
            node, "cat /run/vmreplica/engine.pid && vmreplica status >&2").strip() != pid, 60)


def ipv4(lab, what):
    for node in lab.nodes():
        route = NO_IPV4[shapes.site_of(node)].replace(" add ", f" {what} ")
        lab.run(node, route)


def move_broker(lab, address, prefix):
    """Give B's broker another address, as an administrator would."""
    node = rep.node_of(lab, "B")
    lab.on(node, "pcs cluster cib /run/moved.xml && "
           f"pcs -f /run/moved.xml resource update vmreplica-ip ip={address} cidr_netmask={prefix} && "
           f"pcs -f /run/moved.xml resource update vmreplica-broker address={address} && "
           "pcs cluster cib-push /run/moved.xml && crm_resource --wait", 90)
    lab.wait_resource("vmreplica-broker", site="B")


def broker(lab):
    return json.loads(lab.vmreplica(rep.node_of(lab, "B"), "broker --json"))


def dialled(lab):
    """The addresses of B's receivers that A's nodes have connections to."""
    found = set()
    for node in lab.live_nodes("A"):
        for line in lab.on(node, "ss -Htn state established '( dport = :8651 )'").splitlines():
            found.add(line.split()[-1].rsplit(":", 1)[0].strip("[]"))
    return found


def wait_dialled(lab, address):
    wait_until(f"A sends to {address}", lambda: dialled(lab) == {address}, 60, 0.5)
    rep.wait_cycles(lab, 1, 60)
    say(f"A sends to {address}")


def over_ipv6(lab):
    lab.vmreplica("a1", f"protect web1 --to {BROKER} --frequency 5", 120)
    rep.wait_replicating(lab, 90)
    lab.guest("load 300000 20")
    owner = lab.wait_resource("web1-a-replica", site="B")
    wait_dialled(lab, shapes.address6(owner))
    require(owner in lab.vmreplica(rep.node_of(lab, "B"), "locate web1"), "locate")
    require(BROKER in lab.vmreplica("a2", f"check --peer [{BROKER}]:8650"), "check --peer")
    require(broker(lab)["address"] == BROKER, f"the broker is at {broker(lab)['address']}")
    lab.on(owner, "pcs resource update vmreplica-broker relay=always")
    try:
        lab.move("web1-a-replica", lab.other_node(owner), site="B")
        wait_until("the stream is relayed", lambda: broker(lab)["streams"], 60)
        rep.wait_cycles(lab, 2, 60)
        require(not dialled(lab), f"A dials {dialled(lab)} although the broker relays")
        require(broker(lab)["streams"][0]["bytes"] > 0, "nothing goes through the relay")
    finally:
        lab.on(owner, "pcs resource update vmreplica-broker relay=auto")
    lab.guest("load 0")
    rep.compare_at_cut(lab)


def from_file(lab):
    """The attribute went before the file; without it the file holds, at once."""
    owner = lab.wait_resource("web1-a-replica", site="B")
    lab.on(owner, f"pcs node attribute {owner} {ATTRIBUTE}=")
    relationship = rep.status(lab)["relationship"]
    wait_until("the broker redirects to it", lambda: json.loads(lab.on(
        "a1", f"{rep.WIRE} locate {BROKER} {relationship}"))["2"] == more_address(owner), 10)
    redial(lab, owner)
    wait_dialled(lab, more_address(owner))


def redial(lab, node):
    """The standing connection ends; nothing else does."""
    lab.on(node, "ss -K sport = :8651 >/dev/null 2>&1 || true")
    if dialled(lab):
        lab.on(node, "kill $(pidof vmreplica-receiver)")
