# SPDX-License-Identifier: GPL-2.0-or-later
"""A power cut of web1's node: the survivor fences it for real, web1 comes back on the survivor with
every flushed record, and the node joins again when its plug is back.  A node cut from the network
is shot by the other, and boots again by itself."""
from case import require, say, wait_until

PRODUCT = False
TIMEOUT = 240


def online(lab, count):
    return len([node for node in lab.crm("A").findall("nodes/node")
                if node.get("online") == "true" and node.get("pending") == "false"]) == count


def run(lab):
    power_cut(lab)
    network_cut(lab)


def power_cut(lab):
    victim = lab.wait_resource("web1")
    survivor = lab.other_node(victim)
    before = lab.guest_status()
    lab.kill(victim)
    lab.wait_resource("web1", survivor, 60)
    lab.records_advance()
    after = lab.guest_status()
    require(after["run"] == before["run"] and after["boots"] == before["boots"] + 1,
            f"not the same run continued: {before} {after}")
    require(after["seq"] > before["seq"], "records were lost")
    say(f"web1 came back on {survivor} after record {before['seq']:.0f}")
    require(lab.client.ask("status")["nodes"][victim]["state"] == "off", "it has no plug")
    lab.boot(victim)
    wait_until("both nodes online", lambda: online(lab, 2), 60)
    lab.stop_guest()
    lab.judge(survivor, lab.primary_images(), torn_ok=True)
    lab.start_guest()


def network_cut(lab):
    lab.records_advance()
    victim = lab.nodes("A")[1]
    boots = lab.client.ask("status")["nodes"][victim]["boots"]
    lab.cut(victim)
    wait_until("the node cut off is shot and boots again", lambda: lab.client.ask("status")[
        "nodes"][victim]["boots"] == boots + 1, 60)
    lab.heal(victim)
    wait_until("both nodes online", lambda: online(lab, 2), 60)
    lab.wait_resource("web1")
