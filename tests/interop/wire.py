# SPDX-License-Identifier: LGPL-2.1-or-later
"""The protocol for peer.py: signed documents, trees and hints, messages, frames.

Written from vmseed-wire(5), vmseed-manifest(5) and vmseed-media(5) alone; see peer.py.
"""
import base64
import hashlib
import json
import os
import re
import select
import struct
import time

import zstandard
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

BLOCK, PIECE, FRAME_MAX, PART = 65536, 4096, 262144, 131072
ZERO, MISSING = bytes(32), b"\xff" * 32
ALIVE, START, HELLO, PROOF = 0, 1, 8, 9
NAMES = dict(enumerate("WANT HEAD MORE OFFER BASE FILE CHANGES CHANGES_END DESCEND NODES NEED "
                       "REQUEST BLOCK ARRIVED MANIFEST RECEIPT REFUSE FAIL BYE PROGRESS NOTE DONE".split(),
                       16)) | {HELLO: "HELLO", PROOF: "PROOF"}
TYPES = {name: number for number, name in NAMES.items()}
DOCUMENTS = ("PROOF", "OFFER", "MANIFEST", "RECEIPT")
KINDS = ("system usage range format integrity trust identity medium busy locked partial "
         "cancelled not-found link").split()
FORMAT, INTEGRITY, TRUST, IDENTITY, NOT_FOUND, LINK = (KINDS.index(kind) for kind in (
    "format", "integrity", "trust", "identity", "not-found", "link"))
DESCEND, EQUAL, LISTED = range(3)
WHOLE, PIECES, ZEROES = range(3)


class Bad(Exception):
    """What is wrong, and its kind."""

    def __init__(self, what, kind=FORMAT):
        super().__init__(what)
        self.kind = kind


def need(true, what, kind=FORMAT):
    if not true:
        raise Bad(what, kind)


def sha256(data):
    return hashlib.sha256(data).digest()


# ---- signed documents ----

def unique(pairs):
    need(len({key for key, _ in pairs}) == len(pairs), "JSON: a key stands twice")
    return dict(pairs)


