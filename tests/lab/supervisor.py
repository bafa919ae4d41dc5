# SPDX-License-Identifier: GPL-2.0-or-later
"""The one process that owns a lab.  It runs in namespaces of the lab's own, as the child of
that pid namespace's pid 1: when it ends, for whatever reason, the kernel ends every node,
unmounts everything and removes every bridge with it.

Requests are one JSON line, replies are one JSON line (and a pidfd for `enter`).
"""
import json
import os
import signal
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import network
import node as nodes
import shape as shapes


class Supervisor:
    def __init__(self, folder):
        with open(f"{folder}/shape.json") as file:
            self.shape = shapes.Shape(**json.load(file))
        self.folder, self.started = folder, time.time()
        self.network = network.Network(self.shape)
        self.network_lock = threading.Lock()
        self.messages, self.failure, self.timers = [], "", {}
        self.nodes = {name: nodes.Node(name, self.shape, shapes.lab_id(), folder, self.network,
                                       self.say) for name in self.shape.all_nodes()}

    def say(self, text):
        self.messages.append(text)
        print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)

    def start(self):
        """Listen first (the fence sockets are mounted into the nodes), then boot all nodes."""
        self.listen("sock", None)
        for site in self.shape.sites():
            self.listen(f"fence-{site}.sock", site)
        try:
            self.network.create()
            with ThreadPoolExecutor(len(self.nodes)) as pool:
                list(pool.map(lambda node: node.boot(), self.nodes.values()))
        except Exception as error:      # the client shows it and takes the lab down
            self.failure = f"{error}"
            self.say(f"failed: {error}")

    def listen(self, name, site):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(f"{self.folder}/{name}")
        listener.listen(64)
        threading.Thread(target=self.accept, args=(listener, site), daemon=True).start()

    def accept(self, listener, site):
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=self.serve, args=(connection, site), daemon=True).start()

    def serve(self, connection, site):
        with connection, connection.makefile("r") as lines:
            try:
                request = json.loads(lines.readline())
                reply, descriptor = self.answer(request, site)
            except Exception as error:
                reply, descriptor = {"error": str(error) or repr(error)}, None
            data = json.dumps(reply).encode() + b"\n"
            try:
                socket.send_fds(connection, [data], [descriptor] if descriptor else [])
            except OSError:
                pass
            finally:
                if descriptor:
                    os.close(descriptor)

    def answer(self, request, site):
        if site is not None and request["do"] != "fence":
            raise shapes.LabError("only fencing is possible here")
        if request["do"] == "enter":
            return self.do_enter(request)
        return getattr(self, "do_" + request["do"].replace("-", "_"))(request, site), None

    def node(self, name):
        if name not in self.nodes:
            raise shapes.LabError(f"{name}: no such node (there are {', '.join(self.nodes)})")
        return self.nodes[name]

    def do_enter(self, request):
        node = self.node(request["node"])
        if node.state == nodes.OFF or not node.pid:
            raise shapes.LabError(f"{node.name} is off")
        return {}, os.pidfd_open(node.pid)

    def do_status(self, request, _site):
        return {"failure": self.failure, "messages": self.messages[request.get("from", 0):],
                "nodes": {name: {"state": node.state, "boots": node.boots,
                                 "address": shapes.address(name)}
                          for name, node in self.nodes.items()},
                "wan_rate": self.network.rate, "faults": self.network.faults,
                "started": self.started}

    def do_kill(self, request, _site):
        self.node(request["node"]).power_off(unplug=True)
        return {}

    def do_boot(self, request, _site):
        self.node(request["node"]).boot()
        return {}

    def do_break(self, request, _site):
        """Cut or stall now or in some seconds (so that a case can be busy elsewhere by then),
        healing by itself after `for` seconds when asked."""
        name, how, delay = request["name"], request["how"], request.get("in", 0)
        self.network.ports(name)

        def act():
            with self.network_lock:
                self.network.break_(name, how)
            self.say(f"{how} {name}")
            if request.get("for"):
                self.later(request["for"], lambda: self.heal(name))
        if delay:
            self.later(delay, act)
        else:
            act()
        return {}

    def later(self, seconds, act):
        def guarded():
            try:
                act()
            except Exception as error:
                self.say(f"failed: {error}")
        timer = threading.Timer(seconds, guarded)
        timer.daemon = True
        timer.start()

    def heal(self, name=None):
        with self.network_lock:
            self.network.heal(name)
        self.say(f"healed {name or 'everything'}")

    def do_heal(self, request, _site):
        self.heal(request.get("name"))
        return {}

    def do_rate(self, request, _site):
        with self.network_lock:
            self.network.set_rate(request["rate"])
        return {}

    def do_down(self, _request, _site):
        self.say("going down")
        threading.Timer(0.1, lambda: os.kill(os.getpid(), signal.SIGKILL)).start()
        return {}

    def do_fence(self, request, site):
        action, own = request["action"], self.shape.node_names(site)
        if action == "list":
            return {"nodes": own}
        if request["node"] not in own:
            raise shapes.LabError(f"{request['node']}: not a node of site {site}")
        node = self.node(request["node"])
        if action == "status":
            return {"state": "off" if node.state == nodes.OFF else "on"}
        self.say(f"fencing {action} {node.name}")
        if action in ("off", "reboot"):
            node.power_off()
        if action in ("on", "reboot") and node.plugged:
            threading.Thread(target=node.boot, daemon=True).start()
        return {}


def reap_until(child):
    """What pid 1 of the lab does."""
    while True:
        try:
            pid, _status = os.wait()
        except InterruptedError:
            continue
        if pid == child:
            os._exit(0)


def main():
    folder = sys.argv[1]
    child = os.fork()
    if child:
        reap_until(child)
    Supervisor(folder).start()
    while True:
        signal.pause()


main()
