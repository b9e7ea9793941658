#!/usr/bin/env python3
"""Prints the live tasks of a data directory of hourwheel that nobody has open, one JSON object a line, in fire order.

Written from docs/format.md alone, with nothing but Python's standard library: a start for readers in other languages. It checks
what it reads, and stops at damage; `hourwheel salvage` is for that. Usage: read-directory.py DIRECTORY
"""

import base64
import json
import os
import struct
import sys
from zlib import crc32

HOUR_MS = 3_600_000


# msgpack, as far as the format uses it

def unpack(data, at=0):
    """The value at an offset, and where it ends."""
    kind = data[at]
    at += 1
    if kind < 0x80:
        return kind, at
    if kind < 0x90:
        return unpack_map(data, at, kind & 15)
    if kind < 0xA0:
        return unpack_array(data, at, kind & 15)
    if kind < 0xC0:
        return data[at:at + (kind & 31)].decode(), at + (kind & 31)
    if kind == 0xC0:
        return None, at
    if kind in (0xC4, 0xC5, 0xC6, 0xD9, 0xDA, 0xDB):
        form = {0xC4: '>B', 0xC5: '>H', 0xC6: '>I', 0xD9: '>B', 0xDA: '>H', 0xDB: '>I'}[kind]
        (length,) = struct.unpack_from(form, data, at)
        at += struct.calcsize(form)
        value = bytes(data[at:at + length])
        return value.decode() if kind >= 0xD9 else value, at + length
    if kind in (0xCB, 0xCC, 0xCD, 0xCE, 0xCF):
        form = {0xCB: '>d', 0xCC: '>B', 0xCD: '>H', 0xCE: '>I', 0xCF: '>Q'}[kind]
        (value,) = struct.unpack_from(form, data, at)
        return int(value) if value == int(value) else value, at + struct.calcsize(form)
    if kind in (0xDC, 0xDD):
        form = '>H' if kind == 0xDC else '>I'
        (count,) = struct.unpack_from(form, data, at)
        return unpack_array(data, at + struct.calcsize(form), count)
    if kind == 0xDE:
        return unpack_map(data, at + 2, struct.unpack_from('>H', data, at)[0])
    raise ValueError(f'msgpack {kind:#x} at {at - 1} is not used by this format')


def unpack_array(data, at, count):
    values = []
    for _ in range(count):
        value, at = unpack(data, at)
        values.append(value)
    return values, at


def unpack_map(data, at, count):
    values, at = unpack_array(data, at, 2 * count)
    return dict(zip(values[::2], values[1::2])), at


# Files

def check(holds, what):
    if not holds:
        sys.exit(f'damaged: {what}')


def read_file(directory, name, magic, file_id=None):
    """The bytes of a file whose header is sound, and the seed of its checksums."""
    with open(os.path.join(directory, name), 'rb') as file:
        data = file.read()
    seed = crc32(data[16:32])
    check(data[:8] == magic.ljust(8, b'\0') and crc32(data[:60], seed) == u32(data, 60), f'{name}, its header')
    check(u32(data, 8) == 1, f'{name} has a format that is newer than this reader')
    check(file_id is None or data[16:32].hex() == file_id, f'{name} is another file than the manifest names')
    return data, seed


def u32(data, at):
    return struct.unpack_from('<I', data, at)[0]


def u64(data, at):
    return struct.unpack_from('<Q', data, at)[0]


def place_seed(seed, offset):
    return crc32(struct.pack('<Q', offset), seed)


def read_manifest(directory):
    data, seed = read_file(directory, 'MANIFEST', b'HWmani')
    check(len(data) == 72 + u32(data, 64), 'MANIFEST, its length')
    check(crc32(data[72:], crc32(data[64:68], seed)) == u32(data, 68), 'MANIFEST, its body')
    return unpack(data, 72)[0]


def log_files(directory, manifest):
    """The chain: what the manifest lists, then what was begun under its open count since."""
    files = [(name, file_id) for _number, name, file_id, _lsn, _sealed in manifest[6]]
    number = manifest[6][-1][0] + 1 if manifest[6] else 1
    while os.path.exists(os.path.join(directory, f'wal-{manifest[2]}-{number}.log')):
        files.append((f'wal-{manifest[2]}-{number}.log', None))
        number += 1
    return files


