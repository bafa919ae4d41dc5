# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs in a node for cases about the network: a TCP sink, or a source that reports each second.

usage: pipe.py sink PORT | pipe.py source HOST PORT SECONDS
"""
import socket
import sys
import time


def sink(port):
    with socket.create_server(("", port)) as listener:
        connection, _ = listener.accept()
        total, start = 0, time.monotonic()
        while part := connection.recv(1 << 16):
            total += len(part)
        print(total, round(time.monotonic() - start, 2), flush=True)


def source(host, port, seconds):
    with socket.create_connection((host, port), 5) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
        connection.settimeout(60)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            connection.sendall(b"x" * 16384)


if sys.argv[1] == "sink":
    sink(int(sys.argv[2]))
else:
    source(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
