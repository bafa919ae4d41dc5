# SPDX-License-Identifier: GPL-2.0-or-later
"""A sender with the right certificate that does wrong: malformed and oversized frames, a wrong
checksum, a log out of sequence.  It is told why, the replica's health says why, nothing of it is
taken, and the true sender goes on without a resynchronization."""
import json
import time

import replication as rep
import shape as shapes
from case import require, say

TIMEOUT = 150
KINDS = {
    "malformed": ("malformed", "a frame that is not of this protocol came"),
    "oversized": ("limits", "a frame came that is too long"),
    "message": ("malformed", ""),
    "checksum": ("checksum", "wrong checksum"),
    "sequence": ("sequence", "the replica holds cycle"),
}


def run(lab):
    before = rep.ensure(lab)
    node = lab.wait_resource("web1")
    # The true sender stays away meanwhile, and may come back when it wants.
    lab.on(node, "pcs resource update web1-replica frequency=300")
    rep.wait_until("the frequency holds", lambda: rep.status(lab)["frequency_s"] == 300, 30)
    time.sleep(rep.FAST + 1)    # a cycle that was due by the old one may still come
    try:
        for kind, (code, words) in KINDS.items():
            committed = rep.wait_applied(lab, rep.sync(lab)["seq"])
            rep.wait_health(lab, "OK", site="B", timeout=30)
            wrong(lab, kind, code, words, committed)
    finally:
        lab.on(node, f"pcs resource update web1-replica frequency={rep.FAST}")
    rep.wait_cycles(lab, 1, 60)
    rep.wait_health(lab, "OK", site="B", timeout=30)
    rep.no_resync_since(lab, before)
    rep.compare_at_cut(lab)


def wrong(lab, kind, code, words, committed):
    owner = committed["owner"]
    facts = {name: rep.status(lab)[name] for name in
             ("name", "relationship", "epoch", "frequency_s", "disks")}
    answer = json.loads(lab.on("a1", f"{rep.WIRE} wrong {kind} {shapes.address(owner)} "
                               f"{owner}.b.example '{json.dumps(facts)}'"))
    say(f"{kind}: {answer['answer']} {answer['code']}: {answer['reason']}")
    require(answer["answer"] == "FAILURE" and answer["code"] == code, f"{kind}: {answer}")
    require(words in answer["reason"], f"{kind}: no '{words}' in {answer['reason']}")
    found = rep.wait_health(lab, "Warning", answer["reason"], 15, "B")
    require(found["reason_code"] == code, f"{kind}: B's code is {found['reason_code']}")
    require(found["seq"] == committed["seq"], f"{kind}: B holds cycle {found['seq']} now")
