# SPDX-License-Identifier: LGPL-2.1-or-later
"""The jobs "resync", "clones" and "link" of bench.py.

resync  web01 and db01, replicas of the first state, are brought to their .after images over a real
        sshd on loopback, in one command; rsync does the same with copies of the first state
clones  web01, then clones of it that had the same packages installed: the files of web01.after,
        written by the kernel into each clone's own file system
link    web01 over 100 Mbit/s and 100 ms each way: how much of the link is used while blocks flow
        (db01's blocks compress to a seventeenth: there two processors are the limit, not the link)
"""
import json
import os
import re
import sys

GUESTS = ['web01', 'db01']
CLONES = int(os.environ.get('BENCH_CLONES', '10'))
MEMORY = 256 << 20
HERE = os.path.dirname(os.path.abspath(__file__))
PROXY = os.path.join(HERE, '../support/proxy.py')


class Resync:
    def __init__(self, bench):
        self.bench, self.path = bench, bench.path
        self.ssh, self.to = os.environ.get('BENCH_SSH'), os.environ.get('BENCH_SSH_TO')
        self.far_peak = self.path('far-peak')
        self.after = [self.path(f'{name}-after.xml') for name in GUESTS]
        for name, definition in zip(GUESTS, self.after):
            with open(self.path(f'{name}.xml')) as file:
                text = file.read()
            with open(definition, 'w') as file:
                file.write(text.replace(f'/{name}.img', f'/{name}.after.img'))

    # ---- both sites

    def far_program(self):
        """What sshd runs, whatever is asked for: our end of it, its memory noted; or rsync's."""
        with open(os.environ['BENCH_SSH_ALLOWED'], 'w') as file:
            file.write('#!/bin/sh\ncase $SSH_ORIGINAL_COMMAND in\n'
                       'rsync*) exec $SSH_ORIGINAL_COMMAND ;;\n'
                       f'*) exec python3 {HERE}/peak.py {self.far_peak} {self.bench.vmseed} '
                       f'--home {self.path("dr")} serve ;;\nesac\n')
        os.chmod(os.environ['BENCH_SSH_ALLOWED'], 0o755)

    def export_first(self, medium, *vms):
        """Onto a fresh medium; hq as it is then is what each round begins with."""
        self.bench.fresh_medium(medium)
        self.bench.plain(self.bench.vmseed, '--home', self.path('hq'), 'export', '--media',
                         self.path(medium), '--for', 'dr', *vms)
        self.bench.keep_home('hq', 'hq-first')

    def import_first(self, medium):
        """Untimed: dr with replicas of the first state, made anew, so that they prove themselves
        unchanged as they would."""
        self.bench.fresh('dr')
        self.bench.plain(self.bench.vmseed, '--home', self.path('dr'), 'import', '--media',
                         self.path(medium))
        self.bench.keep_home('hq-first', 'hq')

    def command(self, out, *vms, to=None, ssh=None):
        return ' '.join([f'VMSEED_SSH={ssh or self.ssh}', self.bench.vmseed, '--home',
                         self.path('hq'), '--json', '--progress=none', 'resync', '--to',
                         to or f'ssh://{self.to}', *vms, '>', self.path(out)])

    def result(self, out):
        with open(self.path(out)) as file:
            doc = json.load(file)
        if any(vm['result'] == 'failed' for vm in doc['vms']):
            sys.exit(f'bench: not synced: {doc}')
        return doc

    @staticmethod
    def wire(doc):
        return doc['bytes_sent'] + doc['bytes_received']

    def compare(self, name, image):
        status = json.loads(self.bench.plain(self.bench.vmseed, '--home', self.path('dr'),
                                             'status', '--json'))
        copy = next(disk['path'] for replica in status['replicas'] if replica['name'] == name
                    for disk in replica['disks'])
        self.bench.plain('cmp', copy, image)

    # ---- resync

    def rsync_command(self):
        links = ' '.join(self.path(f'after/{name}.img') for name in GUESTS)
        host, port = self.to.rsplit(':', 1)
        return ('rsync -z --zc=zstd --inplace --no-whole-file -L --stats '
                f"-e '{self.ssh} -p {port}' "
                f'{links} {host}:{self.path("rsync")}/ >{self.path("rsync-stats")}')

    def prepare_rsync(self):
        self.bench.fresh_folder('rsync')
        self.bench.fresh_folder('after')
        for name in GUESTS:
            self.bench.plain('cp', '--sparse=always', f'{self.bench.fleet}/{name}.img',
                             self.path(f'rsync/{name}.img'))
            os.symlink(f'{self.bench.fleet}/{name}.after.img', self.path(f'after/{name}.img'))

    def rsync_bytes(self):
        with open(self.path('rsync-stats')) as file:
            text = file.read()
        return sum(int(re.search(rf'Total bytes {way}: ([\d,]+)', text)[1].replace(',', ''))
                   for way in ('sent', 'received'))

    def resync(self):
        bench = self.bench
        images = [f'{bench.fleet}/{name}.after.img' for name in GUESTS]
        firsts = [self.path(f'{name}.xml') for name in GUESTS]
        self.far_program()
        self.export_first('resync-caddy', *firsts)
        runs = bench.rounds('resync', {
            'vmseed': (lambda: self.import_first('resync-caddy'),
                       self.command('resync-out', *self.after), images),
            'rsync': (self.prepare_rsync, self.rsync_command(),
                      images + [self.path('rsync')]),
        })
        for name, image in zip(GUESTS, images):
            self.compare(name, image)
            bench.plain('cmp', self.path(f'rsync/{name}.img'), image)
        bench.seconds_row('resync over ssh, web01 and db01', runs, 'rsync',
                          '-z --zc=zstd --inplace --no-whole-file', 0.15)
        doc = self.result('resync-out')
        ours, theirs = self.wire(doc), self.rsync_bytes()
        bench.row('bytes on the wire', 'rsync, as above', f'{ours / 1e6:.1f} MB',
                  f'{theirs / 1e6:.1f} MB', ours / theirs, 1.0)
        self.memory_rows(runs)
        for vm in doc['vms']:
            bench.notes.append(
                f'resync of {vm["name"]}: {vm["changed_blocks"]} blocks differed, '
                f'{vm["fetched_blocks"]} were sent, {vm["local_blocks"]} found at the destination')
        bench.remove('rsync', 'after', 'resync-caddy')

    def memory_rows(self, runs):
        with open(self.far_peak) as file:
            far = max(map(int, file.read().split()))
        near = max(run[1] for run in runs['vmseed'])
        for end, peak in (('sender', near), ('receiver', far)):
            self.bench.row(f'peak memory, {end}', 'the same resync: 256 MiB',
                           f'{peak >> 20} MiB', '256 MiB', peak / MEMORY, 1, f'{peak >> 20}')

    # ---- clones

    def attach(self, image):
        """A loop device over the root of a guest: its second partition."""
        table = self.bench.plain('sfdisk', '-d', image)
        start, size = re.findall(r'start= *(\d+), size= *(\d+)', table)[1]
        return self.bench.plain('losetup', '-f', '--show', '-o', str(int(start) * 512),
                                '--sizelimit', str(int(size) * 512), image).strip()

    def mounted(self, image, folder, work, options='rw'):
        os.makedirs(folder, exist_ok=True)
        device = self.attach(image)
        try:
            self.bench.plain('mount', '-o', options, device, folder)
            try:
                work(folder)
            finally:
                self.bench.plain('umount', folder)
        finally:
            self.bench.plain('losetup', '-d', device)

    @staticmethod
    def name_clone(number):
        def work(root):
            with open(f'{root}/etc/hostname', 'w') as file:
                file.write(f'clone{number}\n')
            with open(f'{root}/etc/machine-id', 'w') as file:
                file.write(f'{number:032x}\n')
        return work

    def same_packages(self, clones):
        """The files of web01.after in each clone, but for what makes it that clone."""
        def into(after):
            for image in clones:
                self.mounted(image, self.path('root-clone'), lambda root: self.bench.plain(
                    'rsync', '-aHAX', '--delete', '--exclude=/etc/hostname',
                    '--exclude=/etc/machine-id', f'{after}/', f'{root}/'))
        copy = self.path('web01-after.img')     # not even the mount count of the original changes
        self.bench.plain('cp', '--sparse=always', f'{self.bench.fleet}/web01.after.img', copy)
        self.mounted(copy, self.path('root-after'), into, 'ro')
        self.bench.remove('web01-after.img')

    def clones(self):
        bench = self.bench
        bench.fresh_folder('clones')
        clones = [self.path(f'clones/clone{n}.img') for n in range(1, CLONES + 1)]
        for number, image in enumerate(clones, 1):
            bench.plain('cp', '--sparse=always', f'{bench.fleet}/web01.img', image)
            self.mounted(image, self.path('root-clone'), self.name_clone(number))
        vms = [f'clone{n}={image}' for n, image in enumerate(clones, 1)]
        self.far_program()
        self.export_first('clones-caddy', self.path('web01.xml'), *vms)
        self.import_first('clones-caddy')
        bench.remove('clones-caddy')
        self.same_packages(clones)
        bench.measure(self.command('clones-first', self.after[0]), [])
        bench.measure(self.command('clones-rest', *vms), [])
        for number, image in enumerate(clones, 1):
            self.compare(f'clone{number}', image)
        first = self.wire(self.result('clones-first'))
        total = first + self.wire(self.result('clones-rest'))
        bench.row(f'bytes on the wire, web01 and {CLONES} clones', 'web01 alone',
                  f'{total / 1e6:.1f} MB', f'{first / 1e6:.1f} MB', total / first, 1.3)
        bench.remove('clones', 'dr')

    # ---- link

    def link(self):
        bench, report, ssh = self.bench, self.path('link-report'), self.path('link-ssh')
        with open(ssh, 'w') as file:
            file.write(f'#!/bin/sh\nexec {PROXY} --delay-ms 100 --rate 100e6 --report {report} -- '
                       f'{bench.vmseed} --home {self.path("dr")} serve\n')
        os.chmod(ssh, 0o755)
        self.export_first('link-caddy', self.path('web01.xml'))
        self.import_first('link-caddy')
        bench.measure(self.command('link-out', self.after[0], to='ssh://far', ssh=ssh),
                      [f'{bench.fleet}/web01.after.img'])
        self.compare('web01', f'{bench.fleet}/web01.after.img')
        with open(report) as file:
            used = json.load(file)['out']
        bench.row('idle link at 100 Mbit/s, 100 ms each way', 'a tenth of the time',
                  f'{(1 - used["utilisation"]) * 100:.1f} %', '10 %',
                  (1 - used['utilisation']) / .1, 1)
        bench.notes.append(f'over that link: {used["bytes"] / 1e6:.1f} MB, 98 % of them in '
                           f'{used["busy_seconds"]:.1f} s')
        bench.remove('link-caddy', 'dr')