def log_records(directory, name, file_id):
    """(LSN, record) for each record up to the first frame that is not valid."""
    data, seed = read_file(directory, name, b'HWwal', file_id)
    at, frame, previous = 64, 1, u32(data, 60)
    while at + 64 <= len(data) and data[at:at + 4] == b'HWfr' and crc32(data[at:at + 60], seed) == u32(data, at + 60):
        length, lsn = u32(data, at + 4), u64(data, at + 24)
        end = at + 64 + (length + 7) // 8 * 8
        if u64(data, at + 8) != frame or u32(data, at + 36) != previous or crc32(data[at + 64:end], seed) != u32(data, at + 48):
            return
        record_at = at + 64
        while record_at < at + 64 + length:
            yield lsn, unpack(data, record_at + 4)[0]
            record_at += 4 + u32(data, record_at)
            lsn += 1
        frame, previous, at = frame + 1, u32(data, at + 60), end


def snapshot_sections(directory, number, file_id):
    name = f'snap-{number}.snap'
    data, seed = read_file(directory, name, b'HWsnap', file_id)
    at = 64
    while data[at:at + 8] != b'HWsnpend':
        body_at = at + 16 + u32(data, at + 4)
        end = body_at + u64(data, at + 8)
        check(crc32(data[at + 4:end], place_seed(seed, at)) == u32(data, at), f'{name} at {at}')
        yield data[at + 16:body_at].decode(), data[body_at:end]
        at = end


