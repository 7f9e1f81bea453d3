# SPDX-License-Identifier: LGPL-2.1-or-later
"""The driver of tamper-sweep.sh: tamper_sweep.py VMSEED FOLDER [CASES]

One case is one change to one copy of a medium. After it:
  verify   must not say that all is well, unless what changed is covered by nothing (the
           untrusted comment of a minisign signature);
  import   into a home that is empty, or that holds the generation before: exit 0 only with all
           machines there and right. Whatever the exit, a replica that says it is whole compares
           bit for bit with the source of its generation, one that says it is incomplete differs only
           in blocks on its missing list, and a good replica is never gone;
  import   again from the undamaged medium ends with everything right.
For some cases also:
  export   to the changed medium: refused, or what it adds can be imported.
"""
import collections
import json
import multiprocessing
import os
import pathlib
import random
import shutil
import struct
import subprocess
import sys

VMSEED, FOLDER = sys.argv[1], pathlib.Path(sys.argv[2])
CASES = sys.argv[3] if len(sys.argv) > 3 else ''
LEAST = 6000            # cases of CI
BUDGET = None if CASES == 'all' else int(CASES or LEAST)
BLOCK = 65536
MACHINES = {'web01': ['vda', 'vdb'], 'db01': ['vda'], 'empty': ['vda']}
EDGE = 64               # bytes at both ends of a file that are always tried

# Generations count exports: 1 and 3 went to the plaintext medium, 2 and 4 to the sealed one, 5 and
# 6 to the other two, and 7 is what a case exports. Which folder of sources each one had:
SOURCES = {1: 1, 2: 1, 3: 2, 4: 2, 5: 2, 6: 2, 7: 2}
NEWEST = {'plain': 3, 'sealed': 4, 'other-plain': 5, 'other-sealed': 6}


class Wrong(Exception):
    pass


def vmseed(home, *args):
    done = subprocess.run([VMSEED, '-q', '--home', str(home), *map(str, args)],
                          stdin=subprocess.DEVNULL, capture_output=True)
    if done.returncode < 0 or done.returncode not in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9):
        raise Wrong(f'{args[0]}: ended with {done.returncode}: {done.stderr!r}')
    last = done.stderr.splitlines()[-1] if done.stderr else b''
    if done.returncode and not last.startswith(b'vmseed: ' + args[0].encode()):
        raise Wrong(f'{args[0]}: exit {done.returncode} with no word of error: {done.stderr!r}')
    if any(c < 32 and c != 10 or c > 126 for c in done.stderr + done.stdout):
        raise Wrong(f'{args[0]}: raw bytes shown: {done.stderr!r} {done.stdout!r}')
    return done


def source(vm, slot, generation, cache={}):
    key = vm, slot, SOURCES[generation]
    if key not in cache:
        cache[key] = (FOLDER / f'sources-{key[2]}' / f'{vm}.{slot}').read_bytes()
    return cache[key]


def missing_runs(path):
    if not path.exists():
        return set()
    data = path.read_bytes()
    if data[:8] != b'VMSEEDMS':
        raise Wrong(f'{path}: not a missing list')
    runs = struct.iter_unpack('<QQ', data[16:])
    return {index for start, count in runs for index in range(start, start + count)}


def check_disk(folder, disk, vm, generation, state):
    want = source(vm, disk['slot'], generation)
    have = (folder / disk['file']).read_bytes()
    if len(have) != len(want):
        raise Wrong(f'{folder.name} {disk["slot"]}: {len(have)} bytes, not {len(want)}')
    lost = missing_runs(folder / disk['missing']) if state == 'incomplete' else set()
    if len(lost) != disk['missing_blocks']:
        raise Wrong(f'{folder.name} {disk["slot"]}: {len(lost)} blocks on its missing list, '
                    f'{disk["missing_blocks"]} by its state')
    for at in range(0, len(want), BLOCK):
        if have[at:at + BLOCK] != want[at:at + BLOCK] and at // BLOCK not in lost:
            raise Wrong(f'{folder.name} {disk["slot"]}: block {at // BLOCK} is wrong in a '
                        f'replica that is {state}')


