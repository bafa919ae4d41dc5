# SPDX-License-Identifier: GPL-2.0-or-later
"""Negative controls of the checker: images made here, as the guest's writer would leave them, are
accepted; with one flipped block, one dropped cycle or one swapped pair of cycles they are not."""
import subprocess
import tempfile
import zlib

import checker
import guestdisk
from guestdisk import BATCH, BLOCK, DISKS

SLOTS, RING, LOAD_AREA, BATCHES = 64, 1 << 20, 4 << 20, 4
SIZE = LOAD_AREA + BATCHES * BATCH * BLOCK
RUN = bytes(range(16))


def sealed(packed):
    body = packed + b"\0" * (BLOCK - 4 - len(packed))
    return body + zlib.crc32(body).to_bytes(4, "little")


class Guest:
    """Writes to two raw files as guest/layout.h does, with a pure Python hand of its own."""

    def __init__(self, folder):
        self.paths = [f"{folder}/vd{letter}.raw" for letter in "ab"]
        self.seq = self.load_next = 0
        for number, path in enumerate(self.paths):
            with open(path, "wb") as file:
                file.truncate(SIZE)
            self.put(number, 0, sealed(guestdisk.HEADER.pack(
                guestdisk.HEADER_MAGIC, RUN, number, DISKS, RING, SLOTS, LOAD_AREA, BATCHES)))

    def put(self, disk, offset, block):
        with open(self.paths[disk], "r+b") as file:
            file.seek(offset)
            file.write(block)

    def records(self, count):
        for _ in range(count):
            self.seq += 1
            disk, slot = self.seq % DISKS, self.seq // DISKS % SLOTS
            if self.seq % guestdisk.ANCHOR_EVERY == disk:
                self.put(disk, guestdisk.ANCHOR_OFFSET, sealed(guestdisk.ANCHOR.pack(
                    guestdisk.ANCHOR_MAGIC, RUN, self.seq)))
            self.put(disk, RING + slot * BLOCK, sealed(guestdisk.RECORD.pack(
                guestdisk.RECORD_MAGIC, RUN, self.seq, disk, slot, self.seq * 50_000_000,
                self.seq * 50_000_000, self.seq // 20, 0, 50, self.load_next, 0)))

    def batch(self):
        first = self.load_next
        number = first // BATCH
        disk, base = number % DISKS, LOAD_AREA + number // DISKS % BATCHES * BATCH * BLOCK
        for index in range(BATCH):
            offset = base + index * BLOCK
            self.put(disk, offset, sealed(guestdisk.LOAD.pack(
                guestdisk.LOAD_MAGIC, RUN, first + index, disk, 0, offset)))
        self.load_next += BATCH

    def cycle(self):
        """What happens between two cuts."""
        self.batch()
        self.records(30)

    def snapshot(self):
        content = []
        for path in self.paths:
            with open(path, "rb") as file:
                content.append(file.read())
        return content

    def restore(self, content):
        for path, data in zip(self.paths, content):
            with open(path, "wb") as file:
                file.write(data)


def changes(before, after):
    """The blocks a cycle carries: (disk, offset, new content)."""
    return [(disk, at, after[disk][at:at + BLOCK]) for disk in range(DISKS)
            for at in range(0, SIZE, BLOCK)
            if before[disk][at:at + BLOCK] != after[disk][at:at + BLOCK]]


def apply(guest, base, *cycles):
    guest.restore(base)
    for cycle in cycles:
        for disk, offset, block in cycle:
            guest.put(disk, offset, block)


def expect(images, true, what, torn_ok=False):
    try:
        _facts, reasons = checker.judge(images, torn_ok=torn_ok)
    except guestdisk.Unreadable as error:
        reasons = [str(error)]
    if true == bool(reasons):
        raise AssertionError(f"{what}: {'accepted' if true is False else reasons[:3]}")
    print(f"{'accepted' if true else 'caught'}: {what}")


def flip(guest, disk, offset):
    with open(guest.paths[disk], "r+b") as file:
        file.seek(offset)
        byte = file.read(1)
        file.seek(offset)
        file.write(bytes([byte[0] ^ 0x10]))


def flipped_blocks(guest, state):
    slot = guest.seq // DISKS % SLOTS
    for disk, offset, what in ((0, 0, "header"), (1, RING + 5 * BLOCK + 9, "ring"),
                               (1, guestdisk.ANCHOR_OFFSET + 30, "anchor"),
                               (guest.seq % DISKS, RING + slot * BLOCK + 4000, "newest record"),
                               (0, LOAD_AREA + 77 * BLOCK + 1234, "load area"),
                               (1, LOAD_AREA - 5 * BLOCK, "never written")):
        flip(guest, disk, offset)
        expect(guest.paths, False, f"one flipped bit ({what})")
        guest.restore(state)


def changed_cycles(guest, states):
    deltas = [changes(a, b) for a, b in zip(states, states[1:])]
    apply(guest, states[0], *deltas)
    expect(guest.paths, True, "all cycles in their order")
    for number in range(len(deltas)):
        apply(guest, states[0], *(deltas[:number] + deltas[number + 1:]))
        last = number == len(deltas) - 1
        expect(guest.paths, last, "the last cycle not there yet" if last
               else f"cycle {number + 1} dropped")
    for disk in range(DISKS):
        part = [change for change in deltas[1] if change[0] != disk]
        apply(guest, states[0], deltas[0], part, deltas[2])
        expect(guest.paths, False, f"cycle 2 dropped on disk {disk}")


def swapped_pair(guest, first, states):
    """Two cycles applied in the wrong order.  The ring alone would not show it: where the older
    write won, what is left is the ring as it was at a record in between."""
    one, two = changes(first, states[0]), changes(states[0], states[1])
    apply(guest, first, two, one)
    expect(guest.paths, False, "one swapped pair of cycles")


def torn(guest, state):
    following = guest.seq + 1
    offset = RING + following // DISKS % SLOTS * BLOCK
    guest.put(following % DISKS, offset, b"x" * BLOCK)
    expect(guest.paths, False, "a torn newest record, at a cut")
    expect(guest.paths, True, "a torn newest record, after a crash of the host", torn_ok=True)
    guest.put(following % DISKS, offset + BLOCK, b"x" * BLOCK)
    expect(guest.paths, False, "two torn records, after a crash of the host", torn_ok=True)
    guest.restore(state)


def qcow2_and_compare(guest):
    images = []
    for path in guest.paths:
        image = path.replace(".raw", ".qcow2")
        subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", path, image],
                       check=True)
        images.append(image)
    expect(images, True, "the same as qcow2")
    if checker.compare([images[0], guest.paths[0]]) is not None:
        raise AssertionError("a qcow2 copy is not equal to its raw image")
    flip(guest, 0, LOAD_AREA + 4321)
    found = checker.compare([images[0], guest.paths[0]])
    if found != f"first difference at offset {LOAD_AREA + 4321}":
        raise AssertionError(f"compare: {found}")
    print(f"caught: {found}")
    counted = [checker.count([images[disk], guest.paths[disk]]) for disk in range(DISKS)]
    if counted != [checker.COUNT_BLOCK, 0]:
        raise AssertionError(f"count: {counted}")
    print("counted: one block that differs, and none")
    expect(list(reversed(images)), False, "the two disks swapped")


def main():
    with tempfile.TemporaryDirectory(prefix="checker-selftest-") as folder:
        guest = Guest(folder)
        guest.records(10)
        expect(guest.paths, True, "a run that has just begun")
        for _ in range(10):
            guest.cycle()
        states = [guest.snapshot()]
        for _ in range(3):
            guest.cycle()
            states.append(guest.snapshot())
        expect(guest.paths, True, "a ring that went around")
        flipped_blocks(guest, states[-1])
        torn(guest, states[-1])
        changed_cycles(guest, states)
        long = Guest(folder)
        snapshots = []
        for count in (300, 80, 80):
            long.records(count)
            snapshots.append(long.snapshot())
        swapped_pair(long, snapshots[0], snapshots[1:])
        long.restore(snapshots[-1])
        qcow2_and_compare(long)


if __name__ == "__main__":
    main()
