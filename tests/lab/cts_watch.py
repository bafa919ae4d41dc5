# SPDX-License-Identifier: GPL-2.0-or-later
"""Looks at all nodes again and again while a step of case cts and its audit are under way: there is
never a second broker at a site or a second receiver that writes a replica's store; not for a
moment, and not on a node that is cut off either, since fencing comes first."""
import json
import subprocess
import threading

import shape as shapes
from case import Failure

PAUSE_S = 2


class Watch:
    """A context manager; raises Failure at its end when it has seen something."""

    def __init__(self, lab, look):
        self.lab, self.look, self.wrong, self.rounds = lab, look, "", 0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, kind, _error, _trace):
        self.ended.set()
        self.thread.join()
        if self.wrong and kind is None:
            raise Failure(self.wrong)

    def watch(self):
        while not self.wrong and not self.ended.wait(PAUSE_S):
            # The nodes are not looked at in one instant: what has moved meanwhile is seen twice,
            # but not a second time at both places.
            twice = self.seen_twice()
            again = twice and self.seen_twice() & twice
            self.rounds += 1
            if again:
                self.wrong = f"at one time: {sorted(again)}"

    def seen_twice(self):
        """{(what, where)} of what must be there once and was seen at more than one place."""
        places = {}
        for site in "AB":
            for node in self.lab.powered(site):
                for what, where in self.things(site, node):
                    places.setdefault(what, set()).add(where)
        return {(what, where) for what, found in places.items() if len(found) > 1
                for where in found}

    def things(self, site, node):
        try:
            found = json.loads(self.lab.on(node, self.look, 20))
        except (Failure, shapes.LabError, ValueError, OSError, subprocess.SubprocessError):
            return      # it loses its power at this moment
        for pid in found["brokers"]:
            yield f"a broker of {site}", f"{node} pid {pid}"
        for store, writers in found["stores"].items():
            for pid, (program, _parent) in writers.items():
                if program == "vmreplica-receiver":
                    yield f"a receiver in {store}", f"{node} pid {pid}"
