# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who goes on with a VM, cut: promote, adopt, and the last resync. One VM of two sites, app.

Between the cut and the rerun its disks are where they were or where they go, to the last bit, and
what both homes say of its history fits together. After the rerun the VM goes on: what is written at
the one site arrives at the other, one generation on."""

import json
import os
import shutil
import struct
import traceback

from operations import Operation, Resync
from stand import BLOCK, CONTENT, NAMES, Wrong, noise, slot

VM = 'app'
SOME, HANDED_OVER = 3, 6


def prepare(stand):
    """The starts. In 'standing' hq has the VM in run/vms and dr a replica of it; 'forked', then
    promoted at dr; 'written', then written to at hq; 'final', a last resync instead, and
    'final-forked'; 'returned', from 'forked' back to hq, and 'returned-written'; 'edited', a
    replica that somebody wrote to."""
    stand.reset('imported')
    put_sources(stand, 1)
    stand.save('standing')
    stand.must('promote', VM, home=stand.dr)
    stand.save('forked')
    write_block(sources(stand)[1], 1, 'written at hq')
    stand.save('written')
    stand.reset('standing')
    put_sources(stand, 3)
    stand.must('resync', '--final', '--to', stand.dr, source(stand))
    stand.save('final')
    stand.must('promote', VM, home=stand.dr)
    stand.save('final-forked')
    stand.reset('forked')
    stand.must('adopt', source(stand))
    write_block(replica_paths(stand, stand.dr)[0], 2, 'written at dr')
    stand.must('resync', '--final', '--to', stand.hq, VM, home=stand.dr)
    stand.must('promote', VM)
    stand.save('returned')
    write_block(replica_paths(stand, stand.dr)[0], 1, 'written too late')
    stand.save('returned-written')
    stand.reset('standing')
    write_block(replica_paths(stand, stand.dr)[0], 1, 'started by mistake')
    stand.save('edited')


# -- the VM, and what the homes say of it

def sources(stand):
    return sorted((stand.run_dir / 'vms').iterdir())


def put_sources(stand, generation):
    folder = stand.run_dir / 'vms'
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for i, data in enumerate(CONTENT[generation][VM]):
        (folder / f'{VM}-{slot(i)}.raw').write_bytes(data)


def source(stand, count=None):
    """The VM as an argument at hq, also when its disks are not there any more."""
    names = [f'{stand.run_dir}/vms/{VM}-{slot(i)}.raw'
             for i in range(count or len(sources(stand)))]
    return f'{VM}={",".join(names)}'


def write_block(path, index, name):
    with open(path, 'r+b') as disk:
        size = os.fstat(disk.fileno()).st_size
        disk.seek(index * BLOCK)
        disk.write(noise(name, min(BLOCK, size - index * BLOCK)))


def replica_of(stand, home):
    return stand.replicas(home).get(VM, (None, None))


def replica_paths(stand, home):
    folder, doc = replica_of(stand, home)
    return [folder / disk['file'] for disk in doc['disks']] if doc else []


def contents(paths):
    return [path.read_bytes() for path in paths]


def record_of(stand, home):
    """(folder, vm.json) of the VM as a source of that home, or (folder, None)."""
    uuid = (replica_of(stand, stand.dr)[1] or replica_of(stand, stand.hq)[1])['uuid']
    folder = home / 'vms' / uuid
    path = folder / 'vm.json'
    try:
        return folder, json.loads(path.read_bytes()) if path.exists() else None
    except ValueError as why:
        raise Wrong(f'{path}: torn: {why}') from None


def entries_of(home, event):
    """Of the signed history; a torn last line is none."""
    path = home / 'history.chain'
    lines = path.read_bytes().split(b'\n')[:-1] if path.exists() else []
    found = [json.loads(line.split(b'\t')[0]) for line in lines]
    return [entry for entry in found if entry['event'] == event and entry['name'] == VM]


class Handover(Operation):
    """@at: the home whose command is cut; @arguments: that command, the VM as its last word."""

    def __init__(self, name, start, stand, at, arguments):
        super().__init__(name, start, stand)
        self.at, self.arguments = at, arguments
        self.turn = 0

    def begin(self):
        super().begin()
        self.count = len(sources(self.stand))
        self.generations = {home: self.generation(home) for home in (self.stand.hq, self.stand.dr)}
        self.disks = contents(self.disk_paths())
        self.events = len(entries_of(self.home(), self.event()))

    def home(self):
        return getattr(self.stand, self.at)

    def other(self):
        return self.stand.dr if self.at == 'hq' else self.stand.hq

    def args(self):
        return [source(self.stand, self.count) if word == VM + '=' else word
                for word in self.arguments]

    def event(self):
        return self.arguments[0]

    def disk_paths(self):
        return replica_paths(self.stand, self.home())

    def generation(self, home):
        """The highest one that is known there."""
        known = [doc['generation'] for doc in (record_of(self.stand, home)[1],
                                               replica_of(self.stand, home)[1]) if doc]
        return max(known, default=0)

    def check_disks(self):
        if contents(self.disk_paths()) != self.disks:
            raise Wrong(f'the disks of {VM} are not what they were')

    def check_histories(self):
        for home in (self.stand.hq, self.stand.dr):
            if self.generation(home) < self.generations[home]:
                raise Wrong(f'{home.name}: at generation {self.generation(home)}, and was at '
                            f'{self.generations[home]}')
            self.check_history(home)
            self.stand.must('status', home=home)

    def check_history(self, home):
        record, doc = record_of(self.stand, home)[1], replica_of(self.stand, home)[1]
        if not doc or doc['state'] not in ('promoted', 'candidate'):
            return
        if not record or record['lineage'] != doc['lineage']:
            raise Wrong(f'{home.name}: a {doc["state"]} replica with {doc["lineage"]}, of the '
                        f'record {record}')
        if doc['state'] == 'promoted' and record['generation'] < doc['generation']:
            raise Wrong(f'{home.name}: promoted at {doc["generation"]}, the record is at '
                        f'{record["generation"]}')
        if doc['state'] == 'candidate' and not record.get('handed_over'):
            raise Wrong(f'{home.name}: a candidate, and manifests of it are signed here')

    def between(self):
        self.looked_at(self.check_between)

    def after(self):
        self.looked_at(self.check_tidy)
        self.promised()

    def promised(self):
        self.looked_at(self.check_promised)

    def check_tidy(self):
        """What was removed last may come back when the power goes, and is in nobody's way."""
        self.stand.check_no_temporary()
        left = [str(p) for p in self.home().rglob('*')
                if p.name.endswith('.adopt') or p.name.startswith(('.adopting-', '.moving-'))]
        if left:
            raise Wrong(f'left behind: {left}')

    def may_go_unseen(self, calls):
        """A stamp, once all else stands: without it the next resync reads the disk, no more. And a
        list of a reading that does not go: the next run removes it."""
        *before, (op, path) = calls
        if op == 'unlink' and path.endswith('.adopt'):
            return True
        stands = any(op == 'rename' and (path.endswith('/replica.json') or
                                         path.split('/')[-2] == 'replicas') for op, path in before)
        return stands and '/replicas/' in path and (
            path.endswith(('.raw', '.stamp')) or '/.tmp-' in path or
            (op == 'sync' and before[-1][1].endswith('.stamp')))

    @staticmethod
    def looked_at(check):
        """A file that is gone or torn where one must be is as wrong as one that says something
        else."""
        try:
            check()
        except (OSError, ValueError, LookupError, TypeError) as why:
            raise Wrong(''.join(traceback.format_exception(why)[-2:])) from why

    def check_between(self):
        self.check_disks()
        self.check_histories()
        self.stand.check_replicas({1}, complete=False, only=set(NAMES) - {VM})

    def check_promised(self):
        self.check_disks()
        self.check_histories()
        self.check_done()
        noted = len(entries_of(self.home(), self.event())) - self.events
        if noted != 1:
            raise Wrong(f'{noted} entries in the history')
        self.goes_on()

    def send(self, home, to, *words):
        """From the home where it is promoted, changed, to the other one: the same, and the next
        generation."""
        before = record_of(self.stand, home)[1]['generation']
        write_block(replica_paths(self.stand, home)[0], 0, 'the work goes on')
        self.stand.must('resync', '--to', to, *words, VM, home=home)
        _folder, doc = replica_of(self.stand, to)
        if not doc or doc['state'] != 'current' or doc['generation'] != before + 1:
            raise Wrong(f'after generation {before} went on: {doc}')
        if contents(replica_paths(self.stand, to)) != contents(replica_paths(self.stand, home)):
            raise Wrong('the next resync did not bring what is there')
        self.stand.must('verify', '--replica', VM, home=to)


