# SPDX-License-Identifier: GPL-2.0-or-later
"""Bad certificates and unauthorized peers: each is refused with a reason on both sides, and
nothing of theirs is stored."""
import json
import time

import pki
import replication as rep
import shape as shapes
from case import require, say, wait_until

TIMEOUT = 300
PKI = "/etc/vmreplica/pki"


def run(lab):
    rep.remove(lab)
    lab.run("b1", "vmreplica authorize remove a.example")
    unauthorized(lab)
    rep.authorize(lab)
    rep.protect(lab)
    rep.wait_replicating(lab)
    groups(lab)
    withdrawn(lab)
    for make, words in ((other_ca, "not from the CA that we trust"), (expired, "has expired")):
        bad_certificate(lab, make, words)
    revoked(lab)
    rep.wait_cycles(lab, 1, 120)
    rep.compare_at_cut(lab)


def stored(lab):
    return set(lab.on("b1", "find /srv/replica -mindepth 2").split())


def unauthorized(lab):
    before = stored(lab)        # what earlier cases have left
    result = lab.run("a1", "vmreplica protect web1 --to 10.77.2.100")
    require(result.returncode == 1, f"exit {result.returncode}")
    require("authoriz" in result.stderr and "a.example" in result.stderr, result.stderr)
    denials = lab.vmreplica("b1", "broker")
    require("a.example" in denials, f"B does not show whom it denied: {denials}")
    require(stored(lab) <= before, f"it was stored: {stored(lab) - before}")


def groups(lab):
    """A third site with a good certificate asks for web1's replica, at the broker and at its owner:
    it needs an entry, and one that shares web1's trust group."""
    make_identity(lab, "c.example")
    facts = {name: rep.status(lab)[name] for name in
             ("name", "relationship", "epoch", "frequency_s", "disks")}
    for own, theirs, expected in ((None, None, "not-authorized"), ("", "", "other-peer"),
                                  ("--group g1", "--group g2", "other-peer"),
                                  ("--group g1", "", "other-peer"),
                                  ("--group g1", "--group g1", "")):
        if own is not None:
            rep.authorize(lab, more=own)
            rep.authorize(lab, "c.example", more=theirs)
        wait_until(f"with {own!r} and {theirs!r} both say {expected or 'come in'}",
                   lambda code=expected: judged(lab, facts, code), 20)
    rep.wait_health(lab, "OK", timeout=30)
    lab.vmreplica("b1", "authorize remove c.example")
    rep.authorize(lab)


def judged(lab, facts, code):
    """The broker's word and the owner's, which judge for themselves."""
    owner = rep.replica(lab)["owner"]
    found = (ask(lab, f"locate {shapes.broker_address('B')} {facts['relationship']}"),
             ask(lab, f"hello {shapes.address(owner)} {owner}.b.example '{json.dumps(facts)}'"))
    say(f"broker {found[0]}, owner {found[1]}")
    if not code:
        return found[0]["answer"] == "REDIRECT" and found[1]["answer"] == "WELCOME"
    return found[0]["answer"] == found[1]["answer"] == "DENIED" and found[0]["1"] == code


def ask(lab, what):
    return json.loads(lab.on("a1", f"WIRE_PKI=/run/c-pki WIRE_SITE=c.example {rep.WIRE} {what}"))


def make_identity(lab, site):
    made = pki.Pki(f"{lab.folder}/pki")
    made.issue("c1", [f"DNS:c1.{site}", f"DNS:{site}"])
    lab.on("a1", "mkdir -p /run/c-pki")
    for name, path in made.files("c1").items():
        with open(path) as file:
            lab.on("a1", f"cat > /run/c-pki/{name} <<'X'\n{file.read()}X")


