# SPDX-License-Identifier: GPL-2.0-or-later
"""Answers each TCP segment that a node sends to another site with a reset, as a firewall does
that has lost its state.  Runs in the lab's own network namespace, beside a WAN that lets nothing
through.  Takes the acknowledged number for the reset's own, so that the node must believe it."""
import socket
import struct
import threading

ALL, IPV4, TCP = 3, 0x0800, 6
ETHERNET = 14
FIN, SYN, RST, ACK = 1, 2, 4, 16
LOOK_S = 0.2


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total > 0xffff:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def answer(frame):
    """The frame that resets the connection of FRAME, or None where there is nothing to reset."""
    if len(frame) < ETHERNET + 40 or frame[12:14] != struct.pack(">H", IPV4):
        return None
    length = (frame[ETHERNET] & 15) * 4
    head, segment = frame[ETHERNET:ETHERNET + length], frame[ETHERNET + length:]
    source, target = head[12:16], head[16:20]
    if head[9] != TCP or len(segment) < 20 or source[:2] != target[:2] or source[2] == target[2]:
        return None
    ports, sequence, acknowledged, flags = segment[:4], *struct.unpack(">IIxB", segment[4:14])
    if flags & RST:
        return None
    if flags & ACK:
        numbers = struct.pack(">IIBB", acknowledged, 0, 5 << 4, RST)
    else:
        size = struct.unpack(">H", head[2:4])[0] - length - (segment[12] >> 4) * 4
        numbers = struct.pack(">IIBB", 0, (sequence + size + bool(flags & (SYN | FIN))) % 2 ** 32,
                              5 << 4, RST | ACK)
    tcp = ports[2:] + ports[:2] + numbers + b"\0" * 6
    tcp = tcp[:16] + struct.pack(">H", checksum(target + source + struct.pack(
        ">HH", TCP, len(tcp)) + tcp)) + tcp[18:]
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0, 64, TCP, 0) + target + source
    ip = ip[:10] + struct.pack(">H", checksum(ip)) + ip[12:]
    return frame[6:12] + frame[:6] + frame[12:14] + ip + tcp


class Resetter:
    def __init__(self):
        self.wanted, self.thread = False, None

    def run(self, wanted):
        """Begin, or end, or go on."""
        self.wanted = wanted
        if wanted and not (self.thread and self.thread.is_alive()):
            self.thread = threading.Thread(target=self.work, daemon=True)
            self.thread.start()
        elif not wanted and self.thread:
            self.thread.join()
            self.thread = None

    def work(self):
        # ALL: what is addressed to IPv4 alone is asked for behind the bridge, and not to be had.
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL)) as ports:
            ports.settimeout(LOOK_S)
            while self.wanted:
                try:
                    frame, origin = ports.recvfrom(65536)
                except socket.timeout:
                    continue
                # What comes out of a node; the bridges and the WAN's ends show it once more.
                if origin[0].startswith("p-") and origin[2] != socket.PACKET_OUTGOING:
                    reply = answer(frame)
                    if reply:
                        ports.sendto(reply, (origin[0], 0))
