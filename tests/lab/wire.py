# SPDX-License-Identifier: GPL-2.0-or-later
"""A peer made by hand, for what the product's own sender never does.  Runs inside a node with that
node's certificate, shares no code with the product, and knows of wire.proto what it needs.

  wire.py locate BROKER RELATIONSHIP [relay]     the broker's answer, as JSON
  wire.py await BROKER RELATIONSHIP SECONDS      the first answer of a broker that may be down or
                                                 starting (MOVING is none), and its time
  wire.py relay-slow BROKER RELATIONSHIP         a ClientHello byte by byte through the relay, with
                                                 a valid token; what the owner then says to HELLO
  wire.py hello HOST NAME VM-STATUS-JSON         HELLO as a sender of the VM; the owner's answer
  wire.py wrong KIND HOST NAME VM-STATUS-JSON    say HELLO as the VM's own sender and then do KIND

WIRE_PKI and WIRE_SITE in the environment: another identity than the node's.
"""
import ipaddress
import json
import os
import socket
import ssl
import struct
import sys
import time

PKI = os.environ.get("WIRE_PKI", "/etc/vmreplica/pki")
MAGIC, HEADER = b"VMR1", struct.Struct(">4sHHII")
TYPES = {name: number for number, name in enumerate(
    ("LOCATE REDIRECT RELAY MOVING NOT_FOUND DENIED ENROLL ENROLLED WITHDRAW WITHDRAWN").split(), 1)}
TYPES.update({name: number for number, name in enumerate(
    ("HELLO WELCOME MOVED BUSY FAILURE CYCLE_BEGIN CHUNK DIGEST DIGEST_REPLY MARK_REQUEST MARKED "
     "CYCLE_END CYCLE_ABORT COMMITTED PEER_STATE PING PONG").split(), 32)})
NAMES = {number: name for name, number in TYPES.items()}
DELTA = 2


# ---- protobuf, as much as is needed

def varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def number(field, value):
    return varint(field << 3) + varint(value)


def text(field, value):
    data = value if isinstance(value, bytes) else value.encode()
    return varint(field << 3 | 2) + varint(len(data)) + data


def fixed64(field, value):
    return varint(field << 3 | 1) + struct.pack("<Q", value)


def parse(data):
    """{field: value}, the last one of each; bytes for what has a length."""
    found, at = {}, 0

    def take():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
    while at < len(data):
        key = take()
        if key & 7 == 0:
            found[key >> 3] = take()
        elif key & 7 == 2:
            length = take()
            found[key >> 3] = data[at:at + length]
            at += length
        else:
            size = {1: 8, 5: 4}[key & 7]
            found[key >> 3] = int.from_bytes(data[at:at + size], "little")
            at += size
    return found


def version():
    return text(1, number(1, 1) + number(2, 1))


# ---- connections

def context():
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    made.check_hostname = False     # the name differs from the SNI when a relay is used
    made.load_verify_locations(f"{PKI}/ca.crt")
    made.load_cert_chain(f"{PKI}/node.crt", f"{PKI}/node.key")
    return made


def plain(name):
    """An address in one spelling, whatever it came in."""
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name


def require_name(tls, name):
    names = [plain(value) for _kind, value in tls.getpeercert()["subjectAltName"]]
    if plain(name) not in names:
        raise SystemExit(f"the peer is {names}, not {name}")


def connect(host, port, name, timeout=10):
    raw = socket.create_connection((host, port), timeout)
    tls = context().wrap_socket(raw, server_hostname=name)
    require_name(tls, name)
    return tls


def send(tls, kind, message=b"", payload=b""):
    tls.sendall(HEADER.pack(MAGIC, TYPES[kind], 0, len(message), len(payload)) + message + payload)


def read_exactly(tls, length):
    data = b""
    while len(data) < length:
        part = tls.recv(length - len(data))
        if not part:
            raise SystemExit("the connection ended without an answer")
        data += part
    return data


def receive(tls):
    magic, kind, _flags, length, payload = HEADER.unpack(read_exactly(tls, HEADER.size))
    if magic != MAGIC:
        raise SystemExit(f"no frame: {magic!r}")
    message = parse(read_exactly(tls, length))
    read_exactly(tls, payload)
    return NAMES[kind], message


# ---- the broker

def locate(broker, relationship, relay, timeout=10):
    tls = connect(broker, 8650, broker, timeout)
    send(tls, "LOCATE", version() + text(2, relationship) + (number(3, 1) if relay else b""))
    kind, message = receive(tls)
    tls.close()
    return {"answer": kind, **{str(field): value.decode() if isinstance(value, bytes) else value
                               for field, value in message.items()}}


def first_answer(broker, relationship, seconds):
    deadline = time.monotonic() + seconds
    while True:
        try:
            found = locate(broker, relationship, False, 0.5)
            if found["answer"] != "MOVING":
                return {**found, "time": time.time()}
        except (OSError, SystemExit) as error:
            found = error
        if time.monotonic() > deadline:
            raise SystemExit(f"no answer within {seconds} s: {found}")
        time.sleep(0.05)


