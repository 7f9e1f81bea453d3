#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Time whole commands against their peers on the same files and print one table.

Contenders of a job run in turn within each round, so that what else the machine does falls
on all alike. Before each: outputs of the last one removed, `sync`, inputs read into the page
cache. Timed: the command and a syncfs of the scratch disk. Ratios are taken within a round;
the table shows their median, and medians of seconds. Peak memory is the largest resident
set of any process of the command (wait4).
"""
import argparse, hashlib, json, os, re, shutil, statistics, subprocess, sys, time

from resync import Resync

JOBS = ['export', 'verify', 'import', 'huge', 'resync', 'clones', 'link']
GUESTS = ['web01', 'web02', 'db01', 'app01']
HUGE_SIZE = (16 << 40) - (64 << 10)     # ext4 ends one block below 16 TiB
HUGE_DATA = 2 << 30
HUGE_LIMIT = 256 << 20


def say(text):
    print(text, file=sys.stderr, flush=True)


def extents(path):
    """The (start, end) pairs that hold data."""
    with open(path, 'rb') as file:
        size, end = os.fstat(file.fileno()).st_size, 0
        while end < size:
            try:
                start = os.lseek(file.fileno(), end, os.SEEK_DATA)
            except OSError:
                return
            end = os.lseek(file.fileno(), start, os.SEEK_HOLE)
            yield start, end


def read_data(path, take=lambda offset, data: None):
    """Read what is not a hole, which also brings it into the page cache."""
    with open(path, 'rb', buffering=0) as file:
        for start, end in extents(path):
            while start < end:
                data = os.pread(file.fileno(), min(1 << 20, end - start), start)
                take(start, data)
                start += len(data)


def data_digest(path):
    """A digest over the 64 KiB blocks that are not zero, and where they are."""
    digest, block, zero = hashlib.sha256(), 65536, bytes(65536)
    with open(path, 'rb', buffering=0) as file:
        last = -1
        for start, end in extents(path):
            for index in range(max(start // block, last + 1), (end + block - 1) // block):
                data, last = os.pread(file.fileno(), block, index * block), index
                if data != zero[:len(data)]:
                    digest.update(index.to_bytes(8, 'little') + data)
    return digest.hexdigest()


def warm(paths):
    for path in paths:
        if os.path.isdir(path):
            warm(os.path.join(folder, name) for folder, _, names in os.walk(path)
                 for name in names)
        else:
            read_data(path)


def tree_bytes(path):
    return sum(os.path.getsize(os.path.join(folder, name))
               for folder, _, names in os.walk(path) for name in names)


def remove(*paths):
    for path in paths:
        if os.path.isdir(path):
            shutil.rmtree(path)
        elif os.path.exists(path):
            os.unlink(path)


class Bench:
    def __init__(self, options):
        self.options = options
        self.vmseed = os.path.abspath(options.vmseed)
        self.fleet = options.fleet
        self.work = options.work
        self.disks = [f'{self.fleet}/{name}.img' for name in GUESTS]
        self.definitions = [self.path(f'{name}.xml') for name in GUESTS]
        self.rows, self.notes = [], []
        self.env = dict(os.environ, LC_ALL='C.UTF-8', HOME=self.path('user'),
                        BORG_PASSPHRASE='bench', BORG_BASE_DIR=self.path('borg-base'),
                        RESTIC_PASSWORD='bench', RESTIC_CACHE_DIR=self.path('restic-cache'))
        self.env.pop('VMSEED_HOME', None)
        self.log = self.path('log')

    def path(self, name):
        return os.path.join(self.work, name)

    # ---- running

    def plain(self, *command):
        """A command that is not measured; its output."""
        done = subprocess.run(command, env=self.env, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL)
        if done.returncode:
            sys.exit(f'bench: exit {done.returncode} from {" ".join(command)}\n'
                     f'{done.stdout}{done.stderr}')
        return done.stdout

    def measure(self, command, inputs):
        """(seconds, peak bytes) of one command with the sync after it."""
        os.sync()
        warm(inputs)
        with open(self.log, 'wb') as log:
            start = time.monotonic()
            process = subprocess.Popen(command, env=self.env, stdin=subprocess.DEVNULL,
                                       stdout=log, stderr=log, shell=isinstance(command, str))
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            subprocess.run(['sync', '-f', self.work], check=True)
            seconds = time.monotonic() - start
        if process.returncode:
            with open(self.log, errors='replace') as log:
                sys.exit(f'bench: exit {process.returncode} from {command}\n{log.read()[-3000:]}')
        say(f'  {seconds:7.2f} s  {usage.ru_maxrss / 1024:6.0f} MiB  '
            f'{command if isinstance(command, str) else " ".join(command)}'[:140])
        return seconds, usage.ru_maxrss * 1024

    def rounds(self, job, contenders):
        """contenders: name -> (prepare, command, inputs). The runs of each, in rounds."""
        runs = {name: [] for name in contenders}
        for number in range(self.options.rounds):
            say(f'bench: {job}, round {number + 1} of {self.options.rounds}')
            for name, (prepare, command, inputs) in contenders.items():
                prepare()
                runs[name].append(self.measure(command, inputs))
        return runs

    # ---- results

    def seconds_row(self, job, runs, peer, options, target):
        ratio = statistics.median(ours[0] / theirs[0]
                                  for ours, theirs in zip(runs['vmseed'], runs[peer]))
        middle = {name: statistics.median(run[0] for run in runs[name])
                  for name in ('vmseed', peer)}
        peak = {name: max(run[1] for run in runs[name]) for name in ('vmseed', peer)}
        self.row(job, f'{peer} {options}', f'{middle["vmseed"]:.2f} s', f'{middle[peer]:.2f} s',
                 ratio, target, f'{peak["vmseed"] >> 20}', f'{peak[peer] >> 20}')

    def row(self, job, peer, ours, theirs, ratio, target, our_peak='', their_peak=''):
        verdict = 'met' if ratio <= target else 'MISSED'
        self.rows.append([job, peer, ours, theirs, f'{ratio:.3f}', f'{target:g}', verdict,
                          our_peak, their_peak])

    def table(self):
        head = ['job', 'against', 'vmseed', 'peer', 'ratio', 'target', '', 'MiB', 'peer MiB']
        rows = [head] + self.rows
        widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
        for row in rows:
            print('  '.join(cell.ljust(width) if i in (0, 1, 6) else cell.rjust(width)
                            for i, (cell, width) in enumerate(zip(row, widths))).rstrip())
        for note in self.notes:
            print(note)

    # ---- two sites

    def sites(self):
        for site in ('hq', 'dr'):
            self.plain(self.vmseed, '--home', self.path(site), 'key', 'new', site)
        for site, other in (('hq', 'dr'), ('dr', 'hq')):
            card = self.plain(self.vmseed, '--home', self.path(other), 'key', 'card')
            with open(self.path('card'), 'w') as file:
                file.write(card)
            shown = json.loads(self.plain(self.vmseed, '--home', self.path(other), 'key', 'card',
                                          '--json'))
            self.plain(self.vmseed, '--home', self.path(site), 'key', 'trust', self.path('card'),
                       '--fingerprint', shown['fingerprint'])
        for site in ('hq', 'dr'):       # each round starts with homes that remember nothing
            self.keep_home(site, site + '-new')
        for name, definition in zip(GUESTS, self.definitions):
            with open(f'{self.fleet}/{name}.xml') as file:
                text = re.sub(rf"file='[^']*/{name}\.img'", f"file='{self.fleet}/{name}.img'",
                              file.read())
            with open(definition, 'w') as file:
                file.write(text)

    def keep_home(self, site, name):
        remove(self.path(name))
        shutil.copytree(self.path(site), self.path(name), symlinks=True)

    def fresh(self, site):
        self.keep_home(site + '-new', site)

    def remove(self, *names):
        remove(*map(self.path, names))

    def fresh_medium(self, name):
        self.fresh('hq')
        remove(self.path(name))
        os.mkdir(self.path(name))
        self.plain(self.vmseed, '--home', self.path('hq'), 'media', 'prepare', self.path(name),
                   '--allow-internal')

    def fresh_borg(self):
        remove(self.path('borg'), self.path('borg-base'))
        self.plain('borg', 'init', '-e', 'repokey-blake2', self.path('borg'))

    def fresh_restic(self):
        remove(self.path('restic'), self.path('restic-cache'))
        self.plain('restic', '-r', self.path('restic'), 'init')

    def fresh_folder(self, name):
        remove(self.path(name))
        os.mkdir(self.path(name))

    # ---- jobs

    def export_command(self):
        return [self.vmseed, '--home', self.path('hq'), 'export', '--media', self.path('caddy'),
                '--for', 'dr'] + self.definitions

    def do_export(self):
        names = ' '.join(f'{name}.img' for name in GUESTS)
        tar = f'tar -C {self.fleet} -cSf - {names} | zstd -q -1 -T2 -o {self.path("tar.zst")}'
        runs = self.rounds('export', {
            'vmseed': (lambda: self.fresh_medium('caddy'), self.export_command(), self.disks),
            'tar': (lambda: remove(self.path('tar.zst')), tar, self.disks),
            'borg': (self.fresh_borg,
                     ['borg', 'create', '--chunker-params', 'fixed,65536', '--compression',
                      'zstd,1', self.path('borg') + '::fleet'] + self.disks, self.disks),
            'restic': (self.fresh_restic,
                       ['restic', '-r', self.path('restic'), 'backup', '--compression', 'auto']
                       + self.disks, self.disks),
            'cp': (lambda: self.fresh_folder('copy'),
                   ['cp', '--sparse=always'] + self.disks + [self.path('copy')], self.disks),
        })
        self.seconds_row('export, sealed, read back', runs, 'tar', '-cS | zstd -1 -T2', 0.27)
        self.seconds_row('', runs, 'borg', 'create --chunker-params fixed,65536 '
                         '--compression zstd,1 (repokey-blake2)', 0.22)
        self.seconds_row('', runs, 'restic', 'backup --compression auto', 0.10)
        self.seconds_row('', runs, 'cp', '--sparse=always', 1.2)
        ours, theirs = tree_bytes(self.path('caddy')), tree_bytes(self.path('borg'))
        self.row('bytes on the medium', 'borg create, as above', f'{ours / 1e6:.1f} MB',
                 f'{theirs / 1e6:.1f} MB', ours / theirs, 0.95)
        self.notes.append(f'bytes of the others: tar|zstd {os.path.getsize(self.path("tar.zst")) / 1e6:.1f} MB, '
                          f'restic {tree_bytes(self.path("restic")) / 1e6:.1f} MB')
        remove(self.path('tar.zst'), self.path('borg'), self.path('copy'))

    def need_medium(self):
        if not os.path.exists(self.path('caddy')):
            self.fresh_medium('caddy')
            self.plain(*self.export_command())

    def do_verify(self):
        self.need_medium()
        if not os.path.exists(self.path('restic')):
            self.fresh_restic()
            self.plain('restic', '-r', self.path('restic'), 'backup', *self.disks)
        runs = self.rounds('verify', {
            'vmseed': (lambda: None, [self.vmseed, '--home', self.path('dr'), 'verify', '--media',
                                      self.path('caddy')], [self.path('caddy')]),
            'restic': (lambda: None, ['restic', '-r', self.path('restic'), 'check',
                                      '--read-data'], [self.path('restic')]),
        })
        self.seconds_row('verify, sealed', runs, 'restic', 'check --read-data', 0.35)
        remove(self.path('restic'), self.path('restic-cache'))

    def do_import(self):
        self.need_medium()
        say('bench: packing the disks as zstd qcow2 for qemu-img')
        packed = [self.path(f'{name}.qcow2') for name in GUESTS]
        for disk, target in zip(self.disks, packed):
            if not os.path.exists(target):
                self.plain('qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', '-c', '-o',
                           'compression_type=zstd', disk, target)
        convert = ' && '.join(f'qemu-img convert -f qcow2 -O raw {source} '
                              f'{self.path("raw")}/{name}.img'
                              for source, name in zip(packed, GUESTS))
        runs = self.rounds('import', {
            'vmseed': (lambda: (self.fresh_folder('raw'), self.fresh('dr')),
                       [self.vmseed, '--home', self.path('dr'), 'import', '--media',
                        self.path('caddy')], [self.path('caddy')]),
            'qemu-img': (lambda: (remove(self.path('dr/replicas')), self.fresh_folder('raw')),
                         convert, packed),
            'cp': (lambda: self.fresh_folder('raw'),
                   ['cp', '--sparse=always'] + self.disks + [self.path('raw')], self.disks),
        })
        self.seconds_row('import, verified', runs, 'qemu-img',
                         'convert -f qcow2 -O raw, four zstd images in turn', 0.4)
        self.seconds_row('', runs, 'cp', '--sparse=always', 0.95)
        remove(*packed, self.path('raw'), self.path('caddy'))

    def do_huge(self):
        say('bench: a disk of 16 TiB with 2 GiB in it')
        disk, medium = self.path('huge.img'), self.path('huge-caddy')
        with open(disk, 'wb') as file:
            file.truncate(HUGE_SIZE)
            pieces = HUGE_DATA >> 20
            stride = (HUGE_SIZE // pieces) >> 16 << 16
            for number in range(pieces):
                data = hashlib.shake_128(b'huge %d' % number).digest(1 << 20)
                if number % 2:          # every other piece packs to about half
                    data = data[:1 << 19].hex().encode()
                file.seek(number * stride + (number * 7919 % 64 << 16))
                file.write(data)
        self.fresh_medium('huge-caddy')
        self.fresh('dr')
        for job, command, inputs in (
                ('export', [self.vmseed, '--home', self.path('hq'), 'export', '--media', medium,
                            '--for', 'dr', f'huge={disk}'], [disk]),
                ('verify', [self.vmseed, '--home', self.path('dr'), 'verify', '--media', medium],
                 [medium]),
                ('import', [self.vmseed, '--home', self.path('dr'), 'import', '--media', medium],
                 [medium])):
            seconds, peak = self.measure(command, inputs)
            self.row(f'peak memory, {job}', '16 TiB disk with 2 GiB in it: 256 MiB',
                     f'{peak >> 20} MiB', '256 MiB', peak / HUGE_LIMIT, 1, f'{peak >> 20}')
            self.notes.append(f'{job} of the 16 TiB disk took {seconds:.1f} s')
        status = json.loads(self.plain(self.vmseed, '--home', self.path('dr'), 'status', '--json'))
        copy = next(disk['path'] for replica in status['replicas'] for disk in replica['disks'])
        if os.path.getsize(copy) != HUGE_SIZE or data_digest(copy) != data_digest(disk):
            sys.exit('bench: the replica of the 16 TiB disk is not what was exported')
        remove(disk, medium, self.path('dr'))

    def do_resync(self):
        Resync(self).resync()

    def do_clones(self):
        Resync(self).clones()

    def do_link(self):
        Resync(self).link()

    def describe(self):
        def first_line(*command):
            return self.plain(*command).splitlines()[0]
        with open('/proc/cpuinfo') as file:
            model = next((line.split(':')[1].strip() for line in file
                          if line.startswith('model name')), 'unknown')
        kind = self.plain('stat', '-f', '-c', '%T', self.work).strip()
        data = sum(os.stat(disk).st_blocks * 512 for disk in self.disks)
        self.notes.append(
            f'{self.options.rounds} rounds; {len(self.disks)} disks, {data / 1e9:.1f} GB of data; '
            f'page cache warm; sync included; {os.cpu_count()} CPUs {model}; {kind}\n'
            + '; '.join([first_line('borg', '--version'), first_line('restic', 'version'),
                         first_line('qemu-img', '--version'), first_line('tar', '--version'),
                         first_line('zstd', '--version').strip('* '),
                         ' '.join(first_line('rsync', '--version').split()[:3])]))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--vmseed', required=True)
    parser.add_argument('--fleet', required=True)
    parser.add_argument('--work', required=True)
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('jobs', nargs='*', metavar='JOB')
    options = parser.parse_args()
    jobs = options.jobs or JOBS
    unknown = set(jobs) - set(JOBS)
    if unknown:
        parser.error(f'no job {" ".join(unknown)}')
    bench = Bench(options)
    os.makedirs(bench.path('user'), exist_ok=True)
    bench.sites()
    for job in jobs:
        getattr(bench, f'do_{job}')()
    bench.describe()
    bench.table()


main()