def withdrawn(lab):
    """The entry is removed while the VM replicates: no cycle more, a reason on A; and back."""
    lab.vmreplica("b1", "authorize remove a.example")
    rep.wait_health(lab, "Critical", "authoriz", 90)
    found = rep.wait_health(lab, "Warning", "authoriz", 15, "B")
    require(found["reason_code"] == "not-authorized", f"B's code is {found['reason_code']}")
    rep.authorize(lab)
    # It would ask again by itself, a minute after the denial.
    wait_until("the site is taken again", lambda: rep.sync(lab), 30)


def bad_certificate(lab, make, words):
    """A's node certificates are replaced, which its engines notice; then put back."""
    nodes = lab.live_nodes("A")
    for node in nodes:
        lab.on(node, f"cp -a {PKI} /run/good-pki")
        make(lab, node)
    try:
        redial(lab)
        found = wait_until("A says that its certificate is refused",
                           lambda: refused(rep.status(lab)), 60)
        say(f"A: {found['reason']}")
        reason = wait_until("B's broker says whom it refused", lambda: denial(lab, words), 10)
        say(f"B: {reason}")
    finally:
        for node in nodes:
            lab.on(node, f"cp -a /run/good-pki/* {PKI}/; rm -r /run/good-pki")
    wait_until("the good certificate is taken again", lambda: rep.sync(lab), 30)


def revoked(lab):
    """A's certificates are put on a list while a connection stands: its next cycle is refused, and
    so is a new connection; without the list they are good again."""
    rep.wait_cycles(lab, 1, 60)
    nodes = lab.live_nodes("A")
    text = revocation_list(lab, nodes)
    for node in lab.live_nodes("B"):
        lab.on(node, f"cat > {PKI}/crl.pem <<'X'\n{text}X")
    try:
        found = wait_until("A says that its certificate is revoked",
                           lambda: refused(rep.status(lab), "revoked"), 60)
        say(f"A: {found['reason']}")
        lab.run(nodes[0], "vmreplica sync web1", 20)    # it would dial again in a minute
        say(f"B: {wait_until('its broker says so', lambda: denial(lab, 'revoked'), 90)}")
    finally:
        for node in lab.live_nodes("B"):
            lab.on(node, f"rm {PKI}/crl.pem")
    time.sleep(12)      # B's daemons look every few seconds; who is refused asks a minute later
    wait_until("without the list it is taken", lambda: rep.sync(lab), 60)


def revocation_list(lab, nodes):
    """What `vmreplica pki revoke` makes of them, on a machine that has the authority's key."""
    names = ["ca.crt", "ca.key"] + [f"{node}.crt" for node in nodes]
    lab.on("a1", "mkdir -m 700 -p /run/ca")
    for name in names:
        with open(f"{lab.folder}/pki/{name}") as file:
            lab.on("a1", f"cat > /run/ca/{name} <<'X'\n{file.read()}X")
    for node in nodes:
        lab.vmreplica("a1", f"pki revoke /run/ca /run/ca/{node}.crt")
    text = lab.on("a1", "cat /run/ca/crl.pem")
    lab.on("a1", "rm -r /run/ca")
    return text


def redial(lab):
    """The standing connection ends, and the next one shows the certificate of now."""
    owner = lab.wait_resource("web1-a-replica", site="B")
    lab.on(owner, "kill $(pidof vmreplica-receiver)")


def denial(lab, words):
    entries = json.loads(lab.vmreplica("b1", "broker --json"))["denials"]
    return next((entry["reason"] for entry in entries if words in entry["reason"]), None)


def refused(found, word="certificate"):
    return found if found["health"] != "OK" and word in found["reason"].lower() else None


def other_ca(lab, node):
    lab.on(node, "rm -rf /run/other; vmreplica pki init /run/other && vmreplica pki issue "
           f"/run/other {node} --site a.example && cp /run/other/{node}.a.example.crt {PKI}/node.crt "
           f"&& cp /run/other/{node}.a.example.key {PKI}/node.key && chgrp vmreplica {PKI}/node.key "
           f"&& chmod 640 {PKI}/node.key")


def expired(lab, node):
    """Signed by the right authority, for the right names, until yesterday."""
    pki.put(lab, node, -1)