class Promote(Handover):
    def __init__(self, name, start, stand):
        super().__init__(name, start, stand, 'dr', ('promote', VM))

    def begin(self):
        super().begin()
        self.fork = None
        self.states = {replica_of(self.stand, self.stand.dr)[1]['state'], 'promoted'}

    def check_between(self):
        """A fork that was written down once is the one that the rerun makes."""
        super().check_between()
        _folder, doc = replica_of(self.stand, self.stand.dr)
        record = record_of(self.stand, self.stand.dr)[1]
        if doc['state'] not in self.states:
            raise Wrong(f'a replica that is {doc["state"]}')
        if record:
            if self.fork not in (None, record['lineage'][-1]['id']):
                raise Wrong(f'forked again: {record["lineage"]}')
            self.fork = record['lineage'][-1]['id']
        self.turn += 1
        if self.turn % 2:
            self.stand.must('verify', '--replica', VM, home=self.stand.dr)

    def check_done(self):
        folder, doc = replica_of(self.stand, self.stand.dr)
        kept, record = record_of(self.stand, self.stand.dr)
        last = record['lineage'][-1]
        if doc['state'] != 'promoted' or len(doc['lineage']) != 2 or record.get('handed_over'):
            raise Wrong(f'not promoted: {doc}, {record}')
        if last['forked_from'] != {'id': record['lineage'][0]['id'],
                                   'generation': doc['generation']}:
            raise Wrong(f'forked elsewhere than at {doc["generation"]}: {record["lineage"]}')
        if self.fork not in (None, last['id']):
            raise Wrong('the rerun forked again')
        if entries_of(self.stand.dr, 'promote')[-1]['timeline'] != last['id']:
            raise Wrong('the history has another timeline')
        for disk in doc['disks']:
            if (kept / disk['list']).read_bytes() != (folder / disk['list']).read_bytes():
                raise Wrong(f'the kept {disk["list"]} is another one')

    def goes_on(self):
        self.stand.must('adopt', source(self.stand, self.count))
        self.send(self.stand.dr, self.stand.hq)


