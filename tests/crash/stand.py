# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the sweeps share: two sites, a medium and three tiny VMs, snapshots of them at each stage,
the operations that are cut, and what must be true after a cut and after the rerun."""

import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

BLOCK = 65536
TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get('BUILD', TOP / 'build'))
VMSEED = os.environ.get('VMSEED', str(BUILD / 'vmseed'))
SHIM = str(BUILD / 'tests/crash/shim.so')


class Wrong(Exception):
    """Something that must not happen."""


def noise(name, length):
    return hashlib.shake_128(name.encode()).digest(length)


# Each disk is a list of blocks: a name is noise (the same name, the same block), '0' written
# zeroes, '-' a hole. The last may be cut: (blocks, bytes cut off).
GENERATIONS = {
    1: {
        'web': [(['os1', 'os2', '-', '0', 'web1', 'web2'], 1000)],
        'db': [(['os1', 'db1', 'db2', '-'], 0)],
        'app': [(['os1', 'app1', 'os2'], 0), (['-', 'data1', 'db2'], 512)],
    },
    2: {     # a block changed; a disk grown; a disk gone
        'web': [(['os1', 'os2', 'web4', '0', 'web1', 'web3'], 1000)],
        'db': [(['os1', 'db1', '-', '-', 'web3', 'db4'], 0)],
        'app': [(['os1', 'app2', 'os2'], 0)],
    },
}
NAMES = sorted(GENERATIONS[1])


def disk_bytes(spec):
    blocks, cut = spec
    data = b''.join(bytes(BLOCK) if b in ('0', '-') else noise(b, BLOCK) for b in blocks)
    return data[:len(data) - cut]


def slot(index):
    return 'vd' + 'abcdef'[index]


def write_disk(path, spec):
    blocks, cut = spec
    size = len(blocks) * BLOCK - cut
    with open(path, 'wb') as f:
        f.truncate(size)
        for i, b in enumerate(blocks):
            if b != '-':
                f.seek(i * BLOCK)
                f.write((bytes(BLOCK) if b == '0' else noise(b, BLOCK))[:size - i * BLOCK])


CONTENT = {generation: {vm: [disk_bytes(spec) for spec in disks] for vm, disks in vms.items()}
           for generation, vms in GENERATIONS.items()}

DEFINITION = '''<domain type='kvm'>
  <name>web</name>
  <uuid>5a0b9a52-7a5e-4c5e-9a53-1d2c0de1f0%02x</uuid>
  <os><type arch='x86_64'>hvm</type><nvram>%s</nvram></os>
  <devices>
    <disk type='file' device='disk'>
      <source file='%s'/><target dev='vda' bus='virtio'/><serial>WEB-1</serial>
    </disk>
  </devices>
</domain>
'''


class Result:
    def __init__(self, status, out, err, args):
        self.status, self.out, self.err, self.args = status, out, err, args
        self.killed = status == -9

    def __str__(self):
        return f'exit {self.status} from: {" ".join(self.args)}\n{self.out}{self.err}'


class Stand:
    """Everything below one folder; the case that runs lies in run/, its starts in start/."""

    def __init__(self):
        parent = os.environ.get('CRASH_DIR')
        if not parent:
            parent = '/dev/shm' if os.access('/dev/shm', os.W_OK) else '/var/tmp'
        self.top = pathlib.Path(tempfile.mkdtemp(prefix='vmseed-crash.', dir=parent))
        self.run_dir = self.top / 'run'
        self.hq, self.dr = self.run_dir / 'hq', self.run_dir / 'dr'
        self.medium = self.run_dir / 'medium'
        self.stash = self.top / 'stash'
        self.log = self.top / 'log'
        self.starts = {}
        self.env = {'PATH': os.environ['PATH'], 'HOME': str(self.top), 'LC_ALL': 'C.UTF-8'}
        self.runs = 0
        for folder in ('run', 'start', 'stash'):
            (self.top / folder).mkdir()

    def close(self):
        shutil.rmtree(self.top, ignore_errors=True)

    # -- running

    def vmseed(self, *args, shim=None, home=None):
        env = self.env
        if shim is not None:
            self.log.unlink(missing_ok=True)
            env = dict(env, LD_PRELOAD=SHIM, CRASH_UNDER=str(self.run_dir),
                       CRASH_LOG=str(self.log), CRASH_STASH=str(self.stash))
            env.update({'CRASH_' + key: str(value) for key, value in shim.items()})
        command = [VMSEED, '--progress=none', '--jobs=1', '--home', str(home or self.hq),
                   *map(str, args)]
        self.runs += 1
        try:
            done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True,
                                  timeout=60, text=True, errors='replace', check=False)
        except subprocess.TimeoutExpired:
            raise Wrong(f'still running after 60 s: {" ".join(command)}') from None
        if done.returncode == 125:
            sys.exit(f'the shim does not work: {done.stderr}')
        return Result(done.returncode, done.stdout, done.stderr, command)

    def must(self, *args, home=None):
        done = self.vmseed(*args, home=home)
        if done.status != 0:
            raise Wrong(f'{done}')
        return done

    # -- stages

    def save(self, name):
        """What is in run/ becomes the start NAME."""
        shutil.copytree(self.run_dir, self.top / 'start' / name, symlinks=True)

    def reset(self, name):
        shutil.rmtree(self.run_dir)
        shutil.copytree(self.top / 'start' / name, self.run_dir, symlinks=True)
        for old in self.stash.iterdir():
            old.unlink()

    def make_sources(self):
        for generation, vms in GENERATIONS.items():
            folder = self.top / f'source{generation}'
            folder.mkdir()
            for vm, disks in vms.items():
                for i, spec in enumerate(disks):
                    write_disk(folder / f'{vm}-{slot(i)}.raw', spec)
            (folder / 'web.nvram').write_bytes(noise(f'nvram {generation}', 3000))
            (folder / 'web.xml').write_text(DEFINITION % (
                7, folder / 'web.nvram', folder / 'web-vda.raw'))

    def sources(self, generation):
        folder = self.top / f'source{generation}'
        args = [str(folder / 'web.xml')]
        for vm in ('db', 'app'):
            disks = [str(folder / f'{vm}-{slot(i)}.raw')
                     for i in range(len(GENERATIONS[generation][vm]))]
            args.append(f'{vm}={",".join(disks)}')
        return args

    def exchange_cards(self):
        for home, other, name in ((self.hq, self.dr, 'dr'), (self.dr, self.hq, 'hq')):
            card = self.top / f'{name}.card'
            card.write_text(self.must('-q', 'key', 'card', home=other).out)
            known = json.loads(self.must('key', 'card', '--json', home=other).out)
            self.must('key', 'trust', card, '--fingerprint', known['fingerprint'], home=home)

    def prepare(self):
        """The starts: 'empty', 'prepared', 'exported', 'again', 'imported', 'newer'."""
        self.make_sources()
        self.must('key', 'new', 'hq', home=self.hq)
        self.must('key', 'new', 'dr', home=self.dr)
        self.exchange_cards()
        self.medium.mkdir()
        self.save('empty')
        self.must('media', 'prepare', self.medium, '--allow-internal')
        self.save('prepared')
        time.sleep(3)       # disks that changed seconds ago are never taken for unchanged
        self.must(*self.export_args(1))
        self.save('exported')
        self.must(*self.import_args(), home=self.dr)
        self.save('imported')
        self.must(*self.export_args(2))
        self.save('newer')          # a replica of generation 1, a medium with both
        self.reset('exported')
        self.must(*self.export_args(1))
        self.save('same')           # nothing changed between two exports
        self.reset('newer')
        self.must(*self.import_args(), home=self.dr)
        self.check_replicas({2}, complete=True)
        self.tree_after_newer = self.tree()
        self.reset('exported')
        self.must(*self.import_args(), home=self.dr)
        self.check_replicas({1}, complete=True)
        self.tree_after_first = self.tree()

    def export_args(self, generation, how=('--for', 'dr')):
        return ('export', '--media', self.medium, *how, *self.sources(generation))

    def import_args(self):
        return ('import', '--media', self.medium)

    # -- what must be true

    def tree(self):
        """Names of everything in the replica store but stamps: a run that was cut right before it
        stamped a disk leaves none, and then the disk is read once more."""
        store = self.dr / 'replicas'
        for stamp in store.rglob('*.stamp'):
            if not stamp.with_suffix('.raw').exists():
                raise Wrong(f'{stamp}: of no disk')
        return sorted(str(p.relative_to(store)) for p in store.rglob('*')
                      if p.suffix != '.stamp')

    def replicas(self):
        """NAME -> (folder, replica.json) of what says that it is a replica."""
        found = {}
        store = self.dr / 'replicas'
        for folder in sorted(store.iterdir()) if store.is_dir() else []:
            about = folder / 'replica.json'
            if not about.exists():
                continue
            try:
                doc = json.loads(about.read_bytes())
            except ValueError as why:
                raise Wrong(f'{about}: torn: {why}') from None
            if doc['vm'] in found:
                raise Wrong(f'two replicas of {doc["vm"]}')
            found[doc['vm']] = (folder, doc)
        return found

    @staticmethod
    def replica_disks(folder, doc):
        """The disks as replica.json has them: while it says "switching", what lies in next/ is
        the new one's already."""
        out = []
        for disk in doc['disks']:
            path = folder / 'next' / disk['file']
            if not doc['switching'] or not path.exists():
                path = folder / disk['file']
            out.append(path.read_bytes())
        return out

    def check_replicas(self, generations, complete, all_there=True):
        """Every replica that counts is one of these generations, to the last bit. With @complete
        they all count, and nothing is left of how they came to be."""
        found = self.replicas()
        for vm, (folder, doc) in found.items():
            if doc['state'] in ('seeding',) and not complete:
                continue
            if doc['state'] != 'seeded':
                raise Wrong(f'replica of {vm} is {doc["state"]}')
            if complete and doc['switching']:
                raise Wrong(f'replica of {vm} is still switching')
            generation = [g for g in generations
                          if CONTENT[g][vm] == self.replica_disks(folder, doc)]
            if not generation:
                raise Wrong(f'replica of {vm}: torn, its disks are of none of {generations}')
            if complete:
                self.check_replica_files(vm, folder, doc, generation[0])
        if complete and all_there and sorted(found) != NAMES:
            raise Wrong(f'replicas of {sorted(found)} alone')

    def check_replica_files(self, vm, folder, doc, generation):
        for disk, data in zip(doc['disks'], CONTENT[generation][vm]):
            blocks = [data[i:i + BLOCK] for i in range(0, len(data), BLOCK)]
            wanted = b''.join(hashlib.sha256(b).digest() if b.strip(b'\0') else bytes(32)
                              for b in blocks)
            if (folder / disk['list']).read_bytes() != wanted:
                raise Wrong(f'{vm}: {disk["list"]} is not the list of its disk')
        manifest = json.loads((folder / 'manifest.json').read_bytes())
        if manifest['generation'] != doc['generation'] or manifest['seed'] != doc['seed']:
            raise Wrong(f'{vm}: manifest.json is of another seed than replica.json')
        nvram = folder / 'nvram'
        if vm == 'web' and nvram.read_bytes() != noise(f'nvram {generation}', 3000):
            raise Wrong('web: nvram is not the one that was exported')

    def check_no_temporary(self):
        left = [str(p) for p in self.run_dir.rglob('.tmp-*')]
        if left:
            raise Wrong(f'left behind: {left}')

    def check_medium_named(self):
        """No file on the medium that no commit names, and no commit without its signature."""
        for folder in (self.medium / 'vmseed').iterdir():
            if not folder.is_dir():
                continue
            commits = sorted((folder / 'commits').glob('*.json'))
            named = {'volume.json', 'volume.json.minisig'}
            for commit in commits:
                doc = json.loads(commit.read_bytes())
                named |= {f'commits/{commit.name}', f'commits/{commit.name}.minisig'}
                named |= {f'packs/{p["number"]:08}.pack' for p in doc['packs']}
                named |= {f['path'] for f in doc['files']}
            there = {str(p.relative_to(folder)) for p in folder.rglob('*') if p.is_file()}
            if there != named:
                raise Wrong(f'medium: files beside what commits name: {sorted(there ^ named)}')