def parse_json(text):
    try:
        return json.loads(text.decode(), object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise Bad(f"JSON: {error}") from error


def members(value, names, what, optional=""):
    need(isinstance(value, dict) and set(names.split()) <= set(value) <=
         set((names + " " + optional).split()), f"{what}: not an object of {names}")
    return value


def key_text(raw):
    return base64.b64encode(b"Ed" + sha256(raw)[:8] + raw).decode()


def sign(key, raw, kind, doc):
    text = json.dumps({"type": kind, "version": 1, "key": key_text(raw), **doc}, indent=1)
    text = text.encode() + b"\n"
    signature = key.sign(hashlib.blake2b(text).digest())
    comment = b"vmseed " + kind.encode()
    return text, b"untrusted comment: peer.py\n%s\ntrusted comment: %s\n%s\n" % (
        base64.b64encode(b"ED" + sha256(raw)[:8] + signature), comment,
        base64.b64encode(key.sign(signature + comment)))


def check_signature(text, minisig, raw):
    need(len(minisig) <= 1023, "a signature that is too long")
    lines = re.fullmatch(rb"untrusted comment: [^\r\n]*\n(.*)\ntrusted comment: ([^\r\n]*)\n(.*)\n",
                         minisig)
    need(lines, "a signature of another form")
    try:
        first, last = (base64.b64decode(lines[i], validate=True) for i in (1, 3))
    except ValueError as error:
        raise Bad("a signature of another form") from error
    need(first[:10] == b"ED" + sha256(raw)[:8] and len(first) == 74 and len(last) == 64,
         "a signature by another key", TRUST)
    public = ed25519.Ed25519PublicKey.from_public_bytes(raw)
    try:
        public.verify(first[10:], hashlib.blake2b(text).digest())
        public.verify(last, first[10:] + lines[2])
    except InvalidSignature as error:
        raise Bad("a signature that does not hold", TRUST) from error


def document(bundle, kind, most, raw, names):
    """What @bundle says, once it is the document of that key."""
    need(len(bundle) >= 4, f"{kind}: cut")
    length = struct.unpack_from("<I", bundle)[0]
    need(length <= min(most, len(bundle) - 4), f"{kind}: too long")
    text, minisig = bundle[4:4 + length], bundle[4 + length:]
    check_signature(text, minisig, raw)
    doc = members(parse_json(text), "type version key " + names, kind)
    need((doc["type"], doc["version"], doc["key"]) == (kind, 1, key_text(raw)),
         f"not a {kind} of version 1 by this key", TRUST)
    return doc, text, minisig


def open_card(path):
    with open(path, "rb") as file:
        lines = file.read(8193).splitlines(keepends=True)
    text, minisig = b"".join(lines[:-4]), b"".join(lines[-4:])
    doc = members(parse_json(text), "type version key name site receiving_key", "card")
    raw = base64.b64decode(doc["key"])[10:]
    check_signature(text, minisig, raw)
    need(key_text(raw) == doc["key"] and doc["type"] == "card", "not a card")
    return doc["site"], raw


# ---- disks: digests, the tree, hints ----

def entry(data):
    """The list entry of a block."""
    return sha256(data) if any(data) else ZERO


def length_of(size, index):
    return min(BLOCK, size - index * BLOCK)


def entries_of(path, size):
    """A disk of @size bytes that begins as the file @path does."""
    found = []
    with open(path, "rb") as file:
        for index in range(-(-size // BLOCK)):
            data = file.read(BLOCK)[:length_of(size, index)]
            found.append(entry(data + bytes(length_of(size, index) - len(data))))
    return found


def tree_of(entries, size):
    """Its levels, from the leaves to the root."""
    def leaf(index, digest):
        return sha256(b"\0" + (sha256(bytes(length_of(size, index))) if digest == ZERO else digest))
    levels = [[leaf(i, digest) for i, digest in enumerate(entries)]]
    while len(levels[-1]) > 1:
        below = levels[-1]
        levels.append([sha256(b"\1" + below[i] + below[i + 1]) if i + 1 < len(below) else below[i]
                       for i in range(0, len(below), 2)])
    return levels


def root_of(entries, size):
    return tree_of(entries, size)[-1][0] if entries else sha256(b"")


def hint_secret(seed):
    return HKDF(hashes.SHA256(), 192, None, b"vmseed hint 1").derive(seed)


P32 = 0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D
P64 = (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63,
       0x27D4EB2F165667C5)
M64 = (1 << 64) - 1


def hint(secret, piece):
    """The low half of XXH3_64bits_withSecret() of 4096 bytes, with a secret of 192."""
    need(len(piece) == PIECE and len(secret) == 192, "not a piece")
    acc = [P32[2], *P64[:4], P32[1], P64[4], P32[0]]

    def stripe(at, key_at):
        data, key = struct.unpack_from("<8Q", piece, at), struct.unpack_from("<8Q", secret, key_at)
        for i in range(8):
            mixed = data[i] ^ key[i]
            acc[i ^ 1] = acc[i ^ 1] + data[i] & M64
            acc[i] = acc[i] + (mixed & 0xFFFFFFFF) * (mixed >> 32) & M64

    for n in range(63):
        stripe(64 * n, 8 * (n % 16))
        if n % 16 == 15:
            key = struct.unpack_from("<8Q", secret, 128)
            acc[:] = [((a ^ a >> 47 ^ k) * P32[0]) & M64 for a, k in zip(acc, key)]
    stripe(PIECE - 64, 192 - 64 - 7)
    key, out = struct.unpack_from("<8Q", secret, 11), PIECE * P64[0]
    for i in range(0, 8, 2):
        product = (acc[i] ^ key[i]) * (acc[i + 1] ^ key[i + 1])
        out += product & M64 ^ product >> 64
    out &= M64
    out = (out ^ out >> 37) * 0x165667919E3779F9 & M64
    return (out ^ out >> 32) & 0xFFFFFFFF


# ---- messages ----

class Take:
    """A body, from front to back."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def bytes(self, count):
        need(self.at + count <= len(self.data), "a message that is cut")
        self.at += count
        return self.data[self.at - count:self.at]

    def uint(self, count):
        return int.from_bytes(self.bytes(count), "little")

    def below(self, count, most, what):
        value = self.uint(count)
        need(value <= most, what)
        return value

    def zero(self, count):
        need(not any(self.bytes(count)), "bytes that should be zero")

    def text(self, most):
        try:
            text = self.bytes(self.below(1, most, "a text that is too long")).decode()
        except UnicodeDecodeError as error:
            raise Bad("a text that is no UTF-8") from error
        need(text and "\0" not in text, "an empty text")
        return text

    def rest(self):
        return self.bytes(len(self.data) - self.at)

    def left(self):
        return self.at < len(self.data)


def take_part(t):
    last, _ = t.below(1, 1, "last"), t.zero(7)
    need(t.left() or last, "an empty part")
    need(len(t.data) - 8 <= PART, "a long part")
    return {"last": last, "part": t.rest()}


def take_head(t):
    m = {"origin": t.bytes(16).hex(), "uuid": t.bytes(16), "flags": t.below(1, 7, "flags")}
    count = t.below(1, 64, "disks")
    m |= {"keep": t.uint(2), "files": t.bytes(32), "name": t.text(255), "disks": []}
    need(count, "a VM without disks")
    for _ in range(count):
        m["disks"].append({"slot": t.text(32), "size": t.below(8, 1 << 50, "size"),
                           "root": t.bytes(32)})
    need(len({disk["slot"] for disk in m["disks"]}) == count, "a slot twice")
    for disk in m["disks"]:
        need(re.fullmatch("[A-Za-z0-9:._-]+", disk["slot"]) and disk["slot"] not in (".", ".."),
             "a slot")
    return m


def take_changes(t):
    m = {"disk": t.uint(1), "runs": []}
    t.zero(3)
    while t.left() or not m["runs"]:
        start, count, kind = t.uint(8), t.uint(4), t.below(4, 1, "kind")
        need(count, "an empty run")
        m["runs"].append((start, [t.bytes(32) for _ in range(count)] if kind else [ZERO] * count))
    need(all(digest not in (MISSING,) for _, run in m["runs"] for digest in run), "missing")
    return m


def take_counted(t, most, flag_most, each):
    m = {"disk": t.uint(1), "flag": t.below(1, flag_most, "flag")}
    count = t.below(2, most, "count")
    t.zero(4)
    need(count, "nothing asked for")
    return m | {"asked": [each(t, m["flag"]) for _ in range(count)]}


def take_block(t):
    m = {"disk": t.uint(1), "form": t.below(1, 2, "form"), "changed": t.below(1, 1, "changed")}
    t.zero(1)
    m["pieces"] = t.uint(2)
    t.zero(2)
    m |= {"index": t.uint(8), "digest": t.bytes(32) if m["changed"] else None, "data": t.rest()}
    need(len(m["data"]) <= BLOCK and (m["form"] == PIECES or not m["pieces"]), "a BLOCK")
    if m["form"] == ZEROES:
        need(m["digest"] == ZERO and not m["data"], "a BLOCK of zeroes")
    elif m["form"] == WHOLE:
        need(m["data"], "a BLOCK of nothing")
    return m


def take_error(t):
    kind, _ = t.uint(1), t.zero(7)
    text = t.rest()
    need(len(text) <= 487 and 0 not in text, "a long word")
    return {"kind": KINDS[kind] if kind < len(KINDS) else "system",
            "text": text.decode(errors="replace")}


TAKES = {
    "HELLO": lambda t: {"site": t.bytes(16).hex(), "nonce": t.bytes(32),
                        "sender": t.below(1, 1, "part"), "caller": t.below(1, 1, "caller"),
                        "": t.zero(6)},
    "WANT": lambda t: {"flags": t.below(1, 7, "flags"), "": t.zero(7), "limit": t.uint(8),
                       "name": t.text(255)},
    "HEAD": take_head,
    "MORE": lambda t: {},
    "BASE": lambda t: {"seed": t.bytes(32), "files": t.uint(8),
                       "modes": [t.below(1, 2, "mode") for _ in range(t.below(1, 64, "disks"))]},
    "FILE": lambda t: {"file": t.uint(1), "last": t.below(1, 1, "last"), "": t.zero(6),
                       "part": t.rest()},
    "CHANGES": take_changes,
    "CHANGES_END": lambda t: {"disk": t.uint(1)},
    "DESCEND": lambda t: take_counted(t, 96, 63, lambda t, _: t.uint(8)),
    "NODES": lambda t: {"disk": t.uint(1), "level": t.uint(1), "": t.zero(6), "nodes": t.rest()},
    "NEED": lambda t: dict(zip(("changed", "fetched", "local", "journal"),
                               (t.below(8, 1 << 40, "count") for _ in range(4)))),
    "REQUEST": lambda t: take_counted(t, 256, 1, lambda t, hints: (
        t.uint(8), [t.uint(4) for _ in range(16 * hints)])),
    "BLOCK": take_block,
    "REFUSE": take_error,
    "FAIL": take_error,
    "NOTE": take_error,
    "BYE": lambda t: {},
    "DONE": lambda t: {},
    "PROGRESS": lambda t: {"phase": t.below(1, 2, "phase"), "": t.zero(7), "done": t.uint(8),
                           "of": t.uint(8)},
}
TAKES["ARRIVED"] = TAKES["NEED"]
TAKES |= {name: take_part for name in DOCUMENTS}


def take(name, body):
    try:
        t = Take(body)
        message = TAKES[name](t)
        need(not t.left(), "too long")
    except Bad as bad:
        raise Bad(f"{name}: {bad}") from bad
    return message


def check_preamble(data):
    need(data[:8] == b"VMSEEDWR", "no preamble")
    lowest, highest, zero = struct.unpack("<HHI", data[8:])
    need(lowest <= 1 <= highest and zero == 0, "no version in common")


PREAMBLE = b"VMSEEDWR" + struct.pack("<HHI", 1, 1, 0)


# ---- the connection ----

class Link:
    """Frames over two descriptors."""

    def __init__(self, fd_in, fd_out, record):
        self.fd_in, self.fd_out, self.buffer = fd_in, fd_out, b""
        self.zin = self.zout = None
        self.said = self.heard = self.begun = time.monotonic()
        self.notes = self.progress = 0
        self.proven = False
        self.record = record and [open(os.path.join(record, name), "wb")
                                  for name in ("receiver", "sender")]
        self.write(PREAMBLE)
        check_preamble(self.bytes(16))
        self.note(0, PREAMBLE)
        self.note(1, PREAMBLE)

    def note(self, side, data):
        if self.record:
            self.record[side].write(data)
            self.record[side].flush()

    def write(self, data):
        while data:
            data = data[os.write(self.fd_out, data):]
        self.said = time.monotonic()

    def bytes(self, count):
        while len(self.buffer) < count:
            if select.select([self.fd_in], [], [], 5)[0]:
                data = os.read(self.fd_in, 1 << 20)
                need(data, "the connection ended", LINK)
                self.buffer += self.zin.decompress(data) if self.zin else data
                self.heard = time.monotonic()
            need(time.monotonic() - self.heard < 60, "silence", LINK)
            if time.monotonic() - self.said > 10:
                self.frame(ALIVE, b"")
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def frame(self, number, body):
        data = struct.pack("<IB3x", len(body), number) + body
        if number not in (ALIVE, START):
            self.note(0, data)
        if self.zout:
            data = self.zout.compress(data) + self.zout.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        self.write(data)

    def send(self, name, body=b""):
        self.frame(TYPES[name], body)

    def send_document(self, name, text, minisig):
        bundle = struct.pack("<I", len(text)) + text + minisig
        for at in range(0, len(bundle), PART):
            self.send(name, bytes([at + PART >= len(bundle)]) + bytes(7) + bundle[at:at + PART])

    def start(self, window):
        self.frame(START, bytes([window]))
        options = zstandard.ZstdCompressionParameters.from_level(3, window_log=window)
        self.zout = zstandard.ZstdCompressor(compression_params=options).compressobj()

    def receive(self):
        """The next message: its name and what it says."""
        while True:
            length, number, zero = struct.unpack("<IB3s", self.bytes(8))
            need(length <= FRAME_MAX and not any(zero), "no frame")
            body = self.bytes(length)
            if number == START:
                need(self.proven and length == 1 and 10 <= body[0] <= 27 and not self.zin, "START")
                self.zin = zstandard.ZstdDecompressor(
                    max_window_size=1 << body[0]).decompressobj()
                self.buffer = self.zin.decompress(self.buffer) if self.buffer else b""
                continue
            if number == ALIVE:
                need(not length, "ALIVE")
                continue
            need(number in NAMES, "a message of unknown type")
            name = NAMES[number]
            message = take(name, body)
            if name in ("PROGRESS", "NOTE"):
                self.by_the_way(name)
                continue
            self.proven |= name == "PROOF" and message["last"]
            self.notes *= name != "HEAD"
            self.note(1, struct.pack("<IB3x", length, number) + body)
            if name == "FAIL":
                raise Bad(f"they say: {message['text']}", LINK)
            return name, message

    def by_the_way(self, name):
        need(self.proven, f"{name} before PROOF")
        self.notes += name == "NOTE"
        self.progress += name == "PROGRESS"
        need(self.notes <= 128, "too many NOTEs")
        need(self.progress <= 64 + 2 * (time.monotonic() - self.begun), "too many PROGRESSes")

    def expect(self, *names):
        name, message = self.receive()
        need(name in names, f"{name} where none may come")
        return (name, message) if len(names) > 1 else message

    def bundle(self, name, most, message=None):
        message = message or self.expect(name)
        data = message["part"]
        while not message["last"]:
            message = self.expect(name)
            data += message["part"]
            need(len(data) <= most + 1027, f"{name}: too long")
        return data
