# SPDX-License-Identifier: GPL-2.0-or-later
"""The WAN is cut in the middle of a cycle and healed, 100 times: packets vanish, or are answered
by resets, or vanish in one direction only, for moments or until the stream is given up.  After each
the replica reaches a cycle that was cut after the heal, by deltas alone, and no more travelled than
what the guest wrote, what the broken stream had sent, and a slack; each tenth time both sides are
compared bit for bit at a cut.  Then the legs of network_legs: a slow line, stalls of 5 s, a broker
or owners out of reach, nodes of a cluster that hear each other in one direction only.  web1 is
unharmed.

NETWORK_SEED and NETWORK_ROUNDS may be given, and NETWORK_LEGS, words out of "rounds rate stalls
broker owners nodes".  The results of all runs add up in _build/network-results.jsonl: one line a
round, comparison or leg, with seed and commit."""
import contextlib
import json
import os
import random
import time

import crash_rounds
import network_legs as legs
import replication as rep
import shape as shapes
from case import Failure, say, wait_until

SOAK = True
FRESH = True
DIRTY = True
TIMEOUT = 4 * 3600
ROUNDS = int(os.environ.get("NETWORK_ROUNDS") or 100)
SEED = int(os.environ.get("NETWORK_SEED") or time.time() % 1000000)
CHOSEN = (os.environ.get("NETWORK_LEGS") or "rounds rate stalls broker owners nodes").split()
RESULTS = f"{shapes.TOP}/_build/network-results.jsonl"
HOWS = ("dropped", "reset", "A is mute", "dropped", "reset", "B is mute")
COMPARE_EACH = 10
SHORT_S, LONG_S = (0.5, 5), (26, 32)    # a stream whose line is dead for 25 s is given up
LONG_SHARE = 0.12
AIM = 20                                # attempts to hit a cycle
HEAL_S = 180
MIB = 1 << 20


def run(lab):
    say(f"NETWORK_SEED={SEED} NETWORK_ROUNDS={ROUNDS} NETWORK_LEGS={' '.join(CHOSEN)}")
    rep.remove(lab)
    rep.thin(lab)
    rep.authorize(lab)
    rep.protect(lab)
    rep.wait_replicating(lab)
    if "rounds" in CHOSEN:
        rounds(lab)
    for leg in legs.LEGS:
        if leg.__name__ in CHOSEN:
            say(f"---- {leg.__name__}: {leg.__doc__.splitlines()[0]}")
            with recorded({"leg": leg.__name__}) as facts:
                leg(lab, facts)
    with open(RESULTS) as file:
        results = [json.loads(line) for line in file]
    bad = sum(1 for one in results if not one["ok"])
    say(f"in all {len(results)} rounds and legs are in {RESULTS}, {bad} of them failed")


@contextlib.contextmanager
def recorded(facts):
    """What is learned of a round or leg, whatever became of it."""
    facts.update(seed=SEED, commit=crash_rounds.commit(), ok=False)
    begin = time.monotonic()
    try:
        yield facts
        facts["ok"] = True
    finally:
        facts["seconds"] = round(time.monotonic() - begin)
        os.makedirs(os.path.dirname(RESULTS), exist_ok=True)
        with open(RESULTS, "a") as file:
            file.write(json.dumps(facts) + "\n")


def rounds(lab):
    chance, done, compared = random.Random(SEED), [], []
    while len(done) < ROUNDS:
        lab.guest(legs.LOAD)
        ledger = legs.Ledger(lab)
        with recorded({"leg": "compared"}) as all_of:
            with rep.unharmed(lab):
                for number in range(len(done), min(len(done) + COMPARE_EACH, ROUNDS)):
                    how = HOWS[number % len(HOWS)]
                    with recorded({"leg": "rounds", "round": number, "how": how}) as facts:
                        one_round(lab, chance, ledger, how, facts)
                    done.append(facts)
                all_of["gap_ms"] = lab.guest_status()["max_gap_ms"]
                all_of["wire"], all_of["wrote"] = ledger.total()
            all_of["newest"] = rep.compare_at_cut(lab)["newest"]
        compared.append(all_of)
    lab.rate(lab.shape.wan_rate)
    tell(done, compared)


