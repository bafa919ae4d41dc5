# SPDX-License-Identifier: GPL-2.0-or-later
"""`./lab bench`, the part that needs a lab: initial replication over mutual TLS against nbdcopy to a
TLS NBD server on the same image, wire bytes against dirty bytes, how long a live migration paused
replication, peak memory.  Ratios, not verdicts."""
import json
import os
import sys
import time

import case as cases
import lifecycle
import replication as rep
import shape as shapes

DATA_MIB, COMPRESSIBLE = 384, 30
MOVES = 3
CERTIFICATES = "/run/bench-pki"


def cpu_seconds(lab, node, pids):
    """User and system time of the processes so far."""
    total = 0
    for pid in pids:
        fields = lab.on(node, f"cat /proc/{pid}/stat").rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def pid(lab, node, name):
    """The receiver is the engine's child and has no pid file."""
    if name == "receiver":
        return lab.on(node, "pgrep -P $(cat /run/vmreplica/engine.pid) -f vmreplica-receiver").strip()
    return lab.on(node, f"cat /run/vmreplica/{name}.pid").strip()


def image_bytes(lab, node, image):
    parts = json.loads(lab.on(node, f"qemu-img map -U --output=json {image}"))
    return sum(part["length"] for part in parts if part["data"] and not part["zero"])


def nbd_certificates(lab, node):
    lab.on(node, f"mkdir -p {CERTIFICATES}; cd {CERTIFICATES}; P=/etc/vmreplica/pki; "
           "cp $P/ca.crt ca-cert.pem; for k in server client; do cp $P/node.crt $k-cert.pem; "
           "cp $P/node.key $k-key.pem; done; chmod 644 *")


def nbdcopy(lab):
    """Seconds, and CPU seconds of nbdcopy, for both disks one after the other over TLS."""
    for node in ("a1", "b1"):
        nbd_certificates(lab, node)
    seconds, cpu = 0.0, 0.0
    source = lab.wait_resource("web1")
    nbd_certificates(lab, source)
    for image in lab.primary_images():
        lab.on("b1", "rm -f /srv/replica/bench.qcow2; qemu-img create -q -f qcow2 "
               f"/srv/replica/bench.qcow2 {virtual_size(lab, image)}")
        lab.on("b1", "qemu-nbd --fork --persistent --pid-file=/run/bench-nbd.pid -p 10809 -f qcow2 "
               f"--object tls-creds-x509,id=t,endpoint=server,dir={CERTIFICATES},verify-peer=yes "
               "--tls-creds=t /srv/replica/bench.qcow2")
        lab.on(source, "qemu-nbd --fork --persistent --pid-file=/run/bench-src.pid -r "
               "-k /run/bench-src.sock --image-opts "
               f"driver=qcow2,file.driver=file,file.locking=off,file.filename={image}", 30)
        try:
            text = lab.on(source, "bash -c 'TIMEFORMAT=\"%R %U %S\"; time nbdcopy --flush "
                          "\"nbd+unix://?socket=/run/bench-src.sock\" "
                          f"\"nbds://b1.b.example:10809/?tls-certificates={CERTIFICATES}\"' 2>&1",
                          300)
            real, user, system = (float(word) for word in text.split()[-3:])
            seconds, cpu = seconds + real, cpu + user + system
        finally:
            lab.on("b1", "kill $(cat /run/bench-nbd.pid)")
            lab.on(source, "kill $(cat /run/bench-src.pid)")
    lab.on("b1", "rm -f /srv/replica/bench.qcow2")
    return seconds, cpu


def virtual_size(lab, image):
    return json.loads(lab.on("a1", f"qemu-img info -U --output=json {image}"))["virtual-size"]


def initial(lab):
    """Seconds from the cut to its commit, CPU seconds of engine and receiver, bytes on the wire."""
    source = lab.wait_resource("web1")
    engine = pid(lab, source, "engine")
    before = cpu_seconds(lab, source, [engine])
    rep.authorize(lab)
    rep.protect(lab, frequency=900)
    found = rep.wait_replicating(lab, 600)
    owner = lab.wait_resource("web1-a-replica", site="B")
    return (found["latency_ms"]["last"] / 1000, cpu_seconds(lab, source, [engine]) - before,
            cpu_seconds(lab, owner, [pid(lab, owner, "receiver")]), found["bytes"]["wire"])


def delta(lab):
    rep.sync(lab)
    before = rep.status(lab)["bytes"]
    lab.guest(f"fill 32 {COMPRESSIBLE}")
    rep.sync(lab)
    after = rep.status(lab)["bytes"]
    return after["dirty"] - before["dirty"], after["wire"] - before["wire"]


def moves(lab):
    pauses = []
    for _ in range(MOVES):
        count = rep.status(lab)["moves"]["count"]
        lab.move("web1", lab.other_node(lab.wait_resource("web1")))
        found = cases.wait_until("the move is counted", lambda: moved(lab, count), 60)
        pauses.append(found["moves"]["last_pause_ms"])
    return pauses


def moved(lab, count):
    found = rep.status(lab)
    return found if found["moves"]["count"] > count and found["state"] == "Replicating" else None


def peak(lab, node, name):
    return int(lab.on(node, f"awk '/VmHWM/ {{print $2}}' /proc/{pid(lab, node, name)}/status")) >> 10


def measure(lab):
    lab.guest("rate 1")
    lab.guest(f"fill {DATA_MIB} {COMPRESSIBLE}", timeout=600)
    lab.guest("stop")
    data = sum(image_bytes(lab, "a1", image) for image in lab.primary_images()) / (1 << 20)
    theirs, their_cpu = nbdcopy(lab)
    ours, sender_cpu, receiver_cpu, wire = initial(lab)
    lab.guest("go")
    print(f"initial replication of {data:.0f} MiB: vmreplica {ours:.1f} s ({data / ours:.0f} MiB/s, "
          f"CPU sender {sender_cpu:.1f} s, receiver {receiver_cpu:.1f} s, "
          f"{wire / (1 << 20):.0f} MiB on the wire), nbdcopy over TLS {theirs:.1f} s "
          f"({data / theirs:.0f} MiB/s, CPU {their_cpu:.1f} s): {theirs / ours:.2f} times as fast")
    dirty, sent = delta(lab)
    print(f"delta: {dirty >> 10} KiB dirty, {sent >> 10} KiB on the wire: {sent / dirty:.2f}")
    pauses = moves(lab)
    print(f"live migration paused replication for {', '.join(map(str, pauses))} ms")
    source, owner = lab.wait_resource("web1"), lab.wait_resource("web1-a-replica", site="B")
    print(f"peak memory: engine {peak(lab, source, 'engine')} MiB, "
          f"receiver {peak(lab, owner, 'receiver')} MiB")


def main():
    os.environ["VMREPLICA_LAB"] = f"{shapes.lab_id()}-bench"
    progress = lifecycle.Progress()
    start = time.monotonic()
    try:
        lifecycle.up(shapes.Shape(wan_rate="none", disk_size="1G"), progress, bound=True)
        measure(cases.Lab())
    except (cases.Failure, shapes.LabError) as error:
        sys.stderr.write(f"bench: {error}\n")
        return 1
    finally:
        lifecycle.down()
    progress(f"bench ended after {time.monotonic() - start:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