def replicas(home):
    """What is there by machine: (generation, state), each checked against its source."""
    found = {}
    store = home / 'replicas'
    for folder in sorted(store.iterdir()) if store.exists() else []:
        if not folder.is_dir():
            continue
        if not (folder / 'replica.json').exists():
            raise Wrong(f'{folder.name}: a folder without a state')
        doc = json.loads((folder / 'replica.json').read_text())
        found[doc['vm']] = doc['generation'], doc['state']
        if doc['state'] not in ('seeding', 'incomplete', 'seeded'):
            raise Wrong(f'{folder.name}: state {doc["state"]}')
        if doc['state'] == 'seeding':
            continue
        if [disk['slot'] for disk in doc['disks']] != MACHINES[doc['vm']]:
            raise Wrong(f'{folder.name}: other disks than its machine')
        for disk in doc['disks']:
            check_disk(folder, disk, doc['vm'], doc['generation'], doc['state'])
        if doc['vm'] == 'db01' and doc['state'] == 'seeded' and \
                (folder / 'nvram').read_bytes() != b'firmware state\n':
            raise Wrong(f'{folder.name}: wrong firmware state')
    return found


class Place:
    """Where one worker keeps its copies."""

    def __init__(self):
        self.folder = FOLDER / f'worker-{os.getpid()}'
        self.folder.mkdir(exist_ok=True)
        os.environ['TMPDIR'] = str(self.folder)
        self.media = {}

    def medium(self, kind):
        if kind not in self.media:
            self.media[kind] = self.folder / kind
            shutil.copytree(FOLDER / kind, self.media[kind])
        return self.media[kind]

    def home(self, name):
        path = self.folder / 'home'
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(FOLDER / name, path)
        return path


def check_import(place, kind, medium, before, newest, harmless):
    home = place.home(before)
    held = replicas(home)
    status = vmseed(home, 'import', '--media', medium).returncode
    found = replicas(home)
    for vm, (generation, state) in held.items():
        if vm not in found or found[vm][0] < generation or found[vm][1] != 'seeded':
            raise Wrong(f'import: {vm} was seeded at generation {generation}, now {found.get(vm)}')
    if status == 0:
        whole = {vm: (newest, 'seeded') for vm in MACHINES}
        if found != whole:
            raise Wrong(f'import: exit 0 with {found}')
    if harmless and status:
        raise Wrong(f'import: exit {status} though nothing that counts was changed')
    return status, home


def check_again(place, kind, home):
    undamaged = place.folder / 'undamaged'      # an import notes itself on it
    shutil.rmtree(undamaged, ignore_errors=True)
    shutil.copytree(FOLDER / kind, undamaged)
    status = vmseed(home, 'import', '--media', undamaged).returncode
    found = replicas(home)
    if status or found != {vm: (NEWEST[kind], 'seeded') for vm in MACHINES}:
        raise Wrong(f'import of the undamaged medium afterwards: exit {status}, {found}')


def check_export(place, kind, medium):
    copy = place.folder / 'exported'
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(medium, copy)
    exporter = place.folder / 'exporter'
    shutil.rmtree(exporter, ignore_errors=True)
    shutil.copytree(FOLDER / 'hq', exporter)
    how = ['--for', 'dr'] if kind == 'sealed' else ['--plaintext']
    now = FOLDER / 'now'
    status = vmseed(exporter, 'export', '--media', copy, *how,
                    f'web01={now}/web01.vda,{now}/web01.vdb', FOLDER / 'db01.xml',
                    f'empty={now}/empty.vda').returncode
    home = place.home('dr')
    imported = vmseed(home, 'import', '--media', copy).returncode
    found = replicas(home)
    if status == 0 and imported not in (0, 3):
        raise Wrong(f'export: exit 0, and import of it: {imported}')
    if imported == 0 and found != {vm: (NEWEST[kind] if status else 7, 'seeded')
                                   for vm in MACHINES}:
        raise Wrong(f'export: exit {status}, and import with exit 0 gave {found}')
    return status


def change(data, what, at, bit):
    if what == 'flip':
        return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1:]
    if what == 'cut':
        return data[:at]
    return data + bytes(at)     # grown


