#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""cut_sweep.py: a small resync of three VMs over a link that dies, at each boundary of a frame (or
of a flushed piece of the stream) of a recorded one, and at CUT_OFFSETS (200) random bytes in both
directions.

After each cut every replica is the old one or the new one; the next run finishes, and the blocks
that were durable at the far end are not sent again. Prints what was counted and, last, "N passed, N
failed, N skipped". CUT_ONLY="out 1234" tries one; CUT_JOBS is how many at once."""

import collections
import json
import multiprocessing
import multiprocessing.util
import os
import random
import sys

from stand import NAMES, Stand, Wrong, digests

OFFSETS = int(os.environ.get('CUT_OFFSETS', '200'))
JOBS = int(os.environ.get('CUT_JOBS', os.cpu_count() or 1))
OLD, NEW = 1, 3
SHOWN = 10
LINK_LOST = (1, 3)      # 3: some VMs were done before


def fetched(done):
    """VM -> (blocks that the sender was asked for, blocks that had arrived in an earlier run)."""
    return {vm['name']: (vm['fetched_blocks'], vm['journal_blocks'])
            for vm in json.loads(done.out)['vms']}


class Cutter:
    """One worker's stand and what an undisturbed run costs."""

    def __init__(self):
        self.stand = Stand()
        self.record = self.stand.top / 'record'
        try:
            self.begin()
        except Wrong:
            self.stand.close()
            raise

    def begin(self):
        self.stand.prepare_first()
        self.stand.reset('imported')
        done = self.stand.resync(NEW, link=('--record', self.record))
        if done.status != 0:
            raise Wrong(f'{done}')
        self.check_after()
        self.whole = fetched(done)
        self.new, known = {}, set().union(*(digests(vm, OLD) for vm in NAMES))
        for vm in self.whole:       # in the order in which they are sent
            self.new[vm] = digests(vm, NEW) - known
            known |= self.new[vm]
            if self.whole[vm] != (len(self.new[vm]), 0):
                raise Wrong(f'{vm}: {len(self.new[vm])} blocks are new, and: {done}')

    def cases(self):
        """Every boundary, then random offsets, half of them in each direction."""
        ends, found = {'out': 0, 'in': 0}, {('out', 0), ('in', 0)}
        for line in self.record.read_text().splitlines():
            way, offset, length, _what = line.split(' ', 3)
            ends[way] = int(offset) + int(length)
            found |= {(way, int(offset)), (way, ends[way])}
        boundaries = sorted(found - {(way, end) for way, end in ends.items()})
        pick = random.Random(OFFSETS)
        return boundaries, [(way, pick.randrange(1, ends[way]))
                            for _ in range((OFFSETS + 1) // 2) for way in ends][:OFFSETS]

    def check_after(self):
        self.stand.check_replicas({NEW}, complete=True, states=('current',))
        self.stand.check_no_temporary()
        left = list((self.stand.dr / 'replicas').glob('*/sync'))
        if left:
            raise Wrong(f'left behind: {left}')

    def look(self, turn):
        """Right behind the cut: VM -> blocks that need not be sent again."""
        self.stand.check_undecided({OLD, NEW})
        if sorted(self.stand.replicas()) != NAMES:
            raise Wrong('a replica is lost')
        arrived = {vm: len(self.stand.arrived(vm) & self.new[vm]) for vm in NAMES}
        decided = {vm for vm in NAMES if (self.stand.sync_folder(vm) / 'replica.json').exists()}
        if turn % 3 == 0:
            self.stand.verify_all()
            self.stand.check_replicas({OLD, NEW}, complete=False, states=('seeded', 'current'))
        for vm, (_folder, doc) in self.stand.replicas().items():
            if doc['generation'] > OLD or vm in decided:
                arrived[vm] = self.whole[vm][0]
        return arrived

    def case(self, turn, way, offset):
        """Counts of one cut."""
        self.stand.reset('imported')
        done = self.stand.resync(NEW, link=('--cut-at', offset, '--dir', way))
        if done.status not in (0, *LINK_LOST):
            raise Wrong(f'a lost link: {done}')
        if done.status and 'vmseed: ' not in done.err:
            raise Wrong(f'a lost link, and no word: {done}')
        arrived = self.look(turn)
        done_again = self.stand.resync(NEW)
        if done_again.status != 0:
            raise Wrong(f'the next run: {done_again}')
        self.check_after()
        counts = collections.Counter(cuts=done.status != 0, whole=done.status == 0)
        for vm, (again, journal) in fetched(done_again).items():
            needed = self.whole[vm][0]
            twice = again - max(0, needed - arrived[vm])
            if twice > 0:
                raise Wrong(f'{vm}: {again} blocks sent by the next run, of {needed}; '
                            f'{arrived[vm]} had arrived: {done_again}')
            counts.update(needed=needed, arrived=arrived[vm], again=again,
                          journal=journal)
        return counts


worker = None


def begin():
    """In each worker: a stand of its own, gone when the worker ends."""
    global worker
    try:
        worker = Cutter()
        multiprocessing.util.Finalize(None, worker.stand.close, exitpriority=1)
    except Wrong as why:        # raised here, the pool would try again for ever
        print(f'before any cut: {why}', flush=True)


def one(case):
    turn, way, offset = case
    if worker is None:
        return case, collections.Counter(), 'no stand'
    try:
        return case, worker.case(turn, way, offset), None
    except Wrong as why:
        return case, collections.Counter(), str(why)


def all_cases(first):
    only = os.environ.get('CUT_ONLY')
    if only:
        way, offset = only.split()
        return [(0, way, int(offset))], 1
    boundaries, others = first.cases()
    return [(turn, *case) for turn, case in enumerate(boundaries + others)], len(boundaries)


def sweep(cases):
    """(counts, failed)"""
    counts, failed = collections.Counter(), 0
    with multiprocessing.Pool(JOBS, begin) as pool:
        for (_turn, way, offset), found, why in pool.imap_unordered(one, cases):
            counts += found
            if why:
                failed += 1
                if failed <= SHOWN:
                    print(f'WRONG: cut at byte {offset} {way}\n{why}\n', flush=True)
        pool.close()
        pool.join()
    return counts, failed


def main():
    first = Cutter()
    try:
        cases, boundaries = all_cases(first)
        counts, failed = sweep(cases)
    finally:
        first.stand.close()
    print(f'{boundaries} boundaries and {len(cases) - boundaries} other offsets: '
          f'{counts["cuts"]} runs cut, {counts["whole"]} done before their cut')
    print(f'blocks: {counts["needed"]} needed, {counts["arrived"]} durable at the cut, '
          f'{counts["again"]} sent by the next run, '
          f'{max(0, counts["again"] + counts["arrived"] - counts["needed"])} of them twice')
    print(f'{len(cases) - failed} passed, {failed} failed, 0 skipped')
    return failed > 0


if __name__ == '__main__':
    try:
        sys.exit(main())
    except Wrong as wrong:
        print(f'before any cut: {wrong}\n0 passed, 1 failed, 0 skipped')
        sys.exit(1)
