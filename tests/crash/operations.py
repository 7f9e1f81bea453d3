# SPDX-License-Identifier: LGPL-2.1-or-later
"""The operations that the sweeps cut: where each starts, what it is, what must be true right after
a cut, and what after the same command has run again undisturbed."""

import json
import re
import shutil
import struct

from stand import BLOCK, CONTENT, NAMES, Wrong

OVER_TWO = 'export-over-two'       # needs the right to mount
MEDIUM_EMPTY = 7        # no finished seed on it
TORN_COMMIT = re.compile(r'vmseed: \w+: ("[^"]+" )?set [0-9a-f]{8}:? commits/[0-9]{8}\.json: ')


class Operation:
    """@between: nothing that was good before is lost. @after: as an undisturbed run leaves it.
    @promised: what a run that said so has made durable. @stride: a full sweep looks at every one of
    so many calls."""

    stride = 1

    def __init__(self, name, start, stand):
        self.name, self.start, self.stand = name, start, stand
        self.noted = True       # custody and receipts are on the medium, where nothing went wrong

    def begin(self):
        self.stand.reset(self.start)

    def run(self, shim=None):
        return self.stand.vmseed(*self.args(), home=self.home(), shim=shim)

    def home(self):
        return self.stand.hq

    def was_cut(self, _shim, done):
        return done.killed

    def may_go_unseen(self, _calls):
        """The last of these calls, (op, path), failed, and the run ended well all the same."""
        return False

    def may_go_on(self, _path):
        """Where there is no room at this path."""
        return False


class Prepare(Operation):
    def __init__(self, stand):
        super().__init__('prepare', 'empty', stand)

    def args(self):
        return ('media', 'prepare', self.stand.medium, '--allow-internal')

    def between(self):
        pass

    def promised(self):
        shown = json.loads(self.stand.must('--json', 'media', 'show', self.stand.medium).out)
        if not shown['known'] or shown['prepared_by'] != 'hq':
            raise Wrong(f'the medium is not known as prepared here: {shown}')

    def after(self):
        names = sorted(str(p.relative_to(self.stand.medium))
                       for p in self.stand.medium.rglob('*'))
        if names != ['vmseed', 'vmseed/medium.json', 'vmseed/medium.json.minisig']:
            raise Wrong(f'the medium holds {names}')
        self.promised()


class Export(Operation):
    """@before: the contents that the medium holds already; @signed_before: manifests of them."""

    def __init__(self, stand, name, start, generation, before=(), how=('--for', 'dr'),
                 signed_before=0):
        super().__init__(name, start, stand)
        self.signed_before = signed_before
        self.generation, self.before, self.how = generation, set(before), how

    def args(self):
        return self.stand.export_args(self.generation, self.how)

    def media(self):
        return [self.stand.medium]

    def media_args(self):
        return [arg for medium in self.media() for arg in ('--media', medium)]

    def import_elsewhere(self):
        """Into an empty home of the site that it is for."""
        shutil.rmtree(self.stand.dr)
        shutil.copytree(self.stand.top / 'start' / 'empty' / 'dr', self.stand.dr)
        return self.stand.vmseed('import', *self.media_args(), home=self.stand.dr)

    def between(self):
        """A reader that comes now: earlier seeds verify, and what is imported is whole."""
        self.check_reader(self.stand.vmseed('verify', *self.media_args(), home=self.stand.dr),
                          ' ok')
        done = self.import_elsewhere()
        self.check_reader(done, ' imported')
        if self.before or done.status == 0:
            self.stand.check_replicas(self.before | {self.generation}, complete=True,
                                      all_there=bool(self.before))

    def check_reader(self, done, verdict):
        """Who has no record of the set, as the destination, cannot tell a torn last commit from a
        damaged one: it may be named, and then nothing else may be wrong."""
        if done.status == 0:
            return
        if not self.before and done.status == MEDIUM_EMPTY:
            return
        lines = [line for line in done.err.splitlines() if line.startswith('vmseed: ')]
        complaints = [line for line in lines if line.startswith('vmseed: warn')] or lines[-1:]
        if not complaints or not all(TORN_COMMIT.match(line) for line in complaints):
            raise Wrong(f'a reader after the cut: {done}')
        well = sum(line.endswith(verdict) for line in done.out.splitlines())
        if self.before and well < len(NAMES):
            raise Wrong(f'a reader after the cut has {well} VMs: {done}')

    def after(self):
        for medium in self.media():
            self.stand.check_medium_named(medium, self.noted)
        self.stand.check_no_temporary()
        self.promised()

    def promised(self):
        self.stand.must('verify', *self.media_args(), home=self.stand.dr)
        done = self.import_elsewhere()
        if done.status != 0:
            raise Wrong(f'{done}')
        self.stand.check_replicas({self.generation}, complete=True)
        for vm, (_folder, doc) in self.stand.replicas().items():
            if doc['generation'] <= self.signed_before:
                raise Wrong(f'{vm}: generation {doc["generation"]} was there before')