def counts(name, data, what, at):
    """False where nothing covers the change: the untrusted comment of a signature that no commit
    names, and the signatures of custody, which may be those of a writer that was cut short, or of
    somebody who is not trusted."""
    if '/custody/' in name and name.endswith('.minisig'):
        return False
    if not name.endswith('.minisig') or 'seeds/' in name:
        return True
    return what != 'flip' or at < 19 or at >= data.index(b'\n')


PLACE = None


def run_case(case):
    global PLACE
    number, kind, name, what, at, bit = case
    PLACE = PLACE or Place()
    medium = PLACE.medium(kind)
    path = medium / name
    data = path.read_bytes()
    path.write_bytes(change(data, what, at, bit))
    tally = collections.Counter()
    try:
        judge = FOLDER / 'third' if kind == 'sealed' and number % 5 == 0 else FOLDER / 'dr'
        status = vmseed(judge, 'verify', '--media', medium).returncode
        tally[f'verify exit {status}'] += 1
        covered = counts(name, data, what, at)
        if covered and status == 0:
            raise Wrong('verify: called sound')
        before = 'dr' if number % 2 else f'dr-{kind}'
        status, home = check_import(PLACE, kind, medium, before, NEWEST[kind], False)
        tally[f'import exit {status}'] += 1
        if number % 10 == 0:
            check_again(PLACE, kind, home)
            tally['imported again'] += 1
        if number % 16 == 0:
            status = check_export(PLACE, kind, medium)
            tally[f'export exit {status}'] += 1
    except Exception as problem:
        return f'{kind}/{name}: {what} at {at} (bit {bit}): {problem}', tally
    finally:
        path.write_bytes(data)
        forget_notes(medium, FOLDER / kind)
    return None, tally


def forget_notes(medium, template):
    """What verify and import wrote on it: each case begins with the same medium."""
    for folder in ('custody', 'receipts'):
        for path in medium.glob(f'vmseed/*/{folder}/*'):
            if not (template / path.relative_to(medium)).exists():
                path.unlink()


# ---- mixing media ----

def role(name):
    """What a file of a medium is, whatever its set, seed and number."""
    parts = name.split('/')
    return ('/'.join(parts[2:-1:2]) if 'seeds' in parts else '/'.join(parts[2:-1])) + \
        '/' + ''.join(c for c in parts[-1] if not c.isdigit())


def files_of(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob('*') if path.is_file())


def mixes():
    """(target, donor, [(name there, name in the donor)...]): one file, a document with its
    signature, and every folder."""
    donors = ['plain-1', 'plain', 'other-plain', 'sealed-1', 'sealed', 'other-sealed']
    for kind in ('plain', 'sealed'):
        target = files_of(FOLDER / kind)
        for donor in donors:
            offered = files_of(FOLDER / donor)
            for there in target:
                for name in offered:
                    if role(there) != role(name) or (donor, name) == (kind, there):
                        continue
                    pairs = [(there, name)]
                    yield kind, donor, pairs
                    if name + '.minisig' in offered and there + '.minisig' in target:
                        yield kind, donor, pairs + [(there + '.minisig', name + '.minisig')]
            if donor == kind:
                continue
            for level in ('vmseed', 'vmseed/SET', 'vmseed/SET/commits', 'vmseed/SET/packs',
                          'vmseed/SET/seeds'):
                yield kind, donor, [folder_of(kind, level), folder_of(donor, level)]
                yield kind, donor, [folder_of(donor, level), folder_of(donor, level)]


def folder_of(medium, level):
    sets = [path.name for path in (FOLDER / medium / 'vmseed').iterdir() if path.is_dir()]
    return level.replace('SET', sets[0])


def mix(medium, donor, what):
    if isinstance(what[0], str):    # a folder in the place of another, or beside it
        there, name = (medium / what[0], FOLDER / donor / what[1])
        shutil.rmtree(there, ignore_errors=True)
        shutil.copytree(name, there)
        return
    for there, name in what:
        shutil.copyfile(FOLDER / donor / name, medium / there)


