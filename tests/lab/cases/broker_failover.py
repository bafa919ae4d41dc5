# SPDX-License-Identifier: GPL-2.0-or-later
"""The broker's node loses power in the middle of a stream: replication goes on, and the broker on
the other node knows every route again at most 2 s after Pacemaker has started it."""
import json
import time

import replication as rep
from case import require, say, wait_until

TIMEOUT = 300


def run(lab):
    before = rep.ensure(lab)
    owner = lab.wait_resource("web1-a-replica", site="B")
    broker = lab.wait_resource("vmreplica-broker", site="B")
    if broker == owner:     # the replica's node shall live
        lab.move("web1-a-replica", lab.other_node(broker), site="B")
        rep.wait_cycles(lab, 1, 60)
    lab.guest("load 800000 20")
    survivor = lab.other_node(broker)
    lab.kill(broker)
    lab.wait_resource("vmreplica-broker", survivor, 90, site="B")
    started = time.monotonic()
    answer = wait_until("the new broker knows web1's owner", lambda: located(lab, survivor), 20, 0.1)
    took = time.monotonic() - started
    say(f"knew it {took:.1f} s after its start: {answer}")
    require(took <= 2.5, f"it took {took:.1f} s")
    require(answer["owner"] == survivor, f"{answer}")
    rep.wait_cycles(lab, 2, 60)
    lab.boot(broker)
    lab.guest("load 0")
    rep.no_resync_since(lab, before)
    rep.compare_at_cut(lab)


def located(lab, node):
    result = lab.run(node, "vmreplica locate web1 --json")
    return json.loads(result.stdout) if result.returncode == 0 else None
