# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs in a node: one command to a guest's writer over its serial line, one line back.

usage: ask.py SOCKET COMMAND [TIMEOUT_S]; exit 3: it is not here, 4: it does not answer.
"""
import os
import socket
import sys
import time


def main():
    path, command = sys.argv[1], sys.argv[2]
    timeout = float(sys.argv[3]) if len(sys.argv) > 3 else 10
    try:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(timeout)
        connection.connect(path)
    except OSError:
        return 3
    tag = f"#{os.getpid()}.{time.monotonic_ns() % 1000000000}"
    try:
        # An empty line first ends what an earlier asker left half said.
        connection.sendall(f"\n{tag} {command}\n".encode())
        answer = receive(connection, tag, time.monotonic() + timeout)
    except OSError:
        return 4
    if answer is None:
        return 4
    print(answer)
    if not answer.startswith("ok"):
        print(answer, file=sys.stderr)
        return 1
    return 0


def receive(connection, tag, deadline):
    """The answer that carries our tag; what answers somebody else's question is skipped."""
    data = b""
    while True:
        connection.settimeout(max(0.01, deadline - time.monotonic()))
        part = connection.recv(4096)
        if not part:
            return None
        data += part
        *lines, data = data.split(b"\n")
        for line in lines:
            word, _, rest = line.decode(errors="replace").strip().partition(" ")
            if word == tag:
                return rest


sys.exit(main())