class PromoteLate(Promote):
    """The rerun comes when a resync has been there: what was not promoted took it."""

    def check_between(self):
        super().check_between()
        _folder, doc = replica_of(self.stand, self.stand.dr)
        if doc['state'] == 'promoted':
            return
        put_sources(self.stand, 3)
        self.count = len(sources(self.stand))
        self.stand.must('resync', '--to', self.stand.dr, source(self.stand))
        self.fork, self.disks = None, CONTENT[3][VM]
        self.states |= {'current'}

    def check_history(self, home):
        """What an earlier run wrote down is of the generation that the replica had then."""
        if home != self.stand.dr or replica_of(self.stand, home)[1]['state'] == 'promoted':
            super().check_history(home)


class Adopt(Handover):
    """A VM of hq, whose disks are copied, or moved."""

    def __init__(self, name, start, stand, how=()):
        super().__init__(name, start, stand, 'hq', ('adopt', *how, VM + '='))
        self.moved = '--in-place' in how

    def disk_paths(self):
        """Where each one lies: at its place, on its way, or in the store."""
        out, store = [], self.stand.hq / 'replicas'
        for i in range(self.count):
            name = f'{slot(i)}.raw'
            path = self.stand.run_dir / 'vms' / f'{VM}-{name}'
            inside = list(store.glob(f'.moving-*/{name}')) + list(store.glob(f'{VM}.*/{name}'))
            there = [p for p in [path] + (inside if self.moved else []) if p.exists()]
            if len(there) != 1:
                raise Wrong(f'disk {slot(i)} lies at {there}')
            out += there
        return out

    def check_disks(self):
        super().check_disks()
        copied = replica_paths(self.stand, self.stand.hq)
        if copied and contents(copied) != self.disks:
            raise Wrong('the disks of the candidate are others')

    def check_done(self):
        folder, doc = replica_of(self.stand, self.stand.hq)
        if not doc or doc['state'] != 'candidate' or doc['generation'] != self.generations[
                self.stand.hq]:
            raise Wrong(f'no candidate: {doc}')
        if self.moved and any(p.parent != folder for p in self.disk_paths()):
            raise Wrong('not all of its disks were moved')
        if bool(doc.get('discard')) != ('--discard-changes' in self.arguments):
            raise Wrong(f'discard: {doc}')

    def goes_on(self):
        self.send(self.stand.dr, self.stand.hq)


