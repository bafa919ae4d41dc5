# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults of the network that case network_faults goes through after its cuts, and the ledger of
what the guest wrote and what travelled for it."""
import datetime
import glob
import json
import os
import threading
import time

import many
import replication as rep
import shape as shapes
from case import require, say, wait_until

SLOW, SLOW_BYTES_S, FAST = "8mbit", 1000000, "60mbit"
LOAD = "load 700000 0"      # incompressible: what is dirty is what must travel
MIB = 1 << 20
# The guest's blocks are 4 KiB, bitmaps count in 64 KiB: records, anchors and the load's edges.
SLACK_CYCLE, OVERHEAD = MIB, 1.02
RESOURCE, BROKER = "web1-a-replica", "vmreplica-broker"


def owned(lab, site="A"):
    """By the owner's own word, which other nodes hear a moment later."""
    return rep.from_owner(lab, site)


def streams(lab):
    """The local ports of the sender's streams to owners of replicas."""
    text = lab.on(lab.wait_resource("web1"), "ss -Htn state established dport = :8651")
    return {line.split()[2].rpartition(":")[2] for line in text.splitlines()}


def cut_time(found):
    """The wall clock, in seconds, of the cut that was committed last."""
    text = found["last_replicated"].replace("Z", "+00:00")
    return datetime.datetime.fromisoformat(text).timestamp()


class Ledger:
    """What the guest has written since a cut that is committed, and what travelled since then."""

    def __init__(self, lab):
        self.lab, self.samples = lab, []
        self.base = self.first = self.sample()
        self.before = rep.sync(lab)
        self.first_wire = self.wire = self.before["bytes"]["wire"]
        self.taken_back = 0

    def sample(self):
        """Bytes that the guest has written until now."""
        found, now = self.lab.guest_status(), time.time()
        self.samples.append((now, int(found["load_done"] + found["seq"]) * 4096))
        return self.samples[-1][1]

    def cut_since(self, wall_s):
        """The status, once a cycle is committed whose cut came after WALL_S; called repeatedly."""
        self.sample()
        found = owned(self.lab)
        self.taken_back = max(self.taken_back, self.wire - found["bytes"]["wire"])
        self.wire = found["bytes"]["wire"]
        return found if cut_time(found) > wall_s else None

    def settle(self, found, unacknowledged, facts):
        """At a moment when FOUND is the status.  What travelled may be what was written, what a
        broken stream had sent without being acknowledged, and the slack."""
        now = self.sample()
        facts["wire"] = found["bytes"]["wire"] - self.before["bytes"]["wire"]
        facts["wrote"], facts["unacknowledged"] = now - self.base, unacknowledged
        cycles = found["cycles"]["ok"] - self.before["cycles"]["ok"] + 2    # broken, under way
        facts["most"] = int(OVERHEAD * (facts["wrote"] + unacknowledged + cycles * SLACK_CYCLE))
        require(facts["wire"] <= facts["most"], f"too much travelled: {facts}")
        require(self.taken_back == 0, f"{self.taken_back} bytes on the wire were counted twice")
        require(found["resyncs"] == self.before["resyncs"], "a resynchronization, none was due")
        cut = cut_time(found)
        self.base = max([size for when, size in self.samples if when <= cut] or [self.base])
        self.before, self.samples = found, [(time.time(), now)]

    def total(self):
        """Bytes on the wire, and bytes that the guest wrote, since the beginning."""
        return self.before["bytes"]["wire"] - self.first_wire, self.sample() - self.first


