#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""xxh3_twins.py A B: two blocks of 64 KiB that differ in every piece of 4 KiB, and whose pieces
have the same XXH3 under its public secret, pair by pair.

A lane of a stripe is folded in as acc[i] += low32(x) * high32(x) with x = data ^ secret, and
acc[i ^ 1] += data. With low32(x) = 0 the product is gone whatever the upper half of the data is,
and only the sum remains: what is added to the upper half in one stripe is taken away in another,
before the accumulators are scrambled behind 16 stripes."""
import ctypes
import ctypes.util
import hashlib
import sys

SECRET_NEEDLE = bytes.fromhex('b8fe6c3923a44bbe7c01812cf721ad1c')     # how the secret begins
PIECE, LANE, FIRST, SECOND = 4096, 3, 2, 9


def secret():
    """Out of the library that is going to be fooled."""
    with open(library_path(), 'rb') as file:
        data = file.read()
    at = data.index(SECRET_NEEDLE)
    return data[at:at + 192]


def library_path():
    ctypes.CDLL('libxxhash.so.0')
    with open('/proc/self/maps') as maps:
        return next(line.split()[-1] for line in maps if 'libxxhash' in line)


def lane_at(stripe):
    return stripe * 64 + LANE * 8


def twins(number, key):
    base = bytearray(hashlib.shake_128(b'piece %d' % number).digest(PIECE))
    for stripe in (FIRST, SECOND):
        at, of_secret = lane_at(stripe), stripe * 8 + LANE * 8
        base[at:at + 4] = key[of_secret:of_secret + 4]
    other = bytearray(base)
    for stripe, step in ((FIRST, 1), (SECOND, -1)):
        at = lane_at(stripe) + 4
        upper = int.from_bytes(base[at:at + 4], 'little')
        other[at:at + 4] = (upper + step * (number + 1) & 0xffffffff).to_bytes(4, 'little')
    return bytes(base), bytes(other)


def main():
    xxh3 = ctypes.CDLL('libxxhash.so.0').XXH3_64bits
    xxh3.restype, xxh3.argtypes = ctypes.c_uint64, (ctypes.c_char_p, ctypes.c_size_t)
    key, blocks = secret(), (b'', b'')
    for number in range(16):
        pair = twins(number, key)
        if pair[0] == pair[1] or xxh3(pair[0], PIECE) != xxh3(pair[1], PIECE):
            sys.exit('the two do not collide')
        blocks = blocks[0] + pair[0], blocks[1] + pair[1]
    for path, block in zip(sys.argv[1:], blocks):
        with open(path, 'wb') as file:
            file.write(block)


main()