def relay_slow(broker, relationship):
    """TLS over a relayed connection whose first flight comes in single bytes."""
    answer = locate(broker, relationship, True)
    if answer["answer"] != "RELAY":
        raise SystemExit(f"no token: {answer}")
    token, name = answer["1"], answer["3"]
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context().wrap_bio(incoming, outgoing, server_hostname=f"{token}.relay.vmreplica")
    raw = socket.create_connection((broker, 8650), 10)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    pieces = slow_handshake(tls, raw, incoming, outgoing)
    require_name(tls, name)
    stream = Stream(tls, raw, incoming, outgoing)
    unknown = "00000000-0000-4000-8000-000000000000"
    send(stream, "HELLO", version() + text(2, unknown) + epoch(1, unknown) + text(4, "nobody")
         + text(5, site()) + text(6, "a1") + text(7, text(1, "vda") + number(2, 1 << 20))
         + number(8, 300))
    kind, message = receive(stream)
    return {"pieces": pieces, "owner": name, "answer": kind, "reason": message[2].decode()}


def slow_handshake(tls, raw, incoming, outgoing):
    """Returns in how many writes the ClientHello went out."""
    pieces = 0
    while True:
        try:
            tls.do_handshake()
            raw.sendall(outgoing.read())
            return pieces
        except ssl.SSLWantReadError:
            data = outgoing.read()
            for byte in data if pieces == 0 else []:
                raw.send(bytes([byte]))
                time.sleep(0.001)
                pieces += 1
            got = raw.recv(65536)
            if not got:
                raise SystemExit("closed during the handshake") from None
            incoming.write(got)


class Stream:
    """What send and receive want, over a TLS object with memory on both ends."""

    def __init__(self, tls, raw, incoming, outgoing):
        self.tls, self.raw, self.incoming, self.outgoing = tls, raw, incoming, outgoing

    def sendall(self, data):
        self.tls.write(data)
        self.raw.sendall(self.outgoing.read())

    def recv(self, length):
        while True:
            try:
                return self.tls.read(length) if length else b""
            except ssl.SSLWantReadError:
                got = self.raw.recv(65536)
                if not got:
                    return b""
                self.incoming.write(got)


# ---- a sender that does wrong

def site():
    """The site that we say we are; by default this node's."""
    if "WIRE_SITE" in os.environ:
        return os.environ["WIRE_SITE"]
    with open("/etc/vmreplica/vmreplica.conf") as file:
        return next(line.split("=")[1].strip() for line in file if line.startswith("name"))


def epoch(value, lineage):
    return text(3, number(1, value) + text(2, lineage) + text(3, site()))


def hello(tls, vm):
    disks = b"".join(text(7, text(1, disk["name"]) + number(2, disk["size_bytes"]))
                     for disk in vm["disks"])
    send(tls, "HELLO", version() + text(2, vm["relationship"])
         + epoch(vm["epoch"]["number"], vm["epoch"]["lineage"]) + text(4, vm["name"])
         + text(5, site()) + text(6, "a1") + disks + number(8, vm["frequency_s"]))
    return receive(tls)


def greet(host, name, vm):
    """Returns what the owner says to HELLO."""
    kind, message = hello(connect(host, 8651, name), vm)
    return {"answer": kind, "code": message[1].decode() if kind == "DENIED" else "",
            "reason": message[2].decode() if kind == "DENIED" else ""}


def begin(tls, vm, welcome, seq_off=0):
    """A delta cycle on the committed cut, or on one that SEQ_OFF later was never sent."""
    cut = parse(welcome[2])
    base = number(1, cut[1] + seq_off) + text(2, cut[2]) + text(3, cut[3])
    disks = b"".join(text(8, text(1, disk["name"]) + number(2, disk["size_bytes"]))
                     for disk in vm["disks"])
    send(tls, "CYCLE_BEGIN", number(1, DELTA) + number(2, welcome[5] + seq_off)
         + text(3, os.urandom(8).hex()) + number(4, int(time.time() * 1000)) + text(5, "crash")
         + text(6, base) + disks)


def chunk(tls, checksum):
    data = os.urandom(65536)
    send(tls, "CHUNK", number(1, 0) + number(2, 0) + number(3, len(data)) + number(4, 0)
         + number(5, 0) + fixed64(6, checksum), data)


def wrong(kind, host, name, vm):
    tls = connect(host, 8651, name)
    tls.settimeout(30)
    answer, welcome = hello(tls, vm)
    if answer != "WELCOME":
        raise SystemExit(f"{answer} {welcome}")
    if kind == "malformed":
        tls.sendall(b"GET / HTTP/1.1\r\nHost: b1\r\n\r\n" + bytes(64))
    elif kind == "oversized":
        tls.sendall(HEADER.pack(MAGIC, TYPES["CHUNK"], 0, 16, 0x7fffffff))
    elif kind == "message":
        send(tls, "CYCLE_BEGIN", b"\xff" * 40)
    elif kind == "checksum":
        begin(tls, vm, welcome)
        chunk(tls, 0x123456789abcdef)
    elif kind == "sequence":
        begin(tls, vm, welcome, 3)
    else:
        raise SystemExit(f"{kind}: not known")
    answer, message = receive(tls)
    return {"answer": answer, "code": message[1].decode(), "reason": message[2].decode()}


def main(command, *arguments):
    if command == "locate":
        found = locate(*arguments[:2], arguments[2:] == ("relay",))
    elif command == "await":
        found = first_answer(*arguments[:2], float(arguments[2]))
    elif command == "relay-slow":
        found = relay_slow(*arguments)
    elif command == "hello":
        found = greet(*arguments[:2], json.loads(arguments[2]))
    else:
        found = wrong(*arguments[:3], json.loads(arguments[3]))
    print(json.dumps(found))


main(*sys.argv[1:])
