# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the sweeps share: two sites, a medium and three tiny VMs, snapshots of them at each stage,
the operations that are cut, and what must be true after a cut and after the rerun."""

import ctypes
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
LIMIT = 60      # seconds that one command may take
TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get('BUILD', TOP / 'build'))
PROXY = str(TOP / 'tests/support/proxy.py')
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
    3: {     # what a resync brings: blocks of its own and another VM's, sizes, a disk more
        'web': [(['os1', 'web5', 'web6', '0', 'web7', 'web2', 'web8'], 500)],
        'db': [(['os1', 'db5', 'web6'], 100)],
        'app': [(['os1', 'app3', 'os2'], 0), (['-', 'data2', 'db5'], 512),
                (['new1', '-', 'new2', 'os1'], 0)],
    },
    4: {     # more than the small medium holds; some blocks are on both sides of its end
        'web': [(['os1', *(f'w{i}' for i in range(70)), 'os2', '0', 'w1'], 1000)],
        'db': [(['os1', *(f'd{i}' for i in range(30)), 'w69', 'w2', '-'], 0)],
        'app': [(['os1', 'd1', 'app1', 'w68'], 0), (['-', 'data1', 'd29'], 512)],
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



def digests(vm, generation):
    """Of its blocks that are not zero."""
    blocks = [data[i:i + BLOCK] for data in CONTENT[generation][vm]
              for i in range(0, len(data), BLOCK)]
    return {hashlib.sha256(block).digest() for block in blocks if block.strip(b'\0')}


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


def adopt_orphans():
    """What a process that is killed leaves behind becomes our child, to be waited for."""
    if ctypes.CDLL(None, use_errno=True).prctl(36, 1, 0, 0, 0) != 0:      # PR_SET_CHILD_SUBREAPER
        raise OSError(ctypes.get_errno(), 'prctl')


def wait_for_orphans(seconds=30):
    """Of a resync of which one end is gone: the other one ends by itself."""
    until = time.monotonic() + seconds
    while True:
        try:
            pid, _status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            if time.monotonic() > until:
                raise Wrong(f'the far end goes on for {seconds} s alone')
            time.sleep(0.002)


def what_runs():
    """Our descendants: one that waits (S) has a reason of its own, one that could run (R) had no
    turn on a machine that is too busy."""
    lines = []
    for stat in pathlib.Path('/proc').glob('[0-9]*/stat'):
        try:
            state, parent, *rest = stat.read_text().rsplit(')', 1)[1].split()
            words = (stat.parent / 'cmdline').read_text().replace('\0', ' ')
            waits = [(task / 'wchan').read_text() for task in (stat.parent / 'task').iterdir()]
        except OSError:         # gone meanwhile
            continue
        lines.append((int(stat.parent.name), int(parent),
                      f'{state} {int(rest[9]) + int(rest[10])} ticks, {" ".join(waits)}: {words}'))
    ours, more = {os.getpid()}, True
    while more:
        more = {pid for pid, parent, _ in lines if parent in ours} - ours
        ours |= more
    return '\n'.join(line for pid, _, line in lines if pid in ours - {os.getpid()})


def run_command(command, env):
    """(status, stdout, stderr)"""
    child = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True, errors='replace')
    try:
        out, err = child.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        running = what_runs()
        child.kill()
        child.communicate()
        raise Wrong(f'still running after {LIMIT} s: {" ".join(command)}\n{running}') from None
    return child.returncode, out, err


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
        self.second = self.run_dir / 'second'       # the next medium
        self.small = False                          # a small file system is mounted on the first
        self.stash = self.top / 'stash'
        self.log = self.top / 'log'
        self.starts = {}
        self.env = {'PATH': os.environ['PATH'], 'HOME': str(self.top), 'LC_ALL': 'C.UTF-8'}
        self.runs = 0
        self.link = self.top / 'link'
        adopt_orphans()
        for folder in ('run', 'start', 'stash'):
            (self.top / folder).mkdir()

    def close(self):
        self.unmount()
        shutil.rmtree(self.top, ignore_errors=True)

    # -- running

    def vmseed(self, *args, shim=None, home=None, ssh=None):
        env = dict(self.env, VMSEED_SSH=str(ssh)) if ssh else self.env
        if shim is not None:
            self.log.unlink(missing_ok=True)
            env = dict(env, LD_PRELOAD=SHIM, CRASH_UNDER=str(self.run_dir),
                       CRASH_LOG=str(self.log), CRASH_STASH=str(self.stash))
            env.update({'CRASH_' + key: str(value) for key, value in shim.items()})
        command = [VMSEED, '--progress=none', '--jobs=1', '--home', str(home or self.hq),
                   *map(str, args)]
        self.runs += 1
        done = run_command(command, env)
        wait_for_orphans()
        if done[0] == 125:
            sys.exit(f'the shim does not work: {done[2]}')
        return Result(*done, command)

    def verify_all(self):
        """Each replica opened with its lock, which also finishes what was decided, and read."""
        for vm in self.replicas():
            self.must('verify', '--replica', vm, home=self.dr)

    def must(self, *args, home=None):
        done = self.vmseed(*args, home=home)
        if done.status != 0:
            raise Wrong(f'{done}')
        return done

    # -- stages

    def save(self, name):
        """What is in run/ becomes the start NAME."""
        shutil.copytree(self.run_dir, self.top / 'start' / name, symlinks=True)

    def mount_small(self, size):
        """The first medium as it is, on a file system of its own that has no more room than @size."""
        subprocess.run(['mount', '-t', 'tmpfs', '-o', f'size={size}', 'none', self.medium],
                       check=True, capture_output=True)
        self.small = True
        for folder in self.starts_of(self.medium.name).iterdir():
            shutil.copytree(folder, self.medium / folder.name)

    def starts_of(self, name):
        return self.top / 'start' / self.begun / name

    def can_mount(self):
        self.reset('two')
        try:
            self.mount_small('4M')
        except (OSError, subprocess.CalledProcessError):
            return False
        self.unmount()
        return True

    def unmount(self):
        if self.small:
            subprocess.run(['umount', self.medium], check=True)
        self.small = False

    def reset(self, name):
        self.unmount()
        self.begun = name
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

    def prepare_first(self):
        """The starts 'empty', 'prepared', 'exported', 'imported'."""
        self.make_sources()
        self.must('key', 'new', 'hq', home=self.hq)
        self.must('key', 'new', 'dr', home=self.dr)
        self.exchange_cards()
        self.medium.mkdir()
        self.save('empty')
        self.must('media', 'prepare', self.medium, '--allow-internal')
        self.save('prepared')
        self.second.mkdir()
        self.must('media', 'prepare', self.second, '--allow-internal')
        self.save('two')
        self.reset('prepared')
        time.sleep(3)       # disks that changed seconds ago are never taken for unchanged
        self.must(*self.export_args(1))
        self.save('exported')
        self.must(*self.import_args(), home=self.dr)
        self.save('imported')

    def prepare(self):
        """These, and 'newer', 'same', and those of prepare_resync()."""
        self.prepare_first()
        self.must(*self.export_args(2))
        self.save('newer')          # a replica of generation 1, a medium with both
        self.must(*self.export_args(4))
        self.save('prunable')       # a third one, which needs nothing that the second brought
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
        self.prepare_resync()

    def prepare_resync(self):
        """'cut': some blocks of generation 3 arrived; 'incomplete': blocks of 1 are missing."""
        self.reset('imported')
        done = self.resync(3, link=('--cut-at', 5 * BLOCK, '--dir', 'out'))
        if done.status not in (1, 3) or not any(self.arrived(vm) for vm in NAMES):
            raise Wrong(f'nothing arrived before the cut: {done}')
        self.save('cut')
        self.reset('exported')
        pack = next(self.medium.rglob('*.pack'))
        data = bytearray(pack.read_bytes())
        data[len(data) // 2] ^= 0x5a
        pack.write_bytes(data)
        done = self.vmseed(*self.import_args(), home=self.dr)
        if done.status != 3:
            raise Wrong(f'import of a damaged pack: {done}')
        self.save('incomplete')

    def resync_args(self, generation, to, how=()):
        return ('--json', 'resync', '--retries', 0, '--to', to, *how, *self.sources(generation))

    def resync(self, generation, link=None, how=()):
        """To the folder; with @link, options of proxy.py, through that."""
        if link is None:
            return self.vmseed(*self.resync_args(generation, self.dr, how))
        words = ' '.join(map(str, [PROXY, *link, '--', VMSEED, '--jobs=1', '--home', self.dr,
                                   'serve']))
        self.link.write_text(f'#!/bin/sh\nexec {words}\n')
        self.link.chmod(0o755)
        return self.vmseed(*self.resync_args(generation, 'ssh://far', how), ssh=self.link)

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

    def replicas(self, home=None):
        """NAME -> (folder, replica.json) of what says that it is a replica there (dr)."""
        found = {}
        store = (home or self.dr) / 'replicas'
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

    def sync_folder(self, vm):
        found = self.replicas().get(vm)
        return found[0] / 'sync' if found else None

    def arrived(self, vm):
        """Digests of the blocks that a resync left for the next one: whole entries of the journal,
        and what stands on disks that the replica does not have yet."""
        folder, found = self.sync_folder(vm), set()
        if folder is None or not folder.is_dir():
            return found
        journal = folder / 'journal'
        data, at = journal.read_bytes() if journal.exists() else b'', 64
        while data[at:at + 4] == b'VSRE':
            length = int.from_bytes(data[at + 4:at + 8], 'little')
            digest, block = data[at + 8:at + 40], data[at + 40:at + 40 + length]
            if hashlib.sha256(block).digest() != digest:
                break
            found.add(digest)
            at += 40 + length
        for have in folder.glob('*.have'):
            digests = have.read_bytes()
            found |= {digests[i:i + 32] for i in range(0, len(digests), 32)}
        return found - {bytes(32), b'\xff' * 32}

    def check_undecided(self, generations):
        """Old or new, as it lies there. Where a resync has been decided and not carried out, the
        next one to open the replica does that."""
        for vm, (folder, doc) in self.replicas().items():
            if (folder / 'sync/replica.json').exists() or doc['state'] == 'seeding':
                continue
            if not any(CONTENT[g][vm] == self.replica_disks(folder, doc) for g in generations):
                raise Wrong(f'replica of {vm}: torn, its disks are of none of {generations}')

    def check_replicas(self, generations, complete, all_there=True, states=('seeded',), only=NAMES):
        """Every replica that counts is one of these generations, to the last bit. With @complete
        they all count, and nothing is left of how they came to be."""
        found = self.replicas()
        for vm, (folder, doc) in found.items():
            if vm not in only:
                continue
            if doc['state'] in ('seeding',) and not complete:
                continue
            if doc['state'] not in states:
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

    def check_medium_named(self, medium=None, noted=True):
        """No file on the medium that no commit names, and no commit without its signature; but a
        set document for a full commit, with its signature. Custody is named by none: one entry or
        another may have been cut short, and the last is whole."""
        for folder in ((medium or self.medium) / 'vmseed').iterdir():
            if not folder.is_dir():
                continue
            commits = sorted((folder / 'commits').glob('*.json'))
            named = {'volume.json', 'volume.json.minisig'}
            for commit in commits:
                doc = json.loads(commit.read_bytes())
                if doc['full']:     # it names all that counts, and what came before it does not
                    named = {n for n in named if not n.startswith(('packs/', 'seeds/'))}
                named |= {f'commits/{commit.name}', f'commits/{commit.name}.minisig'}
                named |= {f'packs/{p["number"]:08}.pack' for p in doc['packs']}
                named |= {f['path'] for f in doc['files']}
                if doc['full'] and (folder / 'sets' / commit.name).exists():
                    named |= {f'sets/{commit.name}', f'sets/{commit.name}.minisig'}
            there = {str(p.relative_to(folder)) for p in folder.rglob('*') if p.is_file() and
                     p.parent.name not in ('custody', 'receipts')}
            if noted:
                self.check_custody(folder / 'custody')
            if there != named:
                raise Wrong(f'medium: files beside what commits name: {sorted(there ^ named)}')

    @staticmethod
    def check_custody(folder):
        """The last entry is whole, and names the whole one before it."""
        def whole(entry):
            signature = entry.with_name(entry.name + '.minisig')
            return signature.exists() and signature.read_bytes().count(b'\n') == 4

        entries = sorted(folder.glob('*.json'))
        if not entries or not whole(entries[-1]):
            raise Wrong(f'custody: no whole entry at the end of {[e.name for e in entries]}')
        before = [hashlib.sha256(e.read_bytes()).hexdigest() for e in entries[:-1] if whole(e)]
        if json.loads(entries[-1].read_bytes())['previous'] != (before[-1] if before else None):
            raise Wrong(f'custody: {entries[-1].name} does not name the entry before it')
