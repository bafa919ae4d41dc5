# SPDX-License-Identifier: GPL-2.0-or-later
"""Nodes that cannot be reached directly: the broker relays by token, TLS stays end to end; a
ClientHello in many segments is understood, an unknown token reaches nobody."""
import json
import time

import replication as rep
import shape as shapes
from case import require, say, wait_until

TIMEOUT = 300
RESOURCE = "web1-a-replica"
WATCHED = "/run/syn-sent"

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
        found = streams(lab, node)
        say(f"relayed: {found}")
        require(found and found[0]["bytes"] > 0, f"nothing goes through the relay: {found}")
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
    owner = lab.wait_resource(RESOURCE, site="B")
    lab.move(RESOURCE, lab.other_node(owner), site="B")


def in_many_segments(lab):
    """A ClientHello that comes byte by byte: with a valid token it ends in a TLS session with the
    node that the broker named, which answers; without one the broker's own TLS answers it; a
    made-up token does not get a byte back."""
    relationship = rep.status(lab)["relationship"]
    owner = lab.wait_resource(RESOURCE, site="B")
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
    """relay=auto: what the new owner says to site A is lost.  The sender waits for it for 2 s, takes
    the broker's relay, and remembers that: the next connection is relayed without that wait."""
    broker = lab.wait_resource("vmreplica-broker", site="B")
    blocked = lab.other_node(broker)
    if lab.wait_resource(RESOURCE, site="B") != broker:
        lab.move(RESOURCE, broker, site="B")
    # Another node's engine: what this one may remember of an earlier case does not count.
    lab.move("web1", lab.other_node(lab.wait_resource("web1")))
    rep.wait_cycles(lab, 1, 60)
    require(not streams(lab, broker), "relay=auto relays a node that can be reached")
    sender = lab.wait_resource("web1")
    ways_back = [f"{shapes.address(name)}/32" for name in lab.nodes("A")]
    lab.on(blocked, "".join(f"ip route add blackhole {way}; " for way in ways_back))
    watch(lab, sender, shapes.address(blocked))
    try:
        lab.move(RESOURCE, blocked, site="B")
        rep.wait_cycles(lab, 2, 90)
        first = waited(lab, sender)
        say(f"{sender} waited for {blocked} {first:.1f} s, then: {streams(lab, broker)}")
        require(1.5 <= first <= 4, f"it waited {first:.1f} s for an owner that does not answer")
        require([entry["node"] for entry in streams(lab, broker)] == [blocked],
                f"relayed: {streams(lab, broker)}")

        lookups = lookups_of(lab, broker)
        killed = time.monotonic()
        lab.kill_program(blocked, "vmreplica-receiver")
        found = wait_until("a new stream is relayed", lambda: [
            entry for entry in streams(lab, broker)
            if entry["age_ms"] < (time.monotonic() - killed) * 1000], 30)
        rep.wait_cycles(lab, 1, 90)
        again = waited(lab, sender)
        say(f"the next connection: {lookups_of(lab, broker) - lookups} lookups, then {found}")
        require(again == first, "it waited again: the relay was not remembered")
    finally:
        lab.run(sender, f"rm {WATCHED}.on")
        lab.on(blocked, "".join(f"ip route del blackhole {way}; " for way in ways_back))


def watch(lab, node, address):
    """Note every 0.1 s in which NODE waits for ADDRESS to take a connection."""
    lab.on(node, f"touch {WATCHED}.on; : > {WATCHED}; while [ -e {WATCHED}.on ]; do "
           f"ss -Htn state syn-sent dst {address} | grep -q . && date +%s.%N; sleep 0.1; done "
           f">> {WATCHED} 2>&1 < /dev/null &")


def waited(lab, node):
    """From the first to the last of those notes, in seconds; 0 without any."""
    times = [float(word) for word in lab.on(node, f"cat {WATCHED}").split()]
    return times[-1] - times[0] if times else 0


def streams(lab, node):
    return json.loads(lab.vmreplica(node, "broker --json"))["streams"]


def lookups_of(lab, node):
    return json.loads(lab.vmreplica(node, "broker --json"))["lookups"]
