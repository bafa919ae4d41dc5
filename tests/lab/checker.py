# SPDX-License-Identifier: GPL-2.0-or-later
"""Decides from disk images alone whether they are one true point in time of the lab's guest.

usage: checker.py judge [-U] [--torn-ok] [--json] VDA VDB
       checker.py compare [-U] IMAGE_A IMAGE_B
       checker.py count [-U] IMAGE_A IMAGE_B     how many bytes lie in blocks of 64 KiB that differ

It shares no code with the product.  Images are read with `qemu-img convert` (qcow2 chains, raw
files, NBD URIs); exit 0: true, 1: not true (each reason on a line), 2: could not look.

What the guest's writer promises (guest/layout.h): record n is on disk n % 2 in slot n/2 % slots,
and is written only after record n-1 was flushed.  With R = all slots, an image pair is a true
point in time exactly when, n being the newest record on either disk,
  - each slot holds the newest record <= n that belongs there, so that n-R+1..n are all there, and
    slots that no record has reached yet are zero;
  - each disk's anchor block is that of the newest m <= n with m % 16 == disk, or of n+1;
  - each block of the load area below load_done (as record n says) holds what was last written
    there, or something newer; batches above are complete but for the newest;
  - every other block is zero.
With --torn-ok (an image left behind by a crash of its host) the one slot that record n+1 would
go to may hold anything.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

from guestdisk import ANCHOR_EVERY, BATCH, BLOCK, DISKS, Disk, Unreadable, data_ranges

MOST_REASONS = 20
COUNT_BLOCK = 1 << 16


def to_raw(image, folder, name, unlocked):
    """IMAGE as a sparse raw file.  -U reads an image that somebody else holds open."""
    target = os.path.join(folder, name)
    result = subprocess.run(["qemu-img", "convert", *(["-U"] if unlocked else []), "-O", "raw",
                             image, target],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if result.returncode != 0:
        raise Unreadable(f"{image}: {result.stdout.strip()}")
    return target


class Judgement:
    def __init__(self, disks, torn_ok):
        self.disks, self.torn_ok = disks, torn_ok
        self.reasons = [reason for disk in disks for reason in disk.reasons]
        self.facts = {}
        if disks[0].run != disks[1].run or disks[0].slots != disks[1].slots:
            self.reasons.append("the disks belong to different runs")
            return
        self.slots = disks[0].slots
        records = [fields for disk in disks for fields in disk.records.values()]
        if not records:
            self.reasons.append("no record at all")
            return
        self.newest = max(records, key=lambda fields: fields[2])
        self.check_ring()
        self.check_anchors()
        self.check_load()
        self.collect(sorted(records, key=lambda fields: fields[2]))

    def check_ring(self):
        newest, torn = self.newest[2], self.newest[2] + 1
        for disk in self.disks:
            for slot in range(self.slots):
                place = slot * DISKS + disk.number
                ring = self.slots * DISKS
                expected = place + (newest - place) // ring * ring if newest >= place else 0
                found = disk.records[slot][2] if slot in disk.records else 0
                bad = slot in disk.invalid_slots
                if found == expected and not bad:
                    continue
                if self.torn_ok and place == torn % ring:
                    self.facts["torn"] = torn
                    continue
                what = "a damaged block" if bad else f"record {found}" if found else "nothing"
                self.reasons.append(f"disk {disk.number} slot {slot}: {what} where record "
                                    f"{expected or '(none yet)'} belongs (newest is {newest})")

    def check_anchors(self):
        newest = self.newest[2]
        for disk in self.disks:
            expected = newest - (newest - disk.number) % ANCHOR_EVERY
            expected = max(expected, 0)
            following = (newest + 1) % ANCHOR_EVERY == disk.number
            if disk.anchor == expected or following and disk.anchor == newest + 1:
                continue
            if following and self.torn_ok and disk.anchor == -1:
                continue
            found = "damaged" if disk.anchor < 0 else f"of record {disk.anchor}"
            self.reasons.append(f"disk {disk.number}: its anchor is {found}, not of record "
                                f"{expected or '(none yet)'} (newest is {newest})")

    def check_load(self):
        done, floor = self.newest[10], self.newest[11]
        total = self.disks[0].batches * DISKS * BATCH
        highest = max((number for disk in self.disks for number in disk.loads.values()),
                      default=-1)
        # Batches follow each other with a flush between: below the newest one all is complete.
        done = max(done, highest - highest % BATCH)
        for disk in self.disks:
            for place in range(disk.batches * BATCH):
                first = (place // BATCH * DISKS + disk.number) * BATCH + place % BATCH
                if done <= first:
                    continue
                expected = first + (done - 1 - first) // total * total
                found = disk.loads.get(place, -1)
                if expected >= floor and found < expected:
                    self.reasons.append(
                        f"disk {disk.number} offset {disk.load + place * BLOCK}: load block "
                        f"{found if found >= 0 else 'missing'} where {expected} belongs")

    def collect(self, records):
        gap, before = 0.0, None
        for fields in records:
            _magic, _run, seq, _disk, _slot, mono, _real, rtc, boots = fields[:9]
            if before and before[2] == seq - 1 and before[8] == boots:
                if mono <= before[5]:
                    self.reasons.append(f"record {seq} is not younger than the one before")
                by_rtc = rtc - before[7] - 1 if rtc >= 0 else 0
                gap = max(gap, (mono - before[5]) / 1e9, by_rtc)
            before = fields
        newest = self.newest
        self.facts.update(run=newest[1].hex(), newest=newest[2], oldest=records[0][2],
                          records=len(records), newest_rtc_s=newest[7],
                          newest_realtime_s=newest[6] / 1e9, boots=newest[8],
                          largest_gap_s=round(gap, 3), guest_max_gap_s=newest[9] / 1000,
                          load_done=newest[10], load_blocks=sum(len(d.loads) for d in self.disks))


def judge(images, unlocked=False, torn_ok=False):
    """Returns (facts, reasons); no reasons means a true point in time."""
    with tempfile.TemporaryDirectory(prefix="checker-") as folder:
        disks = [Disk(to_raw(image, folder, f"{number}.raw", unlocked), number)
                 for number, image in enumerate(images)]
        judgement = Judgement(disks, torn_ok)
    return judgement.facts, judgement.reasons


def compare(images, unlocked=False):
    """None when both images hold the same bytes, else a description of the first difference."""
    with tempfile.TemporaryDirectory(prefix="checker-") as folder:
        paths = [to_raw(image, folder, f"{number}.raw", unlocked)
                 for number, image in enumerate(images)]
        sizes = [os.path.getsize(path) for path in paths]
        if sizes[0] != sizes[1]:
            return f"sizes differ: {sizes[0]} and {sizes[1]}"
        with open(paths[0], "rb") as left, open(paths[1], "rb") as right:
            ranges = sorted([*data_ranges(left, sizes[0]), *data_ranges(right, sizes[1])])
            for start, end in ranges:
                difference = first_difference(left, right, start, end)
                if difference is not None:
                    return f"first difference at offset {difference}"
    return None


def first_difference(left, right, start, end):
    position = start
    while position < end:
        length = min(1 << 20, end - position)
        left.seek(position)
        right.seek(position)
        one, two = left.read(length), right.read(length)
        if one != two:
            return position + next(i for i in range(length) if one[i:i + 1] != two[i:i + 1])
        position += length
    return None


def count(images, unlocked=False):
    """The bytes of all blocks (COUNT_BLOCK) in which two images differ."""
    with tempfile.TemporaryDirectory(prefix="checker-") as folder:
        paths = [to_raw(image, folder, f"{number}.raw", unlocked)
                 for number, image in enumerate(images)]
        with open(paths[0], "rb") as left, open(paths[1], "rb") as right:
            size = os.path.getsize(paths[0])
            blocks = set()
            for start, end in [*data_ranges(left, size), *data_ranges(right, size)]:
                blocks.update(range(start // COUNT_BLOCK, (end - 1) // COUNT_BLOCK + 1))
            return sum(COUNT_BLOCK for block in blocks if first_difference(
                left, right, block * COUNT_BLOCK, min((block + 1) * COUNT_BLOCK, size))
                is not None)


def show(facts, reasons, as_json):
    if as_json:
        print(json.dumps({"true": not reasons, "reasons": reasons, **facts}))
        return
    for reason in reasons[:MOST_REASONS]:
        print(reason)
    if len(reasons) > MOST_REASONS:
        print(f"... and {len(reasons) - MOST_REASONS} more")
    print(" ".join(f"{name}={value}" for name, value in facts.items()))
    print("a true point in time" if not reasons else "NOT a true point in time")


def main():
    parser = argparse.ArgumentParser(prog="checker.py")
    parser.add_argument("what", choices=["judge", "compare", "count"])
    parser.add_argument("-U", dest="unlocked", action="store_true")
    parser.add_argument("--torn-ok", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("images", nargs=2)
    given = parser.parse_args()
    try:
        if given.what == "compare":
            difference = compare(given.images, given.unlocked)
            print(difference or "equal bit for bit")
            return 1 if difference else 0
        if given.what == "count":
            print(count(given.images, given.unlocked))
            return 0
        facts, reasons = judge(given.images, given.unlocked, given.torn_ok)
        show(facts, reasons, given.json)
        return 1 if reasons else 0
    except Unreadable as error:
        print(f"checker: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
