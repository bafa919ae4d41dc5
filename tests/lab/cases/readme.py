# SPDX-License-Identifier: GPL-2.0-or-later
"""The README's chapter "A real deployment" is true: on clusters that know nothing of vmreplica its commands,
taken from README.md and run as they stand, with its addresses, end with web1 replicated.  Only what
comes with the distribution's packages (the build, users) is there already."""
import re

import replication as rep
import shape as shapes
from case import require, say, wait_until

SHAPE = {"bare": True}
TIMEOUT = 240
# What each block of commands is about; a block that is none of these is not proven by this case.
BLOCKS = ("./configure", "vmreplica pki", "pcs resource create", "vmreplica authorize", "vmreplica protect")
PEER = "10.2.0.100"


def run(lab):
    build, pki, resources, authorize, protect = blocks(chapter())
    require("make install" in build, f"the first block builds: {build}")
    add_addresses(lab)
    certificates(lab, pki)
    configure(lab)
    for node, text in (("b1", resources), ("a1", resources.replace(PEER, "10.1.0.100"))):
        commands(lab, node, text)
    for site in lab.shape.sites():
        lab.wait_resource("vmreplica-broker", site=site)
        wait_until(f"engines of {site} run", lambda: engines_run(lab, site), 60)
        fit(lab, rep.node_of(lab, site), "")
    commands(lab, "b1", authorize)
    fit(lab, "a1", f"web1 --peer {PEER}")
    commands(lab, "a1", protect)
    rep.wait_replicating(lab)
    rep.compare_at_cut(lab)


def chapter():
    with open(f"{shapes.TOP}/README.md") as file:
        text = file.read()
    return text.split("\n## A real deployment\n")[1].split("\n## ")[0]


def blocks(text):
    """The chapter's shell blocks, each of which must be one that is known here."""
    found = re.findall(r"```sh\n(.*?)```", text, re.S)
    require(len(found) == len(BLOCKS), f"{len(found)} blocks of commands, {len(BLOCKS)} are known")
    for block, words in zip(found, BLOCKS):
        require(words in block, f"no '{words}' in {block}")
    return found


def commands(lab, node, text):
    """Run a block; what watches until it is interrupted is interrupted."""
    for line in text.splitlines():
        if line.split("#")[0].strip():
            say(f"{node}# {line}")
            watched = "--watch" in line
            result = lab.run(node, f"timeout 5 {line}" if watched else line, 120)
            require(result.returncode == (124 if watched else 0),
                    f"exit {result.returncode}: {result.stdout} {result.stderr}")


def add_addresses(lab):
    """The README's networks, beside the lab's own."""
    for number, site in enumerate(lab.shape.sites(), 1):
        for node in lab.nodes(site):
            lab.on(node, f"ip address add 10.{number}.0.{node[1:]}/24 dev eth0 && "
                   f"ip route add 10.{3 - number}.0.0/24 dev eth0")


def certificates(lab, text):
    """`pki` says itself which file goes where."""
    lab.on("a1", f"cd; {text}", 120)
    for site in lab.shape.sites():
        for node in lab.nodes(site):
            names = {"ca.crt": "ca", "node.crt": f"{node}.{site.lower()}.example",
                     "node.key": f"{node}.{site.lower()}.example"}
            for name, source in names.items():
                kind = name.rsplit(".", 1)[1]
                content = lab.on("a1", f"cat ~/vmreplica-ca/{source}.{kind}")
                result = lab.run(node, f"cat > /etc/vmreplica/pki/{name}", input_text=content)
                require(result.returncode == 0, result.stderr)
            step = re.search(r"`(chown root:vmreplica node\.key; chmod 640 node\.key)`", chapter())
            lab.on(node, f"cd /etc/vmreplica/pki && {step.group(1)}")


def configure(lab):
    """The one setting that is needed; reserves and directories of the lab's small disks stay."""
    block = re.search(r"```ini\n(.*?)```", chapter(), re.S).group(1)
    for site in lab.shape.sites():
        for node in lab.nodes(site):
            kept = lab.on(node, "cat /etc/vmreplica/vmreplica.conf").split("[scratch]")[1]
            text = block.replace("a.example", f"{site.lower()}.example") + "\n[scratch]" + kept
            lab.run(node, "cat > /etc/vmreplica/vmreplica.conf", input_text=text)


def engines_run(lab, site):
    return all(lab.run(node, "vmreplica status").returncode == 0 for node in lab.nodes(site))


def fit(lab, node, arguments):
    """Step 6, and the look before protect."""
    def passes():
        result = lab.run(node, f"vmreplica check {arguments}", 90)
        lines = [line for line in result.stdout.splitlines() if line.startswith("fail")]
        require(result.returncode == 0, f"{node}: {lines} {result.stderr}")
        return True
    wait_until(f"{node}: vmreplica check {arguments}", passes, 60, 2)