def end_states(body):
    """(home hour, first ordinal, 4,096 states) for each page."""
    at = 0
    while at < len(body):
        hour, page, pages = struct.unpack_from('<III', body, at)
        at += 12
        for number in range(page, page + pages):
            form = body[at]
            at += 1
            if form < 4:
                states = bytes([form]) * 4096
            elif form == 4:
                states = bytes(body[at + n // 4] >> n % 4 * 2 & 3 for n in range(4096))
                at += 1024
            else:
                states = b''
                while len(states) < 4096:
                    (run,) = struct.unpack_from('<H', body, at)
                    states += bytes([run >> 14]) * ((run & 4095) + 1)
                    at += 2
            yield hour, number * 4096, states


def segment_entries(directory, number, file_id):
    """(place hour, home hour, ordinal, LSN, queue, fire time, attempt, payload kind, payload) for each task."""
    name = f'seg-{number}.seg'
    data, seed = read_file(directory, name, b'HWseg', file_id)
    lsn_base, footer = u64(data, 64), len(data) - 72
    check(crc32(data[footer:footer + 68], place_seed(seed, footer)) == u32(data, footer + 68), f'{name}, its footer')
    index, hours = u64(data, footer + 8), u32(data, footer + 48)
    check(crc32(data[index:footer], place_seed(seed, index)) == u32(data, footer + 64), f'{name}, its index')
    at, block_row = 80, index + 24 * hours
    for row in range(index, index + 24 * hours, 24):
        hour, count, blocks, foreign = struct.unpack_from('<IIII', data, row)
        for _ in range(blocks):
            end = at + 20 + u32(data, block_row)
            check(crc32(data[at + 4:end], place_seed(seed, at)) == u32(data, at), f'{name}, its block at {at}')
            entry_at = at + 20
            while entry_at < end:
                entry, entry_at = unpack(data, entry_at)
                ordinal, away, before_end, queue, kind, payload = entry[:6]
                lsn = lsn_base + (away // 2 if away % 2 == 0 else -(away + 1) // 2)
                home = entry[9] if len(entry) > 9 and entry[9] is not None else hour
                attempt = entry[6] if len(entry) > 6 else 0
                yield hour, home, ordinal, lsn, queue, (hour + 1) * HOUR_MS - 1 - before_end, attempt, kind, payload
            at, block_row = end, block_row + 20
        for tasks, row_bytes in ((count - foreign, 8), (foreign, 12)):
            at += tasks * row_bytes + (tasks + 511) // 512 * 4


# What lives

class Ledger:
    def __init__(self):
        self.oldest_hour = 0
        self.queues = {}
        self.moved, self.superseded, self.ends, self.leased = {}, {}, {}, set()
        self.in_log = {}

    def load(self, name, body):
        if name == 'ends':
            for hour, first, states in end_states(body):
                self.ends.update(((hour, first + n), state) for n, state in enumerate(states) if state)
            return
        for row in unpack(body)[0]:
            task = divmod(row[0], 2 ** 32)
            if name == 'moved':
                self.moved[task] = row[1]
            elif name == 'superseded':
                self.superseded[task] = row[1]
            elif name == 'leases':
                self.leased.add(task)

    def apply(self, lsn, record):
        kind = record[0]
        if kind == 1:
            _, home, ordinal, queue, fire_at, payload_kind, payload, _extras = record
            self.in_log[home, ordinal] = (queue, fire_at, 0, payload_kind, payload)
        elif kind == 2:
            _, _cause, _from, home, ordinal, queue, fire_at, place, _left, attempt, _generation, payload_kind, payload, _extras = record
            task = (home, ordinal)
            self.in_log[task] = (queue, fire_at, attempt, payload_kind, payload)
            self.moved.pop(task, None)
            if place != home:
                self.moved[task] = place
            self.ends.pop(task, None)
            self.superseded[task] = lsn
            self.leased.discard(task)
        elif kind == 3:
            self.leased.add((record[1], record[2]))
        elif kind == 5:
            self.leased.discard((record[1], record[2]))
        elif kind in (4, 7):
            task = (record[3], record[4]) if kind == 4 else (record[5], record[6])
            self.in_log.pop(task, None)
            self.moved.pop(task, None)
            self.leased.discard(task)
            self.ends[task] = 3
        elif kind == 9:
            self.queues[record[1]] = record[2]
        elif kind == 10:
            self.oldest_hour = max(self.oldest_hour, record[1])
        elif kind == 11:
            self.oldest_hour = max(self.oldest_hour, record[3])
            self.queues.update((queue[0], queue[1]) for queue in record[4])

    def counts(self, place, home, ordinal, lsn):
        """Whether a copy in a segment is the one that counts."""
        task = (home, ordinal)
        if task in self.in_log or lsn < self.superseded.get(task, 0):
            return False
        if task in self.moved:
            return self.moved[task] == place
        return home == place and home >= self.oldest_hour and task not in self.ends


def id_text(home, ordinal, incarnation):
    bits = home << 50 | ordinal << 18 | incarnation
    return ''.join('0123456789abcdefghjkmnpqrstvwxyz'[bits >> shift & 31] for shift in range(65, -1, -5))


def payload_value(kind, payload):
    return None if kind == 0 else json.loads(payload) if kind == 1 else base64.b64encode(payload).decode()


def live_tasks(directory):
    manifest = read_manifest(directory)
    ledger = Ledger()
    if manifest[8] is not None:
        for name, body in snapshot_sections(directory, manifest[8][0], manifest[8][1]):
            ledger.load(name, body)
    for name, file_id in log_files(directory, manifest):
        for lsn, record in log_records(directory, name, file_id):
            ledger.apply(lsn, record)
    tasks = [(task, *fields) for task, fields in ledger.in_log.items()]
    for kind, number, file_id, *_ in manifest[7]:
        if kind != 0:
            continue
        for place, home, ordinal, lsn, *fields in segment_entries(directory, number, file_id):
            if ledger.counts(place, home, ordinal, lsn):
                tasks.append(((home, ordinal), *fields))
    for task, queue, fire_at, attempt, payload_kind, payload in sorted(tasks, key=lambda task: (task[2], task[0])):
        yield {
            'id': id_text(*task, manifest[1]),
            'queue': ledger.queues[queue],
            'state': 'leased' if task in ledger.leased else 'pending',
            'fireAt': fire_at,
            'attempt': attempt,
            'payload': payload_value(payload_kind, payload),
        }


if __name__ == '__main__':
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    for found in live_tasks(sys.argv[1]):
        print(json.dumps(found))