class ExportOverTwo(Export):
    """The first medium is too small, so that the set goes on on the second. Its disks are larger, and
    most of its calls are those of any export."""

    stride = 5

    def begin(self):
        super().begin()
        self.stand.mount_small('7M')

    def media(self):
        return [self.stand.medium, self.stand.second]

    def args(self):
        return (*super().args(), '--media', self.stand.second)

    def may_go_on(self, path):
        return path.startswith(str(self.stand.medium))

    def after(self):
        super().after()
        if not list(self.stand.second.glob('vmseed/*/packs/*')):
            raise Wrong('nothing of the set is on the second medium')
        if (list(self.stand.medium.glob('vmseed/*/packs/*')) and
                not list(self.stand.second.glob('vmseed/*/sets/*.json'))):
            raise Wrong('no set document on the last volume')


class Prune(Export):
    """All seeds but the newest go, and a pack that only they needed."""

    def args(self):
        return ('media', 'prune', self.stand.medium)

    def promised(self):
        super().promised()
        seeds = {p.parent for p in self.stand.medium.glob('vmseed/*/seeds/*/*')}
        packs = sorted(p.name for p in self.stand.medium.glob('vmseed/*/packs/*'))
        if len(seeds) != len(NAMES) or packs != ['00000001.pack', '00000003.pack']:
            raise Wrong(f'not pruned: {packs}, {len(seeds)} seeds')


