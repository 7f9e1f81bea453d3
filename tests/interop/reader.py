#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Read a medium by its manual pages: vmseed-media(5), vmseed-manifest(5), vmseed-pack(5).

    reader.py [--receive PEM --site ID] KEY MEDIUM list
    reader.py [--receive PEM --site ID] KEY MEDIUM check
    reader.py [--receive PEM --site ID] KEY MEDIUM restore SEED SLOT FILE

KEY is the exporter's minisign public key. Written from the pages alone and sharing no line with
vmseed, so that it shows whether they say enough. Python's standard library, and the commands
minisign and zstd; for sealed sets sealed.py, which needs python3-cryptography.
"""
import argparse
import base64
import hashlib
import json
import os
import re
import struct
import subprocess
import sys

BLOCK = 65536
ID, SHA256 = r"[0-9a-f]{32}", r"[0-9a-f]{64}"
ZERO, DATA, MISSING = 0, 1, 2


class Bad(Exception):
    """What is wrong, the file's name first."""


def need(true, where, what):
    if not true:
        raise Bad(f"{where}: {what}")


def read(path, most):
    try:
        with open(path, "rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise Bad(f"{path}: {error.strerror}") from error
    need(len(data) <= most, path, "too long")
    return data


def digest(data):
    return hashlib.sha256(data).digest()


# ---- signed documents ----

def members(path, value, names):
    need(isinstance(value, dict) and set(value) == set(names.split()), path,
         f"not an object of {names}")
    return value


def unique(pairs):
    need(len({key for key, _ in pairs}) == len(pairs), "JSON", "a key stands twice")
    return dict(pairs)


def no_number(text):
    raise Bad(f"JSON: {text} is no whole number")


def one_base64(text, length):
    """Is it @length bytes, in the one way in which base64 writes them?"""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        return False
    return len(data) == length and base64.b64encode(data) == text


def check_signature(path, key):
    """By minisign itself; -H: the prehashed form alone."""
    need(os.path.exists(path) and os.path.exists(path + ".minisig"), path,
         "the document or its signature is missing")
    form = rb"untrusted comment: [^\r\n]*\n(.*)\ntrusted comment: [^\r\n]*\n(.*)\n"
    lines = re.fullmatch(form, read(path + ".minisig", 1023))
    for i, length in (1, 74), (2, 64):
        need(lines and one_base64(lines[i], length), path, "its signature has another form")
    done = subprocess.run(["minisign", "-VHqm", path, "-P", key], stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    need(done.returncode == 0, path, "its signature does not hold")


def parse(path, data, kind, key, names):
    try:
        doc = json.loads(data.decode(), object_pairs_hook=unique, parse_float=no_number,
                         parse_constant=no_number)
    except (ValueError, RecursionError) as error:
        raise Bad(f"{path}: {error}") from error
    members(path, doc, "type version key " + names)
    need((doc["type"], doc["version"], doc["key"]) == (kind, 1, key), path,
         f"not a {kind} of version 1 by this key")
    return doc


def document(path, most, kind, key, names):
    """A document whose signature holds, and its bytes."""
    data = read(path, most)
    check_signature(path, key)
    return parse(path, data, kind, key, names), data


# ---- the medium and its volumes ----

class Volume:
    """One set on the medium: its state by the section "What counts"."""

    def __init__(self, medium, set_id, key, medium_id, receiver):
        self.dir = os.path.join(medium, "vmseed", set_id)
        self.set, self.key = set_id, key
        path = self.path("volume.json")
        self.head, _ = document(path, 65536, "volume", key,
                                "set volume medium site sealed recipients")
        need(self.head["set"] == set_id, path, "of another set")
        need(self.head["medium"] == medium_id, path, "of another medium")
        self.sealed = self.head["sealed"]
        need(self.sealed == (len(self.head["recipients"]) > 0), path, "recipients do not fit")
        self.vault = receiver.open(self.head, set_id, key) if self.sealed and receiver else None
        self.packs, self.files, self.seeds, self.problems = {}, {}, [], []
        self.take_commits()

    def path(self, name):
        return os.path.join(self.dir, name)

    def numbers(self):
        found = set()
        for name in os.listdir(self.path("commits")):
            match = re.fullmatch(r"(\d{8})\.json(\.minisig)?", name)
            if match and int(match[1]):
                found.add(int(match[1]))
        return sorted(found)

    def read_commit(self, number):
        path = self.path(f"commits/{number:08}.json")
        commit, data = document(path, 64 << 20, "commit", self.key,
                                "set volume medium number previous full packs files seeds")
        for name in "set", "volume", "medium":
            need(commit[name] == self.head[name], path, f"of another {name}")
        need(commit["number"] == number, path, "under another number")
        need(commit["full"] or not commit["seeds"], path, "a delta with seeds")
        ending = r"(manifest|list-\d{4}-\d{4}|file-\d{4})\.sealed" if self.sealed else \
            r"manifest\.json|manifest\.json\.minisig|list-\d{4}-\d{4}|file-\d{4}"
        for file in commit["files"]:
            members(path, file, "path length sha256")
            need(re.fullmatch(f"seeds/{ID}/({ending})", file["path"]), path, "a file's path")
        for pack in commit["packs"]:
            members(path, pack, "number length sha256 table index records blocks")
            need(1 <= pack["records"] <= 1024 and pack["length"] <= 1 << 30 and
                 pack["blocks"] <= 16 * (pack["records"] - 1), path, "an impossible pack")
        return commit, hashlib.sha256(data).hexdigest()

    def take_commits(self):
        before, previous, counts, lost = 0, None, True, False
        for number in self.numbers():
            try:
                commit, text = self.read_commit(number)
            except Bad as problem:
                self.problems.append(problem)
                lost = True
                continue
            follows = commit["previous"] == previous
            gap = lost or number > before + 1
            if commit["full"]:
                good = follows or (gap and commit["previous"] is not None)
            else:
                good = follows and counts and self.agrees(commit)
            if not (follows and good):
                self.problems.append(Bad(f"commit {number}: does not follow the one before"))
            if good:
                self.apply(commit)
            before, previous, counts, lost = number, text, good, False

    @staticmethod
    def named(commit):
        return ({pack["number"]: pack for pack in commit["packs"]},
                {file["path"]: file for file in commit["files"]})

    def agrees(self, commit):
        packs, files = self.named(commit)
        return all(self.packs.get(n, p) == p for n, p in packs.items()) and \
            all(self.files.get(n, f) == f for n, f in files.items())

    def apply(self, commit):
        packs, files = self.named(commit)
        if commit["full"]:
            self.packs, self.files, self.seeds = packs, files, commit["seeds"]
        else:
            self.packs.update(packs)
            self.files.update(files)

    def stored(self, name):
        """The stored bytes of a file that counts, checked."""
        need(name in self.files, self.path(name), "no commit names it")
        data = read(self.path(name), self.files[name]["length"])
        need(len(data) == self.files[name]["length"] and
             digest(data).hex() == self.files[name]["sha256"], self.path(name),
             "differs from the digest in its commit")
        return data

    def seed_file(self, seed, name, role, number):
        """The plaintext of a seed's file; "manifest" has another name when it is not sealed."""
        if not self.sealed:
            return self.stored(f"seeds/{seed}/{name}")
        path = f"seeds/{seed}/{name}.sealed"
        data = self.stored(path)
        need(self.vault, self.path(path), "sealed, and the key is not here")
        want = b"VMSEEDSF" + struct.pack("<HH", 1, role) + bytes.fromhex(self.set + seed) + \
            struct.pack("<I", number)
        need(data[:48] == want, self.path(path), "not this sealed file")
        label = {1: b"vmseed manifest 1", 2: b"vmseed list 1", 3: b"vmseed side 1"}[role]
        seal = self.vault.seal(label, data[12:48], data[48:80])
        out, at, count, last = [], 80, 0, False
        while not last:
            need(len(data) >= at + 16, self.path(path), "ends early")
            body, flags = struct.unpack_from("<IH", data, at + 8)
            last = flags == 1
            lengths, plain = open_record(self.path(path), data[at:at + 16 + body], count, last, seal)
            need(not lengths and (plain or last), self.path(path), "a record with blocks or empty")
            out.append(plain)
            at, count = at + 16 + body, count + 1
        need(at == len(data), self.path(path), "bytes behind the last record")
        return b"".join(out)


def open_medium(directory, key, receiver):
    """The volumes on the medium."""
    head, _ = document(os.path.join(directory, "vmseed", "medium.json"), 16384, "medium", key,
                       "medium label serial model site")
    top = os.path.join(directory, "vmseed")
    return head, [Volume(directory, name, key, head["medium"], receiver)
                  for name in sorted(os.listdir(top))
                  if re.fullmatch(ID, name) and os.path.isdir(os.path.join(top, name, "commits"))]


# ---- records and packs ----

def unzstd(where, frame, size):
    done = subprocess.run(["zstd", "-dcq"], input=frame, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, check=False)
    need(done.returncode == 0 and len(done.stdout) == size, where, "a zstd frame does not unpack")
    return done.stdout


def open_record(where, stored, number, last, seal):
    """Check and unpack one stored record: its blocks' lengths, and the plain bytes."""
    need(len(stored) >= 16, where, "a record is cut")
    magic, found, length, flags, zero = struct.unpack_from("<4sIIHH", stored)
    need((magic, found, flags, zero) == (b"VSRC", number, int(last), 0) and
         length == len(stored) - 16, where, f"record {number} is not in its place")
    inner = seal.open(stored[16:], number, last) if seal else stored[16:]
    need(inner is not None, where, f"record {number} does not open")
    need(len(inner) >= 8, where, f"record {number} is too short")
    codec, zero, blocks, size = struct.unpack_from("<BBHI", inner)
    need(codec <= 1 and zero == 0 and blocks <= 16 and size <= 1 << 20 and
         len(inner) >= 8 + 4 * blocks, where, f"record {number} is not understood")
    lengths = struct.unpack_from(f"<{blocks}I", inner, 8)
    need(all(1 <= n <= BLOCK for n in lengths) and (not blocks or sum(lengths) == size), where,
         f"the blocks of record {number}")
    payload = inner[8 + 4 * blocks:]
    plain = unzstd(where, payload, size) if codec else payload
    need(len(plain) == size, where, f"record {number} is of another size")
    return lengths, plain


class Pack:
    """One pack, by the section "Reading a pack"."""

    def __init__(self, data, name, facts, head, vault):
        self.data, self.name, self.facts = data, name, facts
        records, end = facts["records"], len(data) - 96
        context = bytes.fromhex(head["set"]) + struct.pack("<II", head["volume"], facts["number"])
        want = b"VMSEEDPK" + struct.pack("<HHI", 1, int(head["sealed"]), BLOCK) + context
        need(len(data) == facts["length"] >= 192 + 48 * records, name, "of another length")
        need(data[:40] == want and data[72:96] == bytes(24), name, "not this pack's header")
        need(head["sealed"] or data[40:72] == bytes(32), name, "a salt in a plaintext set")
        self.seal = vault.seal(b"vmseed pack 1", context, data[40:72]) if vault else None
        self.openable = bool(vault) or not head["sealed"]
        table = data[end - 48 * records:end]
        need(data[end:] == b"VMSEEDPT" + struct.pack("<HHIQII", 1, 0, records, end - len(table),
                                                     facts["blocks"], 0) +
             bytes.fromhex(facts["table"] + facts["index"]), name, "not the commit's trailer")
        need(digest(table).hex() == facts["table"], name, "its table differs from its digest")
        self.table, at = [], 96
        for i in range(records):
            offset, length, zero, sha = struct.unpack_from("<QII32s", table, 48 * i)
            need(offset == at and 16 <= length <= 1048680 and zero == 0, name, f"entry {i}")
            self.table.append((offset, length, sha))
            at += length
        need(at == end - len(table), name, "its records do not end where the table begins")
        need(self.table[-1][2].hex() == facts["index"], name, "another index")

    def record(self, number):
        """The blocks of a record, or its plain bytes when it is the index."""
        offset, length, sha = self.table[number]
        stored = self.data[offset:offset + length]
        need(digest(stored) == sha, self.name, f"record {number} differs from its digest")
        last = number == len(self.table) - 1
        lengths, plain = open_record(self.name, stored, number, last, self.seal)
        need(bool(lengths) != last, self.name, f"record {number} is of the wrong kind")
        if last:
            return plain
        ends = [sum(lengths[:i + 1]) for i in range(len(lengths))]
        return [plain[end - n:end] for end, n in zip(ends, lengths)]

    def index(self):
        """(digest, record, slot, length) of each block, in order."""
        plain = self.record(len(self.table) - 1)
        need(len(plain) == 40 * self.facts["blocks"], self.name, "its index is of another size")
        entries = [(sha, record, slot, less + 1)
                   for sha, record, slot, less in struct.iter_unpack("<32sIHH", plain)]
        want = -1, 0
        for _, record, slot, _ in entries:
            want = (want[0], want[1] + 1) if record == want[0] else (want[0] + 1, 0)
            need((record, slot) == want, self.name, "its index is out of order")
        need(want[0] == len(self.table) - 2, self.name, "its index leaves out records")
        return entries


def open_pack(volume, number):
    facts = volume.packs[number]
    path = volume.path(f"packs/{number:08}.pack")
    return Pack(read(path, facts["length"]), path, facts, volume.head, volume.vault)


# ---- seeds ----

MANIFEST = ("seed set recipient site vm lineage generation data relies_on created captured files "
            "disks excluded")
DISK = ("slot size sector_size block_size blocks data_blocks root captured evidence own_blocks list "
        "unreadable")


def open_manifest(volume, seed):
    path = volume.path(f"seeds/{seed}/manifest")
    if volume.sealed:
        plain = volume.seed_file(seed, "manifest", 1, 0)
        need(len(plain) > 4, path, "cut short")
        size, = struct.unpack_from("<I", plain)
        text, signature = plain[4:4 + size], plain[4 + size:]
        volume.vault.check(path, text, signature, volume.key, check_signature)
    else:
        text = volume.stored(f"seeds/{seed}/manifest.json")
        volume.stored(f"seeds/{seed}/manifest.json.minisig")
        check_signature(path + ".json", volume.key)
    manifest = parse(path, text, "manifest", volume.key, MANIFEST)
    need((manifest["seed"], manifest["set"]) == (seed, volume.set), path, "of another seed or set")
    need((manifest["recipient"] is not None) == volume.sealed, path, "sealed or not")
    need(manifest["site"]["id"] == volume.head["site"], path, "of another site")
    for disk in manifest["disks"]:
        members(path, disk, DISK)
        need(disk["block_size"] == BLOCK and disk["blocks"] == -(-disk["size"] // BLOCK), path,
             "blocks of another size")
    return manifest


def read_segment(where, data, at, block):
    """One segment: its runs with their digests, where it ends, and at which block."""
    need(len(data) >= at + 32, where, "ends early")
    magic, count, digests, zero, first, blocks = struct.unpack_from("<4sIIIQQ", data, at)
    need((magic, zero, first) == (b"VSSG", 0, block) and 1 <= count <= 4096 and digests <= 65536
         and blocks >= 1, where, "not a segment")
    at, sha = at + 32, at + 32 + 24 * count
    end = sha + 32 * digests
    need(len(data) >= end, where, "ends early")
    runs, last = [], None
    for i in range(count):
        start, length, kind, zero = struct.unpack_from("<QQII", data, at + 24 * i)
        need(start == block and length >= 1 and kind <= MISSING and kind != last and zero == 0,
             where, f"run {i} of a segment")
        shas = []
        if kind == DATA:
            need(sha + 32 * length <= end, where, "too few digests")
            shas = [data[sha + 32 * k:sha + 32 * k + 32] for k in range(length)]
            need(not {bytes(32), b"\xff" * 32} & set(shas), where, "a digest that is none")
            sha += 32 * length
        runs.append((kind, length, shas))
        block, last = block + length, kind
    need(sha == end and block == first + blocks, where, "the sums of a segment")
    return runs, end, block


def read_list(volume, manifest, number):
    """The runs of a disk: (kind, blocks, digests)."""
    disk, runs, block, data_blocks = manifest["disks"][number], [], 0, 0
    for part, facts in enumerate(disk["list"], 1):
        name = f"list-{number:04}-{part:04}"
        where = volume.path(f"seeds/{manifest['seed']}/{name}")
        data = volume.seed_file(manifest["seed"], name, 2, number << 16 | part)
        need((len(data), digest(data).hex()) == (facts["length"], facts["sha256"]), where,
             "differs from the manifest")
        blocks, digests = struct.unpack_from("<QQ", data.ljust(64), 32)
        need(data[:32] == b"VMSEEDLS" + struct.pack("<HHIIIQ", 1, 0, BLOCK, number, part, block) and
             data[48:64] == bytes(16) and (blocks or not disk["blocks"]), where, "not this part")
        at, end, found = 64, block + blocks, 0
        while block < end:
            segment, at, block = read_segment(where, data, at, block)
            runs += segment
            found += sum(len(shas) for _, _, shas in segment)
        need(block == end and at == len(data) and found == digests, where, "the sums of a part")
        data_blocks += found
    where = volume.path(f"seeds/{manifest['seed']}/list-{number:04}")
    need(block == disk["blocks"] and data_blocks == disk["data_blocks"], where,
         "not the blocks of the manifest")
    need(root(leaves(runs, disk["size"])).hex() == disk["root"], where, "another root")
    return runs


def leaves(runs, size):
    zero, out = digest(bytes(BLOCK)), []
    for kind, length, shas in runs:
        out += shas if kind == DATA else [zero if kind == ZERO else b"\xff" * 32] * length
    if runs and runs[-1][0] == ZERO and size % BLOCK:
        out[-1] = digest(bytes(size % BLOCK))
    return out


def root(items):
    if not items:
        return digest(b"")
    if len(items) == 1:
        return digest(b"\0" + items[0])
    half = 1 << (len(items) - 1).bit_length() - 1
    return digest(b"\1" + root(items[:half]) + root(items[half:]))


# ---- what the command does ----

class Blocks:
    """The blocks of a volume by their digests."""

    def __init__(self, volume):
        self.packs, self.where, self.held = {}, {}, (None, None)
        for number in sorted(volume.packs):
            self.packs[number] = pack = open_pack(volume, number)
            for sha, record, slot, _ in pack.index():
                self.where.setdefault(sha, (number, record, slot))

    def get(self, sha):
        need(sha in self.where, sha.hex(), "no pack holds this block")
        number, record, slot = self.where[sha]
        if self.held[0] != (number, record):
            self.held = (number, record), self.packs[number].record(record)
        block = self.held[1][slot]
        need(digest(block) == sha, sha.hex(), "the block in its place is another one")
        return block


def restore(volume, seed, slot, path):
    manifest = open_manifest(volume, seed)
    number = next((i for i, d in enumerate(manifest["disks"]) if d["slot"] == slot), None)
    need(number is not None, seed, f"no disk {slot}")
    size, at, blocks = manifest["disks"][number]["size"], 0, Blocks(volume)
    runs = read_list(volume, manifest, number)
    need(all(kind != MISSING for kind, _, _ in runs), seed, "blocks are missing")
    with open(path, "wb") as file:
        file.truncate(size)
        for kind, length, shas in runs:
            for i, sha in enumerate(shas if kind == DATA else []):
                block = blocks.get(sha)
                need(len(block) == min(BLOCK, size - (at + i) * BLOCK), seed, "a block's length")
                file.seek((at + i) * BLOCK)
                file.write(block)
            at += length


def check(volume):
    """Everything that can be checked, of the volume."""
    if volume.problems:
        raise volume.problems[0]
    for name in volume.files:
        volume.stored(name)
    for number, facts in sorted(volume.packs.items()):
        pack = open_pack(volume, number)
        need(digest(pack.data).hex() == facts["sha256"], pack.name, "differs from its digest")
        if not pack.openable:
            continue
        held = {(record, slot): (sha, length) for sha, record, slot, length in pack.index()}
        for record in range(len(pack.table) - 1):
            for slot, block in enumerate(pack.record(record)):
                need(held.pop((record, slot), None) == (digest(block), len(block)), pack.name,
                     f"slot {slot} of record {record} is not what the index says")
        need(not held, pack.name, "its index has blocks that no record has")
    if volume.sealed and not volume.vault:
        print(f"set {volume.set}: sealed; what is within was not checked")
        return
    blocks = Blocks(volume)
    for seed in volume.seeds:
        manifest = open_manifest(volume, seed)
        for i, file in enumerate(manifest["files"]):
            data = volume.seed_file(seed, f"file-{i:04}", 3, i)
            need((len(data), digest(data).hex()) == (file["length"], file["sha256"]), seed,
                 f"side file {i} differs")
        for number in range(len(manifest["disks"])):
            for _, _, shas in read_list(volume, manifest, number):
                for sha in shas if manifest["data"] else []:
                    need(sha in blocks.where, seed, "a block that no pack holds")


def show(volume):
    for seed in volume.seeds:
        manifest = open_manifest(volume, seed)
        for disk in manifest["disks"]:
            print(seed, manifest["generation"], json.dumps(manifest["vm"]["name"]), disk["slot"],
                  disk["size"], disk["data_blocks"], disk["root"])


def main():
    parser = argparse.ArgumentParser(description="Read a medium by its manual pages.")
    parser.add_argument("--receive", help="receiving key, PEM (sealed sets)")
    parser.add_argument("--site", help="id of its site")
    for name in "key", "medium", "job":
        parser.add_argument(name)
    parser.add_argument("rest", nargs="*")
    args = parser.parse_args()
    need(re.fullmatch(r"RW[A-Za-z0-9+/]{54}", args.key), args.key, "no public key")
    raw = base64.b64decode(args.key)
    need(raw[2:10] == digest(raw[10:])[:8], args.key, "its key id is not its own")
    receiver = None
    if args.receive:
        import sealed  # pylint: disable=import-outside-toplevel
        receiver = sealed.Receiver(args.receive, bytes.fromhex(args.site))
    head, volumes = open_medium(args.medium, args.key, receiver)
    if args.job == "restore":
        seed, slot, path = args.rest
        volume = next((v for v in volumes if seed in v.seeds), None)
        need(volume, seed, "no such seed")
        return restore(volume, seed, slot, path)
    for volume in volumes:
        (show if args.job == "list" else check)(volume)
    if args.job == "check":
        print(f"medium {head['label']}: {len(volumes)} volumes are sound")
    return None


if __name__ == "__main__":
    try:
        main()
    except Bad as problem:
        sys.exit(f"reader.py: {problem}")
