# SPDX-License-Identifier: GPL-2.0-or-later
"""The first copy on media: an export, carried over and imported, leaves only what has changed since
to the line; so does an existing copy, of which only differing blocks travel. Damaged, foreign and
incomplete media are refused with the reason, and nothing is lost by them."""
import json

import replication as rep
from case import Failure, require, say, wait_until
from cases.qemu_crash import MIB

TIMEOUT = 240
MEDIA = "/var/lib/libvirt/media"
FILL = 24       # MiB that the guest has written: what need not travel


def own(lab, site):
    return rep.status(lab, site)["owner"]


def carry(lab, source, target, path):
    """From one node's directory to another's, as media are."""
    text = lab.on(source, f"cd {path} && tar cf - . | base64 -w0")
    lab.run(target, f"rm -rf {path}; mkdir -p {path} && cd {path} && base64 -d | tar xf -",
            120, input_text=text)


def refused(lab, node, arguments, words):
    result = lab.run(node, f"vmreplica import {arguments}", 60)
    require(result.returncode == 1 and words in result.stderr,
            f"import {arguments}: {result.returncode} {result.stdout} {result.stderr}")


def waits(lab):
    def there():
        found = rep.status(lab)
        return found if "waits for a copy" in found["reason"] else None
    return wait_until("it waits for its copy", there, 30)


def damaged(lab, node):
    """Each refused, and the media whole again afterwards."""
    refused(lab, node, "/var/lib/libvirt/nothing", "cannot be opened")
    lab.on(node, "mkdir -p /var/lib/libvirt/empty")
    refused(lab, node, "/var/lib/libvirt/empty", "neither")
    lab.on(node, f"cd {MEDIA} && cp vda.qcow2 vda.good && truncate -s -65536 vda.qcow2")
    refused(lab, node, MEDIA, "not complete")
    lab.on(node, f"cd {MEDIA} && cp vda.good vda.qcow2 && "
                 "printf x | dd of=vda.qcow2 bs=1 seek=500000 conv=notrunc status=none")
    refused(lab, node, MEDIA, "SHA-256")
    lab.on(node, f"cd {MEDIA} && mv vda.good vda.qcow2 && cp vmreplica-export.json good && "
                 "sed -i 's/\"relationship\": \"......../\"relationship\": \"00000000/' "
                 "vmreplica-export.json")
    refused(lab, node, MEDIA, "no such replica")
    lab.on(node, f"cd {MEDIA} && mv good vmreplica-export.json")
    require(rep.status(lab)["seq"] == 0, "something was sent")


def exported(lab):
    rep.protect(lab, more="--existing-copy")
    waits(lab)
    node = own(lab, "A")
    with rep.unharmed(lab):
        say(lab.vmreplica(node, f"export web1 {MEDIA}", 120).strip())
    kept = json.loads(lab.on(node, f"cat {MEDIA}/vmreplica-export.json"))
    target = own(lab, "B")
    carry(lab, node, target, MEDIA)
    damaged(lab, target)
    sent = rep.sent_by(lab, node)
    say(lab.vmreplica(target, f"import {MEDIA}", 120).strip())
    found = rep.wait_replicating(lab, 60)
    rep.wait_cycles(lab, 1, 30)
    sent = rep.sent_by(lab, node) - sent
    require(found["resyncs"] == 0, "it was resynchronized")
    require(sent < FILL * MIB / 4, f"{sent / MIB:.1f} MiB were sent")
    again = lab.vmreplica(target, f"import {MEDIA}", 60) if rep.status(
        lab, "B")["seq"] == kept["seq"] else ""
    rep.compare_at_cut(lab)
    say(f"after an export of cycle {kept['seq']} {sent / MIB:.1f} MiB were sent {again.strip()}")
    refused(lab, target, MEDIA, "has an image already")


def existing(lab):
    """A copy that is some MiB behind."""
    rep.protect(lab, more="--existing-copy")
    waits(lab)
    node, target = own(lab, "A"), own(lab, "B")
    lab.on(target, f"rm -rf {MEDIA} && mkdir -p {MEDIA}")
    for disk, image in zip(("vda", "vdb"), lab.primary_images()):
        shown = rep.folder_path(lab, "A", image)
        kind, name = ("raw", f"{disk}.raw") if disk == "vda" else ("qcow2", f"{disk}.qcow2")
        lab.on(target, f"qemu-img convert -U -O {kind} {shown} {MEDIA}/{name}", 60)
    lab.guest("fill 2 0")
    sent = rep.sent_by(lab, node)
    say(lab.vmreplica(target, f"import {MEDIA} --vm web1", 120).strip())
    rep.wait_replicating(lab, 90)
    sent = rep.sent_by(lab, node) - sent
    require(sent < FILL * MIB / 2, f"{sent / MIB:.1f} MiB were sent")
    rep.compare_at_cut(lab)
    say(f"with an existing copy {sent / MIB:.1f} MiB were sent")


def run(lab):
    rep.remove(lab)
    rep.thin(lab)
    rep.authorize(lab)
    lab.guest(f"fill {FILL} 0")
    exported(lab)
    rep.remove(lab)
    existing(lab)
    try:
        lab.vmreplica(own(lab, "A"), f"export web1 {MEDIA}")
    except Failure as error:
        require("complete already" in str(error), str(error))
    else:
        raise Failure("a complete replica was exported for")
