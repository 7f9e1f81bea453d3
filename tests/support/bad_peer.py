#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""bad_peer.py KIND: speak vmseed-wire(5) on stdin and stdout as nobody should; `--list` names the
kinds, `--slow` those that an end has to leave by its own clock."""
import os
import random
import struct
import sys
import threading
import time

ALIVE, START, HELLO, PROOF, BLOCK, BYE = 0, 1, 8, 9, 28, 33
LIMIT = 120             # seconds that any of them lives


def preamble(low=1, high=1, magic=b'VMSEEDWR', zero=bytes(4)):
    return magic + struct.pack('<HH', low, high) + zero


def frame(kind, body=b'', length=None, zero=bytes(3)):
    return struct.pack('<IB', len(body) if length is None else length, kind) + zero + body


def hello(sender, caller, tail=b''):
    """As vmseed-wire(5) has it, of a site that nobody knows."""
    return frame(HELLO, b'\x11' * 16 + b'\x22' * 32 + bytes([sender, caller]) + bytes(6) + tail)


NOISE = random.Random(1).randbytes(100000)
FAST = {
    'nothing': b'',
    'one-byte': b'V',
    'text': b'Last login: Mon Nov  2 from 10.0.0.1\r\nhello\r\n',
    'noise': NOISE,
    'nul': bytes(100000),
    'half-preamble': preamble()[:15],
    'version-0': preamble(0, 0),
    'version-99': preamble(99, 99),
    'version-backwards': preamble(2, 1),
    'preamble-not-zero': preamble(zero=b'\1\0\0\0'),
    'preamble-alone': preamble(),
    'preamble-twice': preamble() * 2,
    'noise-behind-preamble': preamble() + NOISE,
    'half-header': preamble() + b'\1\0\0',
    'huge-frame': preamble() + frame(HELLO, b'x', 0xffffffff),
    'large-frame': preamble() + frame(HELLO, bytes(1 << 20)),
    'largest-frame': preamble() + frame(HELLO, bytes(256 << 10)),
    'header-not-zero': preamble() + frame(HELLO, bytes(60), zero=b'\0\0\1'),
    'empty-hello': preamble() + frame(HELLO),
    'short-hello': preamble() + frame(HELLO, b'x'),
    'long-hello': preamble() + hello(1, 1, bytes(1000)),
    'hello-alone': preamble() + hello(1, 1),
    'hello-same-role': preamble() + hello(1, 0) + hello(0, 1),
    'hello-twice': preamble() + hello(0, 0) * 2,
    'proof-first': preamble() + frame(PROOF, NOISE[:300]),
    'proof-of-noise': preamble() + hello(0, 0) + frame(PROOF, NOISE[:300]),
    'empty-proof': preamble() + hello(0, 0) + frame(PROOF),
    'block-first': preamble() + frame(BLOCK, NOISE[:65552]),
    'bye-first': preamble() + frame(BYE),
    'start-first': preamble() + frame(START, b'\x1b') + NOISE,
    'start-of-huge-window': preamble() + frame(START, b'\xff') + NOISE,
    'start-empty': preamble() + frame(START),
    'start-twice': preamble() + frame(START, b'\x14') * 2,
    'unknown-frames': preamble() + frame(7) + frame(255, b'x') + frame(100),
    'alive-with-body': preamble() + frame(ALIVE, NOISE[:1000]),
}


def out(data):
    while data:
        data = data[os.write(1, data):]


def silent():
    time.sleep(LIMIT)


def silent_behind_preamble():
    out(preamble())
    time.sleep(LIMIT)


def trickle():
    """A byte a second of a frame that would take hours."""
    out(preamble() + frame(HELLO, length=60000))
    for _ in range(LIMIT):
        out(b'x')
        time.sleep(1)


def trickled_preamble():
    for byte in preamble()[:15]:
        out(bytes([byte]))
        time.sleep(LIMIT / 15)


def flood():
    """Frames that say nothing, as fast as they are taken, and never anything else."""
    out(preamble())
    many, until = frame(ALIVE) * 8192, time.monotonic() + LIMIT
    while time.monotonic() < until:
        out(many)


SLOW = {'silent': silent, 'silent-behind-preamble': silent_behind_preamble, 'trickle': trickle,
        'trickled-preamble': trickled_preamble, 'flood': flood}


def drain():
    while os.read(0, 1 << 16):
        pass


def main():
    kind = sys.argv[1]
    if kind in ('--list', '--slow'):
        print('\n'.join(FAST if kind == '--list' else SLOW))
        return
    threading.Thread(target=drain, daemon=True).start()
    try:
        if kind in FAST:
            out(FAST[kind])
        else:
            SLOW[kind]()
    except BrokenPipeError:
        pass
    sys.stderr.close()


main()