def run_mix(case):
    global PLACE
    number, kind, donor, what = case
    PLACE = PLACE or Place()
    medium = PLACE.folder / 'mixed'
    shutil.rmtree(medium, ignore_errors=True)
    shutil.copytree(FOLDER / kind, medium)
    mix(medium, donor, what)
    tally = collections.Counter()
    try:
        sound = vmseed(FOLDER / 'dr', 'verify', '--media', medium).returncode
        tally[f'mixed: verify exit {sound}'] += 1
        fresh = PLACE.home('dr')
        status = vmseed(fresh, 'import', '--media', medium).returncode
        tally[f'mixed: import exit {status}'] += 1
        found = replicas(fresh)
        if status == 0 and (set(found) != set(MACHINES) or
                            any(state != 'seeded' for _, state in found.values())):
            raise Wrong(f'import: exit 0 with {found}')
        if sound == 0 and status:
            raise Wrong(f'verify: exit 0, and import: {status}')
        home = PLACE.home(f'dr-{kind}')
        held = replicas(home)
        vmseed(home, 'import', '--media', medium)
        found = replicas(home)
        for vm, (generation, state) in held.items():
            if vm not in found or found[vm][0] < generation or found[vm][1] != 'seeded':
                raise Wrong(f'import: {vm} was seeded at generation {generation}, now '
                            f'{found.get(vm)}')
    except Exception as problem:
        return f'{kind} with {what} of {donor}: {problem}', tally
    return None, tally


# ---- all of them ----

def all_cases():
    """Those at the edges of files, and the others, for every medium."""
    edge, inner = [], []
    for kind in ('plain', 'sealed'):
        for path in sorted((FOLDER / kind).rglob('*')):
            if not path.is_file():
                continue
            name = str(path.relative_to(FOLDER / kind))
            size = path.stat().st_size
            for at in range(size):
                bit = random.Random(f'{name.split("/")[-1]} {at}').randrange(8)
                near = at < EDGE or at >= size - EDGE
                (edge if near else inner).append((kind, name, 'flip', at, bit))
                near = at < 8 or at >= size - 8
                (edge if near else inner).append((kind, name, 'cut', at, 0))
            edge += [(kind, name, 'grow', more, 0) for more in (1, 7, 65536, 1 << 20)]
    return edge, inner


def chosen_cases():
    edge, inner = all_cases()
    chooser = random.Random('tamper')
    if BUDGET is not None:
        chooser.shuffle(edge)
        edge = edge[:BUDGET * 2 // 3]
        inner = chooser.sample(inner, min(len(inner), max(BUDGET - len(edge), 0)))
    cases = edge + inner
    chooser.shuffle(cases)
    return [(number, *case) for number, case in enumerate(cases)]


def prepare_homes():
    """dr-KIND: a home that holds the generation before the newest of that medium."""
    for kind in ('plain', 'sealed'):
        home = FOLDER / f'dr-{kind}'
        shutil.copytree(FOLDER / 'dr', home)
        done = vmseed(home, 'import', '--media', FOLDER / f'{kind}-1')
        found = replicas(home)
        if done.returncode or len(found) != len(MACHINES):
            sys.exit(f'the first import: exit {done.returncode}: {done.stderr.decode()} {found}')


def main():
    prepare_homes()
    cases, mixed = chosen_cases(), [(i, *case) for i, case in enumerate(mixes())]
    small = BUDGET is not None and BUDGET < LEAST
    if small:
        mixed = random.Random('mix').sample(mixed, min(len(mixed), BUDGET))
    wrong, tally = [], collections.Counter()
    with multiprocessing.Pool(os.cpu_count()) as pool:
        for run, some in (run_case, cases), (run_mix, mixed):
            for problem, more in pool.imap_unordered(run, some, chunksize=8):
                tally += more
                if problem:
                    wrong.append(problem)
                    if len(wrong) <= 40:
                        print(problem, flush=True)
    for line, number in sorted(tally.items()):
        print(f'  {line}: {number}')
    kinds = collections.Counter(case[3] for case in cases)
    print(f'{kinds["flip"]} flips, {kinds["cut"]} truncations, {kinds["grow"]} extensions, '
          f'{len(mixed)} mixes: {len(wrong)} wrong')
    if wrong or not small and (len(cases) < LEAST or len(mixed) < 500):
        sys.exit(1)


if __name__ == '__main__':
    main()