class AdoptReplica(Handover):
    """What was promoted at dr follows again; hq has gone on."""

    def __init__(self, name, start, stand, how=()):
        super().__init__(name, start, stand, 'dr', ('adopt', *how, VM))

    def check_done(self):
        folder, doc = replica_of(self.stand, self.stand.dr)
        if doc['state'] != 'candidate' or (folder / 'manifest.json').exists():
            raise Wrong(f'no candidate: {doc}')

    def goes_on(self):
        self.send(self.stand.hq, self.stand.dr)


class AdoptEdited(Handover):
    """A replica that somebody wrote to: it is incomplete by what was written, and gets it anew."""

    def __init__(self, name, start, stand):
        super().__init__(name, start, stand, 'dr', ('adopt', '--discard-changes', VM))

    def check_between(self):
        super().check_between()
        _folder, doc = replica_of(self.stand, self.stand.dr)
        if doc['state'] not in ('seeded', 'incomplete'):
            raise Wrong(f'a replica that is {doc["state"]}')

    def check_done(self):
        folder, doc = replica_of(self.stand, self.stand.dr)
        lost = {disk['slot']: (folder / disk['missing']).read_bytes()[16:]
                for disk in doc['disks'] if (folder / disk['missing']).exists()}
        runs = {name: list(struct.iter_unpack('<QQ', data)) for name, data in lost.items() if data}
        if doc['state'] != 'incomplete' or runs != {'vda': [(1, 1)]}:
            raise Wrong(f'{doc}, missing: {runs}')

    def goes_on(self):
        self.stand.must('resync', '--to', self.stand.dr, source(self.stand))
        if contents(self.disk_paths()) != CONTENT[1][VM]:
            raise Wrong('what was given up did not come back')
        self.stand.must('verify', '--replica', VM, home=self.stand.dr)


class ResyncFinal(Resync):
    """The last resync. A VM of which it is done is refused by the next run: what counts is that all
    of them are handed over then, and have arrived."""

    def run(self, shim=None):
        done = super().run(shim)
        if shim is None and done.status in (SOME, HANDED_OVER) and self.all_handed_over():
            done.status = 0
        return done

    def all_handed_over(self):
        records = [json.loads(path.read_bytes()) for path in self.stand.hq.glob('vms/*/vm.json')]
        return len(records) == len(NAMES) and all(
            doc.get('handed_over') and doc.get('final') for doc in records)

    def after(self):
        super().after()
        if not self.all_handed_over():
            raise Wrong('more manifests may be signed at the source')


def all_of(stand):
    return [
        Promote('promote', 'standing', stand),
        Promote('promote-planned', 'final', stand),
        PromoteLate('promote-late', 'standing', stand),
        Adopt('adopt', 'forked', stand),
        Adopt('adopt-in-place', 'final-forked', stand, how=('--in-place',)),
        Adopt('adopt-discard', 'written', stand, how=('--in-place', '--discard-changes')),
        AdoptReplica('adopt-replica', 'returned', stand),
        AdoptReplica('adopt-replica-discard', 'returned-written', stand,
                     how=('--discard-changes',)),
        AdoptEdited('adopt-edited', 'edited', stand),
        ResyncFinal(stand, 'resync-final', 'imported', 3, before=[1], how=('--final',)),
        ResyncFinal(stand, 'resync-final-sender', 'imported', 3, before=[1], how=('--final',),
                    near=True),
    ]