def tell(done, compared):
    kept = sum(one["kept"] for one in done)
    wrote, wire = (sum(one[key] for one in compared) for key in ("wrote", "wire"))
    gap_ms = max(one["gap_ms"] for one in compared)
    say(f"{len(done)} cuts in the middle of a cycle: {kept} streams lived, {len(done) - kept} were "
        f"begun again; {wire / MIB:.0f} MiB on the wire for {wrote / MIB:.0f} MiB that the guest "
        f"wrote ({wire / wrote:.2f}); largest gap of web1 {gap_ms:.0f} ms; a cycle "
        f"cut after the heal was applied within {max(one['healed_s'] for one in done)} s; "
        f"compared {len(compared)} times")


def one_round(lab, chance, ledger, how, facts):
    held = chance.uniform(*(LONG_S if chance.random() < LONG_SHARE else SHORT_S))
    struck = strike(lab, chance, how)
    time.sleep(held)
    # How much had left when a reset came, nobody knows: all of it, at most.
    sent = struck["progress"]["total_bytes"] if how == "reset" else max(
        sent_of(struck), sent_of(legs.owned(lab)))
    lab.rate(legs.FAST)
    lab.heal()
    begin, healed_s = time.monotonic(), time.time()
    found = wait_until("a cycle cut after the heal", lambda: ledger.cut_since(healed_s), HEAL_S)
    rep.wait_applied(lab, found["seq"], HEAL_S)
    kept = legs.streams(lab) == struck["streams"]
    facts.update(held_s=round(held, 1), seq=found["seq"], unsent=rep.unsent(struck), kept=kept,
                 healed_s=round(time.monotonic() - begin, 1))
    ledger.settle(legs.owned(lab), 0 if kept else sent, facts)
    say(f"round {facts['round']}: {how} for {held:.1f} s, {rep.unsent(struck) / MIB:.1f} MiB "
        f"unsent; the stream {'lived' if kept else 'was begun again'}, cycle {found['seq']} "
        f"{facts['healed_s']} s after the heal, {facts['wire'] / MIB:.1f} MiB on the wire for "
        f"{facts['wrote'] / MIB:.1f}")


def strike(lab, chance, how):
    """Cut, and see afterwards that the cycle was under way then.  Returns its status.  The line is
    slow until then, so that a cycle lasts longer than it takes to see it."""
    streams = wait_until("a stream", lambda: legs.streams(lab), HEAL_S)
    lab.rate(legs.SLOW)
    for _ in range(AIM):
        seen = rep.wait_mid_cycle(lab, MIB // 2)
        time.sleep(chance.uniform(0, 0.5) * rep.unsent(seen) / legs.SLOW_BYTES_S)
        cut(lab, how)
        found = lab.vm_status(seen["owner"])
        if hit(seen, found):
            return {**seen, **({} if broken(seen, found) else found), "streams": streams}
        lab.heal()
    raise Failure(f"no cycle was hit in {AIM} attempts")


def hit(seen, found):
    """The cycle was not committed before the cut; a reset may have broken it already."""
    under_way = rep.unsent(found) > 0 and sent_of(found) > 0
    return found["seq"] == seen["seq"] and (under_way or broken(seen, found))


def broken(seen, found):
    return found["cycles"]["failed"] > seen["cycles"]["failed"]


def cut(lab, how):
    if how == "dropped":
        lab.stall("wan")
    elif how == "reset":
        lab.reset("wan")
    else:
        lab.mute(how[0])


def sent_of(found):
    """Bytes of the cycle under way that have left: all of them were for nothing when its stream
    ends, at most."""
    return found["progress"]["done_bytes"] if found["progress"] else 0
