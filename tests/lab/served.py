# SPDX-License-Identifier: GPL-2.0-or-later
"""Commands in nodes without starting Python for each: a case that asks a thousand times has a few
processes stay in each node (node_serve.py), as many as it asks things of at the same time."""
import json
import subprocess
import threading

import client as clients
import shape as shapes

GONE = 255      # what ssh says when the host went away


class Client(clients.Client):
    """As its parent, whose run() it replaces."""

    def __init__(self, folder=None):
        super().__init__(folder)
        self.lock, self.idle = threading.Lock(), {}

    def run(self, node, *command, timeout=60, input_text=None):
        with self.lock:
            waiting = self.idle.setdefault(node, [])
            server = waiting.pop() if waiting else None
        if server is None or server.poll() is not None:
            server = self.start(node)
        reply = self.ask_server(server, [command, timeout, input_text or ""], timeout)
        if reply == "":
            server.wait()
            return subprocess.CompletedProcess(command, GONE, "", server.stderr.read())
        with self.lock:
            self.idle[node].append(server)
        found = json.loads(reply)
        if found is None:
            raise subprocess.TimeoutExpired(command, timeout)
        return subprocess.CompletedProcess(command, *found)

    def start(self, node):
        return subprocess.Popen(
            ["/usr/bin/python3", "-EsB", f"{shapes.HERE}/command.py", "on", node,
             "/usr/bin/python3", "-EsB", f"{shapes.HERE}/node_serve.py"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=clients.inherited(self.folder))

    @staticmethod
    def ask_server(server, request, timeout):
        """The reply, or nothing when the node has lost its power, or hangs."""
        guard = threading.Timer(timeout + 30, server.kill)
        guard.start()
        try:
            server.stdin.write(json.dumps(request) + "\n")
            server.stdin.flush()
            return server.stdout.readline()
        except OSError:
            server.kill()
            return ""
        finally:
            guard.cancel()
