#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""sweep.py kill|fault|power: cut each operation at every call that changes a file.

  kill    SIGKILL before, after, and in the middle of each; every other rerun is killed as well
  fault   each fails once or for ever with EIO, ENOSPC, EROFS; EINTR and short counts
  power   killed, and what was not synced is lost: all of it, contents, names, or a mixture

After each cut the same command runs again, undisturbed, and must finish with the result that an
undisturbed run has. CRASH_ONLY=OPERATION[,...], CRASH_FROM=N, CRASH_STEP=N (CRASH_RESYNC_STEP=N
for the operations of resync alone, which take longest) narrow a sweep down to look for a cause;
then the counts are not compared with the minimum in minimum.json."""

import errno
import json
import os
import re
import pathlib
import random
import sys

import handover
import operations
from operations import OVER_TWO
from stand import Stand, Wrong

MINIMUM = pathlib.Path(__file__).with_name('minimum.json')
ALIKE = ('export-same', 'export-plaintext')     # in what they do when a call fails
CUT, WENT_ON, NOT_REACHED = 'cut', 'went on', 'not reached'
SHOWN = int(os.environ.get('CRASH_SHOWN', '10'))


class Sweep:
    def __init__(self, kind, stand):
        self.kind, self.stand = kind, stand
        self.only = [name for name in os.environ.get('CRASH_ONLY', '').split(',') if name]
        self.first = int(os.environ.get('CRASH_FROM', '1'))
        self.every = int(os.environ.get('CRASH_STEP', '1'))
        self.every_resync = int(os.environ.get('CRASH_RESYNC_STEP', self.every))
        self.step = self.every
        self.narrow = bool(self.only or self.first > 1 or self.every > 1 or self.every_resync > 1)
        self.random = random.Random(1)
        self.points, self.reruns, self.wrong = 0, 0, 0
        self.counts = {}

    # -- one case

    def called(self):
        """The last call that the shim counted."""
        try:
            lines = self.stand.log.read_text().splitlines()
        except OSError:
            lines = []
        return lines[-1].replace(str(self.stand.run_dir) + '/', '') if lines else 'no call'

    def note(self, operation, shim, at, why):
        self.wrong += 1
        if self.wrong <= SHOWN:
            how = ' '.join(f'{k}={v}' for k, v in shim.items())
            print(f'WRONG: {operation.name}: {how}, at {at}\n{why}\n', flush=True)
        if os.environ.get('CRASH_STOP'):
            raise KeyboardInterrupt

    def case(self, operation, shim, check, rerun_shim=None, between=True):
        """False when the run came to its end without being cut. @check looks at the run that was
        cut, and says CUT, or what else became of it."""
        operation.begin()
        done = operation.run(shim)
        at = self.called()
        try:
            became = check(operation, shim, done, at)
            if became is not CUT:
                self.points += became is WENT_ON
                return became is WENT_ON
            if between:
                operation.between()
            if rerun_shim:
                operation.run(rerun_shim)
                at += f', then {self.called()}'
                operation.between()
            done = operation.run()
            self.reruns += 1
            if done.status != 0:
                raise Wrong(f'the rerun: {done}')
            operation.after()
        except Wrong as why:
            self.note(operation, shim, at, why)
        self.points += 1
        return True

    # -- kinds of check

    @staticmethod
    def killed(operation, shim, done, _at):
        """A run that was not killed must have ended well."""
        if operation.was_cut(shim, done):
            return CUT
        if done.status != 0:
            raise Wrong(f'not killed, and not well: {done}')
        return NOT_REACHED

    def failed(self, operation, shim, done, _at):
        if done.status < 0 or done.status > 9:
            raise Wrong(f'{done}')
        call = self.call_at(shim['AT'])
        if call is None:            # threads: fewer calls this time
            return NOT_REACHED
        if done.status != 0:
            if shim['ACT'] == 'short' or shim['ERRNO'] == errno.EINTR:
                raise Wrong(f'not worth a failure: {done}')
            self.check_words(shim, done)
            return CUT
        said = self.said(done)
        if operation.may_go_unseen(self.calls_until(shim['AT'])):
            operation.promised()    # what could not be removed may still lie there
            return WENT_ON
        if not self.may_succeed(operation, shim, *call) and not said:
            raise Wrong(f'a failed call went unnoticed: {call}: {done}')
        operation.noted = not said
        try:
            operation.after()
        finally:
            operation.noted = True
        return WENT_ON

    def may_succeed(self, operation, shim, op, path):
        if shim['ACT'] == 'short' or shim['ERRNO'] == errno.EINTR:
            return True
        if shim['ERRNO'] == errno.ENOSPC and operation.may_go_on(path):
            return True
        if op in ('unlink', 'rmdir'):       # nothing was promised about what is gone
            return True
        # What is kept of own blocks saves work, and is none when it is not whole.
        if re.search(r'/vms/[0-9a-f-]{36}/(\.tmp-[0-9a-f]+|[^/]*\.own)$', path):
            return True
        # The read-back syncs what was synced before; a read-only file system may refuse that.
        return (shim['ERRNO'] == errno.EROFS and op == 'sync' and
                path.startswith((str(self.stand.medium), str(self.stand.second))))

    def calls_until(self, number):
        lines = [line.split(' ', 2) for line in self.stand.log.read_text().splitlines()]
        return [(op, path) for n, op, path in lines if int(n) <= number]

    @staticmethod
    def said(done):
        """Custody and receipts never fail what is done, but what goes wrong with them is said."""
        return any(line.startswith('vmseed: warning') and ('custody' in line or 'receipt' in line)
                   for line in done.err.splitlines())

    def call_at(self, number):
        calls = self.calls_until(number)
        return calls[number - 1] if len(calls) == number else None

    def check_words(self, shim, done):
        lines = [line for line in done.err.splitlines() if line.startswith('vmseed: ')]
        if not lines or lines[-1].count(': ') < 2:
            raise Wrong(f'no message that names what failed: {done}')
        if shim['ERRNO'] == errno.ENOSPC and done.status not in (7, 3):
            raise Wrong(f'no room is exit 7: {done}')
        if os.environ.get('CRASH_MESSAGES'):
            with open(os.environ['CRASH_MESSAGES'], 'a') as f:
                f.write(f'{self.call_at(shim["AT"])[0]}\t{done.status}\t{lines[-1]}\n')

    # -- sweeps

    def each(self, operation, shim, rerun=None, between=True):
        """At call 1, 2, ... until the operation ends without having come so far."""
        at = self.first
        while self.case(operation, dict(shim, AT=at), self.killed,
                        rerun(at) if rerun else None, between):
            at += self.step

    def kill(self, operation):
        def again(at):
            return {'ACT': 'before', 'AT': self.random.randint(1, max(2, at))}

        # What stands before call N is what stood after call N - 1: looked at once.
        self.each(operation, {'ACT': 'before'}, between=False)
        self.each(operation, {'ACT': 'after'}, again)
        self.each(operation, {'ACT': 'torn', 'OPS': 'write'}, again)

    def fault(self, operation):
        # They differ in what is said about them: every call in three ways, some in the others.
        for name, sticky, step in (('EIO', 0, 1), ('EIO', 1, 1), ('ENOSPC', 0, 1),
                                   ('ENOSPC', 1, 4), ('EROFS', 0, 4), ('EROFS', 1, 4)):
            self.faults(operation, {'ACT': 'fail', 'ERRNO': getattr(errno, name),
                                    'STICKY': sticky}, step)
        self.faults(operation, {'ACT': 'fail', 'ERRNO': errno.EINTR, 'OPS': 'open,write,allocate'})
        self.faults(operation, {'ACT': 'short', 'ERRNO': 0, 'OPS': 'write'})

    def faults(self, operation, shim, step=1):
        """A fault does not always end the run: the number of calls in an undisturbed run bounds
        the sweep."""
        operation.begin()
        operation.run({k: v for k, v in shim.items() if k == 'OPS'})
        last = int(self.called().split()[0])
        for at in range(self.first, last + 1, step * self.step):
            self.case(operation, dict(shim, AT=at), self.failed, between=False)

    def power(self, operation):
        ways = ('all', 'data', 'names', 'mixed')
        for first, lose in enumerate(ways):
            at = self.first + first         # each call in one way, the ways in turn
            while self.case(operation, {'LOSE': f'mixed:{at}' if lose == 'mixed' else lose,
                                        'ACT': 'after', 'AT': at}, self.killed):
                at += self.step * len(ways)
        for lose in ['all', 'data', 'names'] + [f'mixed:{n}' for n in range(20)]:
            shim = {'ACT': 'exit', 'LOSE': lose}
            try:
                self.power_off(operation, shim)
            except Wrong as why:
                self.note(operation, shim, 'its end', why)
            self.points += 1
        self.must_notice(operation, 'files', 'data')
        self.must_notice(operation, 'folders', 'names')

    @staticmethod
    def power_off(operation, shim):
        """Right behind a run that said that all is done."""
        operation.begin()
        done = operation.run(shim)
        if done.status != 0:
            raise Wrong(f'{done}')
        operation.promised()

    def must_notice(self, operation, lie, lose):
        """Without its fsyncs a run keeps no promise: were that not seen here, nothing would be."""
        shim = {'ACT': 'exit', 'LOSE': lose, 'LIE': lie}
        try:
            self.power_off(operation, shim)
        except Wrong:
            return
        self.note(operation, shim, 'its end', 'the sweep does not notice lost fsyncs')

    # -- all

    def run(self):
        for operation in operations.all_of(self.stand) + handover.all_of(self.stand):
            if self.only and operation.name not in self.only:
                continue
            self.step = self.every_resync if operation.name.startswith('resync') else self.every
            self.step *= operation.stride
            if self.kind == 'fault' and operation.name in ALIKE:
                continue
            before = self.points
            getattr(self, self.kind)(operation)
            self.counts[operation.name] = self.points - before
            print(f'{operation.name}: {self.points - before} points', flush=True)

    def conclude(self):
        print(f'{self.kind}: {self.points} points, {self.reruns} reruns, {self.wrong} wrong; '
              f'{self.stand.runs} runs')
        if self.wrong:
            return 1
        if self.narrow:
            return 0
        minimum = json.loads(MINIMUM.read_text())[self.kind]
        if OVER_TWO not in self.counts:
            print(f'{OVER_TWO}: left out, nothing can be mounted here')
            minimum.pop(OVER_TWO, None)
        few = [f'{name}: {self.counts.get(name, 0)} points, at least {least} expected'
               for name, least in minimum.items() if self.counts.get(name, 0) < least]
        print('\n'.join(few), end='\n' if few else '')
        return 1 if few else 0


def main():
    stand = Stand()
    try:
        stand.prepare()
        handover.prepare(stand)
        sweep = Sweep(sys.argv[1], stand)
        sweep.run()
        return sweep.conclude()
    except Wrong as why:
        print(f'before any cut: {why}')
        return 1
    finally:
        if not os.environ.get('CRASH_KEEP'):
            stand.close()


if __name__ == '__main__':
    sys.exit(main())
