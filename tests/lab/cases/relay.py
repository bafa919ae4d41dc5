# SPDX-License-Identifier: GPL-2.0-or-later
"""Nodes that cannot be reached directly: the broker relays by token, TLS stays end to end; a
ClientHello in many segments is understood, an unknown token reaches nobody."""
import json
import time

import replication as rep
from case import require, say, wait_until

TIMEOUT = 300

# Without any certificate, and with a name of its own choice.
SEGMENTED = r'''
import socket, ssl, sys, time
address, name = sys.argv[1], sys.argv[2]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
tls = context.wrap_bio(incoming, outgoing, server_hostname=name)
try:
    tls.do_handshake()
except ssl.SSLWantReadError:
    pass
connection = socket.create_connection((address, 8650), 5)
connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
for byte in outgoing.read():
    connection.send(bytes([byte]))
    time.sleep(0.001)
connection.settimeout(10)
try:
    print(len(connection.recv(4096)))
except ConnectionResetError:
    print(0)
'''


def run(lab):
    before = rep.ensure(lab)
    node = rep.node_of(lab, "B")
    lab.on(node, "pcs resource update vmreplica-broker relay=always")
    try:
        lab.guest("load 500000 20")
        reconnect(lab)
        rep.wait_cycles(lab, 3, 90)
        streams = json.loads(lab.vmreplica(node, "broker --json"))["streams"]
        say(f"relayed: {streams}")
        require(streams and streams[0]["bytes"] > 0, f"nothing goes through the relay: {streams}")
        in_many_segments(lab)
    finally:
        lab.on(node, "pcs resource update vmreplica-broker relay=auto")
    lab.guest("load 0")
    reconnect(lab)
    direct_blocked(lab)
    rep.no_resync_since(lab, before)
    rep.compare_at_cut(lab)


def reconnect(lab):
    lab.cut("wan")
    time.sleep(1)
    lab.heal("wan")
    owner = lab.wait_resource("web1-a-replica", site="B")
    lab.move("web1-a-replica", lab.other_node(owner), site="B")


def in_many_segments(lab):
    """A ClientHello that comes byte by byte: with a valid token it ends in a TLS session with the
    node that the broker named, which answers; without one the broker's own TLS answers it; a
    made-up token does not get a byte back."""
    relationship = rep.status(lab)["relationship"]
    owner = lab.wait_resource("web1-a-replica", site="B")
    found = json.loads(lab.on("a1", f"{rep.WIRE} relay-slow 10.77.2.100 {relationship}"))
    say(f"relayed in {found['pieces']} pieces: {found['owner']} says {found['answer']}: "
        f"{found['reason']}")
    require(found["pieces"] > 100 and found["owner"] == f"{owner}.b.example", f"{found}")
    require("not open on node " + owner in found["reason"], f"the owner says {found}")
    answers = [int(lab.on("a1", f"/usr/bin/python3 -c '{SEGMENTED}' 10.77.2.100 {name}"))
               for name in ("b.example", "0123456789abcdef0123456789abcdef.relay.vmreplica")]
    require(answers[0] > 0, "the broker does not answer a segmented ClientHello")
    require(answers[1] == 0, "an unknown token was answered")


def direct_blocked(lab):
    """relay=auto: the owner is unreachable for the sender, the broker is not."""
    owner = lab.wait_resource("web1-a-replica", site="B")
    broker = lab.wait_resource("vmreplica-broker", site="B")
    if owner == broker:
        lab.move("web1-a-replica", lab.other_node(broker), site="B")
        owner = lab.wait_resource("web1-a-replica", site="B")
    address = lab.on(owner, "hostname -i || true").split()
    say(f"block {owner} {address} for the nodes of A")
    number = owner[1:]
    for name in lab.live_nodes("A"):
        lab.on(name, f"ip route add unreachable 10.77.2.{number}/32")
    try:
        lab.on(owner, "for a in 10.77.1.1 10.77.1.2; do ip route add unreachable $a/32; done")
        rep.wait_cycles(lab, 3, 90)
        wait_until("the stream is relayed", lambda: json.loads(lab.vmreplica(
            broker, "broker --json"))["streams"], 10)
    finally:
        lab.on(owner, "for a in 10.77.1.1 10.77.1.2; do ip route del unreachable $a/32; done")
        for name in lab.live_nodes("A"):
            lab.on(name, f"ip route del unreachable 10.77.2.{number}/32")
