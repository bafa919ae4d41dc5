"""Runs in a node: one command to a guest's writer over its serial line, one line back.

usage: ask.py SOCKET COMMAND [TIMEOUT_S]; exit 3: it is not here, 4: it does not answer.
"""
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
    data, deadline = b"", time.monotonic() + timeout
    try:
        # What an earlier asker left unread comes first: a line of our own marks the start.
        connection.sendall(b"\n" + command.encode() + b"\n")
        while not data.endswith(b"\n"):
            connection.settimeout(max(0.01, deadline - time.monotonic()))
            part = connection.recv(4096)
            if not part:
                return 4
            data += part
    except OSError:
        return 4
    answer = data.decode(errors="replace").strip().splitlines()[-1]
    print(answer)
    if not answer.startswith("ok"):
        print(answer, file=sys.stderr)
        return 1
    return 0


sys.exit(main())
