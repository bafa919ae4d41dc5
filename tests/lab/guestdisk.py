# SPDX-License-Identifier: GPL-2.0-or-later
"""One disk of the lab's guest as found in a raw image (guest/layout.h has the other half)."""
import os
import struct
import zlib

BLOCK, DISKS, BATCH, ANCHOR_EVERY = 4096, 2, 256, 16
ANCHOR_OFFSET = 2 * BLOCK
HEADER = struct.Struct("<8s16sIIQQQQ")
RECORD = struct.Struct("<8s16sQIIQQqIIQQ")
ANCHOR = struct.Struct("<8s16sQ")
LOAD = struct.Struct("<8s16sQIIQ")
HEADER_MAGIC, RECORD_MAGIC = b"VMLBHDR1", b"VMLBREC1"
ANCHOR_MAGIC, LOAD_MAGIC = b"VMLBANC1", b"VMLBLOD1"
ZERO = bytes(BLOCK)


class Unreadable(Exception):
    pass


def valid(block):
    return zlib.crc32(block[:-4]) == int.from_bytes(block[-4:], "little")


def data_ranges(file, size):
    """The parts of a sparse file that are not holes, in whole blocks."""
    offset = 0
    while offset < size:
        try:
            start = os.lseek(file.fileno(), offset, os.SEEK_DATA)
        except OSError:
            return
        end = os.lseek(file.fileno(), start, os.SEEK_HOLE)
        start -= start % BLOCK
        yield start, min(end, size)
        offset = end


class Disk:
    """One raw image: its header, its records by slot, its load blocks by place."""

    def __init__(self, path, number):
        self.number, self.reasons = number, []
        self.records, self.loads, self.invalid_slots = {}, {}, set()
        self.anchor = 0         # -1: damaged
        with open(path, "rb") as file:
            self.size = os.fstat(file.fileno()).st_size
            first = file.read(BLOCK)
            if first == ZERO or len(first) < BLOCK:
                raise Unreadable(f"disk {number}: no header, the guest never wrote to it")
            magic, self.run, disk, _disks, self.ring, self.slots, self.load, self.batches = \
                HEADER.unpack_from(first)
            if magic != HEADER_MAGIC or not valid(first) or disk != number:
                raise Unreadable(f"disk {number}: its header is damaged or another disk's")
            for start, end in data_ranges(file, self.size):
                self.scan(file, start, end)

    def reason(self, text):
        self.reasons.append(f"disk {self.number}: {text}")

    def scan(self, file, start, end):
        file.seek(start)
        position = start
        while position < end:
            chunk = file.read(min(1 << 20, end - position))
            if not chunk:
                return
            if chunk.count(0) != len(chunk):
                for at in range(0, len(chunk), BLOCK):
                    block = chunk[at:at + BLOCK]
                    if block != ZERO:
                        self.take(position + at, block)
            position += len(chunk)

    def take(self, offset, block):
        if offset == 0:
            return
        if offset == ANCHOR_OFFSET:
            self.take_anchor(block)
        elif self.ring <= offset < self.ring + self.slots * BLOCK:
            self.take_record((offset - self.ring) // BLOCK, block)
        elif self.load <= offset < self.load + self.batches * BATCH * BLOCK:
            self.take_load(offset, block)
        else:
            self.reason(f"offset {offset}: something where nothing was ever written")

    def take_anchor(self, block):
        magic, run, seq = ANCHOR.unpack_from(block)
        right = magic == ANCHOR_MAGIC and valid(block) and run == self.run
        self.anchor = seq if right else -1

    def take_record(self, slot, block):
        fields = RECORD.unpack_from(block)
        magic, run, seq, disk, own_slot = fields[:5]
        right = (magic == RECORD_MAGIC and valid(block) and run == self.run
                 and disk == self.number == seq % DISKS
                 and own_slot == slot == seq // DISKS % self.slots)
        if right:
            self.records[slot] = fields
        else:
            self.invalid_slots.add(slot)

    def take_load(self, offset, block):
        magic, run, number, disk, _pad, own_offset = LOAD.unpack_from(block)
        place = (offset - self.load) // BLOCK
        batch = number // BATCH
        right = (magic == LOAD_MAGIC and valid(block) and run == self.run
                 and disk == self.number == batch % DISKS and own_offset == offset
                 and place == batch // DISKS % self.batches * BATCH + number % BATCH)
        if right:
            self.loads[place] = number
        else:
            self.reason(f"offset {offset}: a load block is damaged or misplaced")
