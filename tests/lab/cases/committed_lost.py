"""COMMITTED is lost on the wire and web1 migrates live, again and again: the receiver says what it
holds, and nothing is resynchronized."""
import replication as rep
from case import say, wait_until

TIMEOUT = 420


def run(lab):
    before = rep.ensure(lab)
    for number in range(4):
        lose_committed(lab)
        source = lab.wait_resource("web1")
        lab.move("web1", lab.other_node(source))
        lab.heal("wan")
        rep.wait_cycles(lab, 1, 120)
        say(f"round {number + 1}: moved from {source} with an unanswered cycle")
    rep.no_resync_since(lab, before)
    rep.compare_at_cut(lab)


def lose_committed(lab):
    """Stall the WAN in the moment in which B has committed a cycle that A does not know of."""
    for _ in range(20):
        seq = rep.replica(lab)["seq"]
        wait_until("the next cycle is committed at B", lambda: rep.replica(lab)["seq"] > seq, 30,
                   0.02)
        lab.stall("wan")
        if rep.replica(lab)["seq"] > rep.status(lab)["seq"]:
            return
        lab.heal("wan")
    # B's answer was faster each time: the cycle is then cut off in its middle instead, and the
    # same question is asked of WELCOME.
    lab.stall("wan")