def rate(lab, facts):
    """The line drops to 1 Mb/s in the middle of a cycle: the cycle goes on, on the same stream, the
    lag is told, and the broker answers beside it."""
    most = 12 * MIB
    lab.guest("load 0")
    rep.sync(lab)
    lab.rate(SLOW)
    with rep.unharmed(lab):
        kept = streams(lab)
        lab.guest(f"fill {most // MIB} 0")
        seen = rep.wait_mid_cycle(lab, most // 2)
        lab.rate("1mbit")
        begin = time.monotonic()
        answer = json.loads(lab.on(seen["owner"], f"{rep.WIRE} locate {shapes.broker_address('B')} "
                                   f"{seen['relationship']}"))
        found = wait_until("eight cycles are missed meanwhile", lambda: lagging(lab, seen), 150)
        say(f"{rep.unsent(seen) / MIB:.1f} MiB unsent at 1 Mb/s; the broker says "
            f"{answer['answer']}; {found['health']}: {found['reason'] or 'no reason'}; "
            f"{found['behind_s']} s behind")
        require(answer["answer"] in ("REDIRECT", "RELAY"), f"the broker says {answer}")
        require(found["health"] == "Warning" or share_missed(found) <= 0.2, "health hides the lag")
        done = wait_until("the cycle is committed", lambda: committed(lab, seen["seq"]), 400, 1)
        facts.update(unsent=rep.unsent(seen), took_s=round(time.monotonic() - begin, 1),
                     health=found["health"], reason=found["reason"], behind_s=found["behind_s"])
        rep.wait_cycles(lab, 2, 200)
        require(streams(lab) == kept and kept, "the stream was torn down")
        require(done["cycles"]["failed"] == seen["cycles"]["failed"], "a cycle failed")
        require(done["resyncs"] == seen["resyncs"], "a resynchronization, none was due")
    lab.rate(FAST)
    say(f"committed after {facts['took_s']} s, on the same stream")
    rep.compare_at_cut(lab)


def lagging(lab, seen):
    found = owned(lab)
    missed = found["cycles"]["missed"] - seen["cycles"]["missed"]
    return found if missed >= 8 and found["behind_s"] > 30 and rep.unsent(found) else None


def share_missed(found):
    """Of less than 20 cycles health judges none."""
    count = found["cycles"]
    return 1 - count["ok"] / sum(count.values()) if sum(count.values()) >= 20 else 0


def committed(lab, seq):
    """A later cycle than SEQ."""
    found = owned(lab)
    return found if found["seq"] > seq else None


def stalls(lab, facts):
    """Six stalls of 5 s, each in the middle of a cycle: streams live, or are begun again, and no
    more is sent twice than was not acknowledged."""
    lab.guest(LOAD)
    ledger, facts["kept"], facts["stalls"] = Ledger(lab), 0, []
    with rep.unharmed(lab):
        for _ in range(6):
            kept = wait_until("a stream", lambda: streams(lab), 60)
            lab.rate(SLOW)
            seen = rep.wait_mid_cycle(lab, MIB // 2)
            lab.stall("wan")
            sent = owned(lab)["progress"]
            time.sleep(5)
            lab.rate(FAST)
            lab.heal()
            healed_s = time.time()
            found = wait_until("a cycle cut after the stall",
                               lambda: ledger.cut_since(healed_s), 120)
            lived, one = streams(lab) == kept, {}
            ledger.settle(found, 0 if lived else (sent or seen["progress"])["done_bytes"], one)
            facts["stalls"].append(one)
            facts["kept"] += lived
    wire, wrote = ledger.total()
    say(f"{facts['kept']} of 6 streams lived; {wire / MIB:.1f} MiB on the wire for "
        f"{wrote / MIB:.1f}")
    rep.compare_at_cut(lab)


def broker(lab, facts):
    """The broker cannot be reached, the owners can: streams that stand go on; who needs a new one
    waits and says why, and goes on by itself."""
    address = shapes.broker_address("B")
    lab.guest("load 300000 0")
    many.make_vms(lab, ("idle0",))
    before = rep.sync(lab)
    with rep.unharmed(lab):
        kept = streams(lab)
        lost = [lab.lose(node, address) for node in lab.nodes("A")]
        rep.wait_cycles(lab, 3, 120)
        require(streams(lab) == kept and kept, "the stream that stood was torn down")
        refused = lab.run(rep.node_of(lab, "A"), f"vmreplica protect idle0 --to {address} "
                          f"--frequency {rep.FAST}", 120)
        facts["refused"] = (refused.stdout + refused.stderr).strip()
        say(f"protect: {refused.returncode}: {facts['refused']}")
        require(refused.returncode != 0 and address in facts["refused"], "protect does not say why")
        lab.kill_program(rep.replica(lab)["owner"], "vmreplica-receiver")
        found = wait_until("the broken stream says why", lambda: waits_for(lab, address), 90)
        facts["reason"] = found["reason"]
        say(f"a stream that broke: {found['health']}: {found['reason']}")
        for name in lost:
            lab.heal(name)
        rep.wait_cycles(lab, 2, 150)
    rep.protect(lab, "idle0")
    rep.wait_replicating(lab, vm="idle0")
    rep.no_resync_since(lab, before)
    rep.remove(lab, "idle0")
    rep.compare_at_cut(lab)


def waits_for(lab, address):
    found = owned(lab)
    unwell = found["health"] in ("Warning", "Critical")
    return found if unwell and address in found["reason"] else None


def owners(lab, facts):
    """The owners cannot be reached, the broker can: its relay carries the streams."""
    lab.guest(LOAD)
    before = rep.sync(lab)
    with rep.unharmed(lab):
        lab.rate(SLOW)
        rep.wait_mid_cycle(lab, MIB // 2)
        lost = [lab.lose(node, shapes.address(owner))
                for node in lab.nodes("A") for owner in lab.nodes("B")]
        lab.rate(FAST)
        begin = time.monotonic()
        serving = lab.wait_resource(BROKER, site="B")
        found = wait_until("the broker relays", lambda: relayed(lab, serving), 120)
        rep.wait_cycles(lab, 3, 150)
        facts.update(relayed_s=round(time.monotonic() - begin, 1), node=found[0]["node"])
        say(f"relayed to {found[0]['node']}, three more cycles after {facts['relayed_s']} s")
        for name in lost:
            lab.heal(name)
        rep.wait_cycles(lab, 2, 120)
    rep.no_resync_since(lab, before)
    rep.compare_at_cut(lab)


def relayed(lab, node):
    return json.loads(lab.vmreplica(node, "broker --json"))["streams"]


class Watch:
    """Has all nodes of SITE note who serves and who writes (serving.py), also after a boot."""

    def __init__(self, lab, site):
        self.lab, self.over, self.number = lab, threading.Event(), 0
        self.folder = f"{lab.folder}/site/{site}/vms/watch-{time.time():.0f}"
        self.nodes, self.began = lab.nodes(site), {}
        self.inside = f"/srv/vms/{self.folder.rpartition('/')[2]}"
        self.thread = threading.Thread(target=self.work, daemon=True)

    def __enter__(self):
        os.mkdir(self.folder)
        self.thread.start()
        return self

    def __exit__(self, *_error):
        self.over.set()
        self.thread.join()
        with open(f"{self.folder}/stop", "w"):
            pass

    def work(self):
        while not self.over.wait(0.3):
            states = self.lab.client.ask("status")["nodes"]
            for node in self.nodes:
                boots_ = states[node]["boots"]
                if states[node]["state"] == "on" and self.began.get(node) != boots_:
                    self.begin(node)
                    self.began[node] = boots_

    def begin(self, node):
        self.number += 1
        self.lab.run(node, f"/usr/bin/python3 -EsB {shapes.HERE}/serving.py {rep.STORAGE} "
                     f"{self.inside}/{node}-{self.number} {self.inside}/stop "
                     "> /dev/null 2>&1 < /dev/null &")

    def notes(self, node):
        """One list a boot."""
        found = []
        for path in glob.glob(f"{self.folder}/{node}-*"):
            with open(path) as file:
                found.append([json.loads(line) for line in file if line.endswith("}\n")])
        return found

    def doubles(self):
        """Who served, or wrote, on both nodes at once: on one from before until after he was seen
        on the other.  And how many notes there are of the node with the fewest."""
        first, second = (self.notes(node) for node in self.nodes)
        pairs = [(one, other) for one in first for other in second]
        found = [double for one, other in pairs
                 for double in beside(one, other) + beside(other, one)]
        return found, min(sum(map(len, first)), sum(map(len, second)))


def beside(ones, others):
    found = []
    for before, after in zip(others, others[1:]):
        for kind in ("broker", "writer"):
            stayed = set(before[kind]) & set(after[kind])
            found += [(kind, stayed, one) for one in ones if stayed and one[kind]
                      and before["time"] <= one["time"] <= after["time"]]
    return found


def nodes(lab, facts):
    """One direction between two nodes of a cluster is cut: Corosync decides.  There are never two
    brokers that serve, nor two writers of a store; afterwards replication goes on."""
    facts["cuts"] = []
    for talker, hearer in (("b1", "b2"), ("b2", "b1"), ("a1", "a2"), ("a2", "a1")):
        facts["cuts"].append(one_way(lab, talker, hearer))


def one_way(lab, talker, hearer):
    site = shapes.site_of(talker)
    lab.guest("load 300000 0")
    before = rep.sync(lab)
    running, booted = lab.wait_resource("web1"), boots(lab, site)
    if site == "B":     # both on the node that is not heard, or is deaf
        together(lab, talker)
    with Watch(lab, site) as watch:
        name = lab.lose(talker, shapes.address(hearer))
        time.sleep(40)      # the token is lost after 3 s; a node is shot, and boots
        fenced = [node for node, count in boots(lab, site).items() if count != booted[node]]
        lab.heal(name)
        wait_until("both nodes online", lambda: online(lab, site), 150, 1)
        wait_until("web1 answers", lab.guest_status, 120)
        rep.wait_cycles(lab, 2, 240)
    doubles, looks = watch.doubles()
    say(f"{talker} was not heard by {hearer}: {', '.join(fenced) or 'nobody'} was fenced; "
        f"{looks} looks at who serves and writes, {len(doubles)} saw two")
    require(not doubles, f"two at once: {doubles[:3]}")
    require(looks > 30, "nobody looked")
    if running not in fenced:       # with its node QEMU and its bitmaps die
        rep.no_resync_since(lab, before)
    rep.compare_at_cut(lab)
    return {"talker": talker, "hearer": hearer, "fenced": fenced, "looks": looks}


def together(lab, node):
    """The replica and the broker on NODE."""
    for resource in (BROKER, RESOURCE):
        if lab.wait_resource(resource, site="B") != node:
            lab.move(resource, node, site="B")


def boots(lab, site):
    found = lab.client.ask("status")["nodes"]
    return {node: found[node]["boots"] for node in lab.nodes(site)}


def online(lab, site):
    found = [node for node in lab.crm(site).findall("nodes/node")
             if node.get("online") == "true" and node.get("pending") == "false"]
    return len(found) == len(lab.nodes(site))


LEGS = (rate, stalls, broker, owners, nodes)
