#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""proxy.py [OPTION...] -- COMMAND...: stand between a program and COMMAND, as a bad link would.

Relays stdin to COMMAND ("out") and what COMMAND writes to stdout ("in"), in user space. Run in
place of ssh it is the wire; exits as COMMAND does, or with 255, as ssh, when it has cut.

  --cut-at N --dir D    pass exactly N bytes of that direction, then close everything
  --stall-at N --dir D  pass N bytes of that direction, then nothing either way, and close nothing
  --trickle RATE        bytes a second, of that direction (both without --dir)
  --delay-ms MS         each direction is so long on its way: a roundtrip takes twice that
  --rate BITS           bits a second, each direction, as a link of that rate with a small buffer
  --record FILE         FILE.out and FILE.in: the bytes; FILE: a line "DIR OFFSET LENGTH WHAT" for
                        each piece of vmseed-wire(5), in the order in which they were complete
  --report FILE         JSON: bytes, and which part of the time the link was in use, between the
                        first and the last hundredth of the bytes
  --seconds N, --bytes N  what it lives at most (900 s, 16 GiB); beyond, it cuts
"""
import argparse
import collections
import errno
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import time

CUT = 255
PIECE = 1 << 16
MAGIC, ZSTD_MAGIC = b'VMSEEDWR', bytes.fromhex('28b52ffd')
START = 1


class Pieces:
    """What the bytes of one direction are made of. Behind a START frame these are zstd's blocks: a
    flush ends one. Give it bytes; it calls @found(offset, length, what)."""

    def __init__(self, found):
        self.found, self.data, self.offset = found, b'', 0
        self.state, self.need = self.preamble, 16

    def feed(self, data):
        self.data += data
        while self.state and len(self.data) >= self.need:
            piece, self.data = self.data[:self.need], self.data[self.need:]
            at, self.offset = self.offset, self.offset + len(piece)
            what = self.state(piece)
            if piece:
                self.found(at, len(piece), what)
        if not self.state and self.data:
            self.found(self.offset, len(self.data), 'bytes')
            self.offset, self.data = self.offset + len(self.data), b''

    def end(self):
        if self.data:
            self.found(self.offset, len(self.data), 'cut')

    def to(self, state, need):
        self.state, self.need = state, need

    def preamble(self, piece):
        known = piece.startswith(MAGIC)
        self.to(self.header if known else None, 8)
        return 'preamble' if known else 'bytes'

    def header(self, piece):
        length, kind = int.from_bytes(piece[:4], 'little'), piece[4]
        self.to(lambda _: self.body(kind), length)
        return f'header {kind}'

    def body(self, kind):
        self.to(*((self.zstd, 5) if kind == START else (self.header, 8)))
        return f'frame {kind}'

    def zstd(self, piece):
        if piece[:4] != ZSTD_MAGIC:
            self.to(None, 0)
            return 'bytes'
        bits = piece[4]
        single, self.checksum = bits >> 5 & 1, 4 * (bits >> 2 & 1)
        size = (single, 2, 4, 8)[bits >> 6]
        self.to(self.zstd_rest, (not single) + (0, 1, 2, 4)[bits & 3] + size)
        return 'zstd'

    def zstd_rest(self, _piece):
        self.to(self.block_header, 3)
        return 'zstd header'

    def block_header(self, piece):
        word = int.from_bytes(piece, 'little')
        last, kind, size = word & 1, word >> 1 & 3, word >> 3
        self.to(lambda _: self.block(last), 1 if kind == 1 else size)
        return 'block header'

    def block(self, last):
        if last and self.checksum:
            self.to(self.trailer, self.checksum)
        else:
            self.to(*((self.zstd, 5) if last else (self.block_header, 3)))
        return 'block'

    def trailer(self, _piece):
        self.to(self.zstd, 5)
        return 'checksum'


class Link:
    """One direction: a serial line of @rate bytes a second (0: none), then @delay seconds."""

    def __init__(self, name, src, dst, delay, rate):
        self.name, self.src, self.dst, self.delay, self.rate = name, src, dst, delay, rate
        self.queue, self.queued, self.passed = collections.deque(), 0, 0
        self.free, self.busy = 0.0, []      # when the line is free; [start, end, bytes] of its use
        self.eof = self.done = self.stalled = False
        self.stop_at = None
        # What is on its way at most, and a buffer in front of it, as a kernel has: large enough
        # that the line does not idle while this program is asleep.
        self.room = int(rate * delay) + (1 << 18) if rate else (1 << 26 if delay else 1 << 18)
        if rate and rate < 1 << 16:
            self.room = PIECE
        self.step = max(1, min(PIECE, int(rate / 500))) if rate else PIECE

    def wants(self):
        return not self.eof and self.queued < self.room

    def take(self, data, now):
        """Onto the line, in steps that each arrive when their last bit does."""
        self.queued += len(data)
        if not self.rate:
            self.note(now, now, len(data))
            self.queue.append((now + self.delay, memoryview(data)))
            return
        for at in range(0, len(data), self.step):
            part = memoryview(data)[at:at + self.step]
            start = max(now, self.free)
            self.free = start + len(part) / self.rate
            self.note(start, self.free, len(part))
            self.queue.append((self.free + self.delay, part))

    def note(self, start, end, count):
        if self.busy and start - self.busy[-1][1] < 1e-9:
            self.busy[-1][1] = end
            self.busy[-1][2] += count
        elif len(self.busy) < 1 << 20:
            self.busy.append([start, end, count])

    def due(self):
        return self.queue[0][0] if self.queue and not self.stalled else None

    def deliver(self):
        """Write what is due. True when the point to stop at is reached."""
        now = time.monotonic()
        while self.queue and self.queue[0][0] <= now and not self.at_stop():
            due, part = self.queue[0]
            if self.stop_at is not None:
                part = part[:self.stop_at - self.passed]
            try:
                count = os.write(self.dst, part)
            except BlockingIOError:
                return False
            self.passed += count
            self.queued -= count
            whole = self.queue[0][1]
            if count == len(whole):
                self.queue.popleft()
            else:
                self.queue[0] = (due, whole[count:])
        return self.at_stop()

    def at_stop(self):
        return self.stop_at is not None and self.passed >= self.stop_at

    def used(self):
        """(share of the time in which the line was in use, seconds), of the middle 98 % of the
        bytes. Without a rate a line is never in use for any time."""
        total = sum(b[2] for b in self.busy)
        low, high, seen, inside, first, last = total * .01, total * .99, 0, 0.0, None, None
        for start, end, count in self.busy:
            def when(target):
                return start + (end - start) * min(1, max(0, (target - seen) / count))
            if seen + count > low and seen < high:
                begin, finish = when(low), when(high)
                first = begin if first is None else first
                last, inside = finish, inside + finish - begin
            seen += count
        if first is None or last <= first:
            return None, 0.0
        return inside / (last - first), last - first


class Proxy:
    def __init__(self, options):
        self.options = options
        self.child = subprocess.Popen(options.command, stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, bufsize=0)
        trickled = options.dir or ('out', 'in')

        def link(name, src, dst):
            rate = options.rate / 8
            if options.trickle and name in trickled:
                rate = options.trickle
            return Link(name, src, dst, options.delay_ms / 1000, rate)
        self.links = {'out': link('out', os.dup(0), self.child.stdin.fileno()),
                      'in': link('in', self.child.stdout.fileno(), os.dup(1))}
        for fd in (0, 1):       # held by the links alone
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, fd)
            os.close(null)
        self.flags = {}
        for each in self.links.values():
            self.flags[each.dst] = fcntl.fcntl(each.dst, fcntl.F_GETFL)
            fcntl.fcntl(each.dst, fcntl.F_SETFL, self.flags[each.dst] | os.O_NONBLOCK)
        stop = options.cut_at if options.cut_at is not None else options.stall_at
        if stop is not None:
            self.links[options.dir].stop_at = stop
        self.began = time.monotonic()
        self.records, self.pieces, self.index = {}, {}, None
        if options.record:
            self.begin_record(options.record)

    # -- transcript

    def begin_record(self, path):
        self.index = open(path, 'w')
        for name in self.links:
            self.records[name] = open(f'{path}.{name}', 'wb')
            self.pieces[name] = Pieces(
                lambda at, length, what, name=name:
                self.index.write(f'{name} {at} {length} {what}\n'))

    def end_record(self):
        for pieces in self.pieces.values():
            pieces.end()
        for file in [*self.records.values(), self.index]:
            if file:
                file.close()

    def report(self):
        out = {'seconds': time.monotonic() - self.began}
        for name, link in self.links.items():
            share, seconds = link.used()
            out[name] = {'bytes': link.passed, 'utilisation': share, 'busy_seconds': seconds}
        with open(self.options.report, 'w') as file:
            json.dump(out, file)

    # -- relaying

    def read(self, link):
        data = os.read(link.src, PIECE)
        if not data:
            link.eof = True
            return
        if link.name in self.records:
            self.records[link.name].write(data)
            self.pieces[link.name].feed(data)
        link.take(data, time.monotonic())

    def close(self, link):
        """No more in this direction: the reader sees the end, the writer a broken pipe."""
        if link.done:
            return
        link.done = link.eof = True
        link.queue.clear()
        fcntl.fcntl(link.dst, fcntl.F_SETFL, self.flags[link.dst])
        for fd in (link.src, link.dst):
            os.close(fd)

    def cut(self, why):
        for link in self.links.values():
            self.close(link)
        print(f'proxy: {why}', file=sys.stderr)

    def over(self):
        if time.monotonic() - self.began > self.options.seconds:
            return f'{self.options.seconds} seconds are over'
        if sum(link.passed for link in self.links.values()) > self.options.bytes:
            return f'more than {self.options.bytes} bytes'
        return None

    def step(self, pidfd):
        """Wait for something and do it."""
        now, wake = time.monotonic(), 1.0
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        for link in self.links.values():
            if link.done:
                continue
            if link.wants():
                poll.register(link.src, select.POLLIN)
            due = link.due()
            if due is not None and due <= now:
                poll.register(link.dst, select.POLLOUT)
            elif due is not None:
                wake = min(wake, due - now)
        ready = dict(poll.poll(max(0, wake) * 1000))
        for link in self.links.values():
            if link.done:
                continue
            if link.src in ready:
                self.read(link)
            try:
                if link.due() is not None and link.deliver():
                    return self.stop(link)
            except OSError as why:
                if why.errno not in (errno.EPIPE, errno.ECONNRESET):
                    raise
                self.close(link)
                continue
            if link.eof and not link.queue:
                self.close(link)
        return False

    def stop(self, link):
        if self.options.stall_at is None:
            self.cut(f'cut after {link.passed} bytes {link.name}')
            return True
        for each in self.links.values():
            each.stalled, each.eof = True, True
        return False

    def relay(self):
        """The exit status when we cut, None when the command ended by itself."""
        pidfd = os.pidfd_open(self.child.pid)
        for link in self.links.values():
            if link.at_stop() and self.stop(link):
                return CUT
        while not self.links['in'].done or not self.links['out'].done:
            if self.links['in'].done and self.child.poll() is not None:
                break
            if self.step(pidfd):
                return CUT
            why = self.over()
            if why:
                self.cut(why)
                return CUT
        return None

    def run(self):
        status = self.relay()
        for link in self.links.values():
            self.close(link)
        try:
            ended = self.child.wait(20)
        except subprocess.TimeoutExpired:
            self.child.terminate()
            ended = self.child.wait(20)
        self.end_record()
        if self.options.report:
            self.report()
        if status is None:
            status = ended if ended >= 0 else 128 - ended
        return status


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument('--cut-at', type=int)
    parser.add_argument('--stall-at', type=int)
    parser.add_argument('--dir', choices=('out', 'in'))
    parser.add_argument('--trickle', type=float, default=0)
    parser.add_argument('--delay-ms', type=float, default=0)
    parser.add_argument('--rate', type=float, default=0)
    parser.add_argument('--record')
    parser.add_argument('--report')
    parser.add_argument('--seconds', type=float, default=900)
    parser.add_argument('--bytes', type=int, default=16 << 30)
    parser.add_argument('command', nargs='+')
    options = parser.parse_args()
    if (options.cut_at is not None or options.stall_at is not None) and not options.dir:
        parser.error('--cut-at and --stall-at need --dir')
    proxy = Proxy(options)

    def stopped(number, _frame):
        proxy.child.terminate()
        os._exit(128 + number)
    signal.signal(signal.SIGTERM, stopped)
    signal.signal(signal.SIGINT, stopped)
    return proxy.run()


if __name__ == '__main__':
    sys.exit(main())