class Import(Operation):
    """@generation is imported where @before may stand already."""

    def __init__(self, stand, name, start, generation, before=()):
        super().__init__(name, start, stand)
        self.generation, self.before = generation, set(before)
        self.turn = 0

    def home(self):
        return self.stand.dr

    def args(self):
        return self.stand.import_args()

    def between(self):
        """Old or new by what replica.json says; every other time by what verify says, which
        must not change anything that the rerun needs."""
        self.stand.check_replicas(self.before | {self.generation}, complete=False)
        if not self.before:
            return
        if sorted(self.stand.replicas()) != NAMES:
            raise Wrong('a replica that was there is lost')
        self.turn += 1
        if self.turn % 2:
            self.verify_one()

    def verify_one(self):
        vm = NAMES[self.turn // 2 % len(NAMES)]
        self.stand.must('verify', '--replica', vm, home=self.stand.dr)

    def promised(self):
        self.stand.check_replicas({self.generation}, complete=True)
        self.verify_one()

    def check_acknowledged(self):
        """What is complete is acknowledged on the medium, by as many receipts as whole ones lie
        there, or more where one was cut short."""
        for folder in (self.stand.medium / 'vmseed').iterdir():
            if folder.is_dir():
                self.stand.check_custody(folder / 'custody')
                if len(list((folder / 'receipts').glob('*.sealed'))) < len(NAMES):
                    raise Wrong('an import is not acknowledged on its medium')

    def after(self):
        self.stand.check_replicas({self.generation}, complete=True)
        self.stand.check_no_temporary()
        tree = self.stand.tree()
        wanted = (self.stand.tree_after_newer if self.before else self.stand.tree_after_first)
        if tree != wanted:
            raise Wrong(f'the store holds other names than after an undisturbed import: '
                        f'{sorted(set(tree) ^ set(wanted))}')
        self.turn += 1
        self.verify_one()
        if self.noted:
            self.check_acknowledged()
        marks = list((self.stand.dr / 'marks').iterdir())
        if len(marks) != len(NAMES):
            raise Wrong(f'{len(marks)} marks')


class Resync(Operation):
    """To the home beside it. What is cut is the far end, a process of its own that receives; with
    @near the one that has the VMs."""

    def __init__(self, stand, name, start, generation, before=(), how=(), near=False):
        super().__init__(name, start, stand)
        self.generation, self.before, self.how, self.near = generation, set(before), how, near
        self.turn = 0

    def args(self):
        return self.stand.resync_args(self.generation, self.stand.dr, self.how)

    def run(self, shim=None):
        if shim is not None:
            shim = dict(shim, UNDER=self.stand.hq if self.near else self.stand.dr)
        return super().run(shim)

    def was_cut(self, shim, done):
        """The far end is not ours to ask; its last call that counted is in the log."""
        if self.near:
            return done.killed
        lines = self.stand.log.read_text().splitlines() if self.stand.log.exists() else []
        if not lines or int(lines[-1].split()[0]) < shim['AT']:
            return False
        if done.status not in (0, 1, 3):        # 0: its receipt was on the way already
            raise Wrong(f'the far end was killed: {done}')
        if done.status == 0:
            self.stand.verify_all()
            self.check(complete=False)
        return True

    def check(self, complete):
        generations = {self.generation} if complete else self.before | {self.generation}
        self.stand.check_replicas(generations, complete, states=('seeded', 'current'))

    def between(self):
        """As it lies there; every other time also as the next one to open it leaves it, which
        must not take away anything that the rerun needs."""
        self.stand.check_undecided(self.before | {self.generation})
        if self.before and sorted(self.stand.replicas()) != NAMES:
            raise Wrong('a replica that was there is lost')
        self.turn += 1
        if self.turn % 2 and self.before:
            before = {vm: self.stand.arrived(vm) for vm in NAMES}
            self.stand.verify_all()
            self.check(complete=False)
            for vm in NAMES:
                folder = self.stand.sync_folder(vm)
                if folder.is_dir() and not self.stand.arrived(vm) >= before[vm]:
                    raise Wrong(f'verify took away what had arrived of {vm}')

    def promised(self):
        self.check(complete=True)
        self.stand.verify_all()
        sources = json.loads(self.stand.must('status', '--json').out)['sources']
        known = {vm['name']: vm['generation'] for vm in sources}
        for vm, (_folder, doc) in self.stand.replicas().items():
            if known.get(vm, 0) < doc['generation']:
                raise Wrong(f'{vm}: the source does not know the generation of its replica')

    def after(self):
        self.promised()
        self.stand.check_no_temporary()
        left = [str(p) for p in (self.stand.dr / 'replicas').glob('*/sync')]
        if left:
            raise Wrong(f'left behind: {left}')
        self.check_marks()

    def check_marks(self):
        """The highest generation that was ever accepted stands there, whoever finished it."""
        for vm, (_folder, doc) in self.stand.replicas().items():
            mark = self.stand.dr / 'marks' / (doc['site'] + '-' + doc['uuid'] + '.chain')
            found = re.findall(rb'"generation": *(\d+)', mark.read_bytes()) if mark.exists() else []
            if not found or max(map(int, found)) < doc['generation']:
                raise Wrong(f'{vm}: its mark is {found}, its generation {doc["generation"]}')


class Fill(Resync):
    """The blocks that a replica lacks at its own generation are written into place: until all are
    there it is incomplete, and right wherever nothing is said to be missing."""

    def between(self):
        for vm, (folder, doc) in self.stand.replicas().items():
            if doc['state'] not in ('incomplete', 'seeded', 'current'):
                raise Wrong(f'replica of {vm} is {doc["state"]}')
            for disk, data in zip(doc['disks'], CONTENT[self.generation][vm]):
                self.check_disk(folder, doc, disk, data)

    @staticmethod
    def check_disk(folder, doc, disk, data):
        have, lost, path = (folder / disk['file']).read_bytes(), set(), folder / disk['missing']
        if doc['state'] == 'incomplete' and path.exists():
            for start, count in struct.iter_unpack('<QQ', path.read_bytes()[16:]):
                lost |= set(range(start, start + count))
        if len(have) != len(data):
            raise Wrong(f'{folder.name}: {len(have)} bytes')
        for at in range(0, len(data), BLOCK):
            if have[at:at + BLOCK] != data[at:at + BLOCK] and at // BLOCK not in lost:
                raise Wrong(f'{folder.name}: block {at // BLOCK} differs and is not missing')


def all_of(stand):
    over_two = [ExportOverTwo(stand, OVER_TWO, 'two', 4)] if stand.can_mount() else []
    return [
        Prepare(stand),
        Export(stand, 'export', 'prepared', 1),
        Export(stand, 'export-again', 'exported', 2, before=[1], signed_before=1),
        Export(stand, 'export-same', 'same', 1, before=[1], signed_before=2),
        Export(stand, 'export-plaintext', 'prepared', 1, how=('--plaintext',)),
        *over_two,
        Prune(stand, 'prune', 'prunable', 4, before=[4], signed_before=2),
        Import(stand, 'import', 'exported', 1),
        Import(stand, 'import-newer', 'newer', 2, before=[1]),
        Resync(stand, 'resync', 'imported', 3, before=[1]),
        Resync(stand, 'resync-sender', 'imported', 3, before=[1], near=True),
        Resync(stand, 'resync-resume', 'cut', 3, before=[1]),
        Resync(stand, 'resync-smaller', 'imported', 2, before=[1]),
        Fill(stand, 'resync-fill', 'incomplete', 1),
        Resync(stand, 'resync-wire', 'empty', 1, how=('--seed-over-wire',)),
    ]
