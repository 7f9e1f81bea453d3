#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Receive replicas by the manual pages: vmseed-wire(5), vmseed-manifest(5), vmseed-card(5).

    peer.py STATE new NAME                       make a site; print its card
    peer.py STATE fingerprint
    peer.py STATE serve CARD [SSH'S ARGUMENTS]   be called, on stdin and stdout, by the site of CARD
    peer.py STATE pull CARD VM COMMAND...        call that site, at the other end of COMMAND
    peer.py decode FILE...                       what lies in recorded streams

STATE keeps VMs as UUID/SLOT.raw with the manifest beside them. Written from the pages alone and
sharing no line with vmseed, so that it shows whether they say enough. With RECORD=FOLDER in the
environment, the frames of both directions as they are without zstd go to FOLDER/sender and
FOLDER/receiver. Python's standard library, python3-cryptography and python3-zstandard.
"""
import base64
import json
import os
import shutil
import struct
import subprocess
import sys
import time

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, x25519

from wire import (BLOCK, DESCEND, EQUAL, FRAME_MAX, IDENTITY, INTEGRITY, LINK, MISSING, NAMES,
                  NOT_FOUND, PIECE, PIECES, TRUST, ZERO, ZEROES, Bad, Link, Take,
                  check_preamble, document, entries_of, hint, hint_secret, length_of, members,
                  need, open_card, root_of, sha256, sign, take, tree_of)


# ---- this site ----

class Site:
    """Its keys, and the site that it trusts."""

    def __init__(self, state):
        self.state = state
        with open(os.path.join(state, "site.json"), "rb") as file:
            doc = json.load(file)
        self.id = doc["site"]
        self.key = ed25519.Ed25519PrivateKey.from_private_bytes(bytes.fromhex(doc["sign"]))
        self.raw = raw_public(self.key)
        self.name = doc["name"]
        self.receiving = bytes.fromhex(doc["receiving"])

    def card(self):
        text, minisig = sign(self.key, self.raw, "card", {
            "name": self.name, "site": self.id,
            "receiving_key": base64.b64encode(self.receiving).decode()})
        return text + minisig

    def fingerprint(self):
        digest = sha256(b"vmseed-card-1" + bytes.fromhex(self.id) + self.raw + self.receiving)
        text = base64.b32encode(digest)[:25].decode()
        return "-".join(text[i:i + 5] for i in range(0, 25, 5))


def raw_public(key):
    return key.public_key().public_bytes(serialization.Encoding.Raw,
                                         serialization.PublicFormat.Raw)


def new_site(state, name):
    os.makedirs(state)
    receive = x25519.X25519PrivateKey.generate()
    doc = {"site": os.urandom(16).hex(), "name": name, "sign": os.urandom(32).hex(),
           "receiving": raw_public(receive).hex()}
    with open(os.path.join(state, "site.json"), "w", encoding="utf-8") as file:
        json.dump(doc, file)
    return Site(state)


def greet(link, site, card, caller):
    """HELLO and PROOF; returns our nonce and the peer's key."""
    their_site, their_raw = open_card(card)
    ours = os.urandom(32)
    hello = bytes.fromhex(site.id) + ours + bytes([0, caller]) + bytes(6)
    if caller:
        link.send("HELLO", hello)
    theirs = link.expect("HELLO")
    need(theirs["sender"] and theirs["caller"] != caller, "HELLO: not the other part")
    need(theirs["site"] == their_site, "a site that is not trusted", TRUST)
    need(theirs["nonce"] != ours, "our own nonce", TRUST)

    def prove():
        link.send_document("PROOF", *sign(site.key, site.raw, "hello", {
            "site": site.id, "peer": their_site, "role": "receiver", "caller": bool(caller),
            "nonce": ours.hex(), "peer_nonce": theirs["nonce"].hex()}))

    if not caller:
        link.send("HELLO", hello)
        prove()
    proof, _, _ = document(link.bundle("PROOF", 8192), "hello", 8192, their_raw,
                           "site peer role caller nonce peer_nonce")
    need({key: proof[key] for key in ("site", "peer", "role", "caller", "nonce", "peer_nonce")} == {
        "site": their_site, "peer": site.id, "role": "sender", "caller": not caller,
        "nonce": theirs["nonce"].hex(), "peer_nonce": ours.hex()},
         "a proof of another connection", TRUST)
    if caller:
        prove()
    link.start(20)
    return ours, their_site, their_raw


# ---- one VM ----

class Refused(Bad):
    """It concerns this VM alone."""


def uuid_text(raw):
    text = raw.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def files_digest(files):
    """@files: role, length, SHA-256 in hex."""
    return sha256(b"".join(role.encode().ljust(16, b"\0") + struct.pack("<Q", length) +
                           bytes.fromhex(digest) for role, length, digest in files))


def goes_on(have, generation, offered, next_generation):
    """May what stands at (@have, @generation) become (@offered, @next_generation)?"""
    need(next_generation > generation, "a rollback", IDENTITY)
    need(offered[:len(have)] == have, "another history", IDENTITY)
    if len(offered) > len(have):
        need(offered[len(have)]["forked_from"]["generation"] >= generation, "a fork that is earlier",
             IDENTITY)


class Disk:
    """One disk on its way: what is here, and what it shall be."""

    def __init__(self, number, head, old):
        self.number, self.slot, self.size = number, head["slot"], head["size"]
        self.old = old if old and os.path.exists(old) else None
        self.old_size = os.path.getsize(old) if self.old else 0
        self.here = (entries_of(self.old, self.size) if self.old else
                     [ZERO] * -(-self.size // BLOCK))
        self.entries = list(self.here)
        self.blocks = {}

    def mode(self, offer):
        """How it is compared; with PEER_DESCENDS in the environment by the tree alone."""
        if not self.old or os.environ.get("PEER_DESCENDS"):
            return DESCEND
        root = root_of(entries_of(self.old, self.old_size), self.old_size).hex()
        if (offer.get("base_size"), offer.get("base_root")) == (self.old_size, root):
            return EQUAL
        return DESCEND

    def read(self, index):
        length = length_of(self.size, index)
        data = b""
        if self.old:
            with open(self.old, "rb") as file:
                file.seek(index * BLOCK)
                data = file.read(length)
        return data + bytes(length - len(data))

    def write(self, path):
        with open(path, "wb") as file:
            file.truncate(self.size)
            for index, digest in enumerate(self.entries):
                if digest == ZERO:
                    continue
                data = self.blocks[index] if index in self.blocks else self.read(index)
                need(sha256(data) == digest, f"block {index} of {self.slot} is another", INTEGRITY)
                file.seek(index * BLOCK)
                file.write(data)
            os.fsync(file.fileno())


def descend(link, disk):
    """The sender's list entries, by the tree."""
    levels = tree_of(disk.here, disk.size)
    questions = [(len(levels) - 1, 0)]
    while questions:
        level = questions[0][0]
        now = [index for at, index in questions if at == level][:96]
        questions = [q for q in questions if q[0] != level or q[1] not in now]
        link.send("DESCEND", struct.pack("<BBH4x", disk.number, level, len(now)) +
                  struct.pack(f"<{len(now)}Q", *now))
        answer = link.expect("NODES")
        need((answer["disk"], answer["level"]) == (disk.number, level), "NODES: of another question")
        t, below = Take(answer["nodes"]), max(level - 6, 0)
        ours = levels[below] if below else disk.here
        for index in now:
            first = index << level - below
            for i in range(first, min(first + (1 << level - below), len(ours))):
                theirs = t.bytes(32)
                if below and theirs != ours[i]:
                    questions.append((below, i))
                elif not below:
                    need(theirs != MISSING, "NODES: a block is missing")
                    disk.entries[i] = theirs
        need(not t.left(), "NODES: more than was asked for")


def fetch(link, disk, wanted, secret):
    """@wanted blocks of the disk, with hints where something lies there; what is to be asked again."""
    again = []
    for hints in (1, 0):
        part = [i for i in wanted if hints == bool(
            secret and disk.here[i] != ZERO and length_of(disk.size, i) == BLOCK)]
        for at in range(0, len(part), 256):
            now = part[at:at + 256]
            body = struct.pack("<BBH4x", disk.number, hints, len(now))
            for index in now:
                body += struct.pack("<Q", index)
                if hints:
                    data = disk.read(index)
                    body += struct.pack("<16I", *(hint(secret, data[i:i + PIECE])
                                                  for i in range(0, BLOCK, PIECE)))
            link.send("REQUEST", body)
            again += [i for i in now if not take_answer(disk, i, hints, link.expect("BLOCK"))]
    return again


def take_answer(disk, index, hints, block):
    need((block["disk"], block["index"]) == (disk.number, index), "BLOCK: nobody asked for it")
    if block["changed"]:
        disk.entries[index] = block["digest"]
    if block["form"] == ZEROES:
        return True
    data = block["data"]
    if block["form"] == PIECES:
        need(hints, "BLOCK: pieces without hints")
        whole, t = bytearray(disk.read(index)), Take(data)
        for i in range(16):
            if block["pieces"] >> i & 1:
                at = i * PIECE
                need(at < len(whole), "BLOCK: a piece that is not there")
                length = min(PIECE, len(whole) - at)
                whole[at:at + length] = t.bytes(length)
        need(not t.left(), "BLOCK: more than its pieces")
        data = bytes(whole)
    need(len(data) == length_of(disk.size, index), "BLOCK: another length")
    if sha256(data) == disk.entries[index]:
        disk.blocks[index] = data
        return True
    need(block["form"] == PIECES, "BLOCK: not what its digest says", INTEGRITY)
    return False


class Vm:
    """One VM, from its HEAD to the receipt."""

    def __init__(self, link, site, peer, head):
        self.link, self.site, self.head = link, site, head
        self.nonce, self.their_site, self.their_raw = peer
        self.folder = os.path.join(site.state, uuid_text(head["uuid"]))
        self.manifest = None
        if os.path.exists(self.path("manifest.json")):
            with open(self.path("manifest.json"), "rb") as file:
                self.manifest = json.load(file)

    def path(self, name, suffix=""):
        return os.path.join(self.folder + suffix, name)

    def is_here(self):
        have = self.manifest
        return have and have["vm"]["name"] == self.head["name"] and [
            (d["slot"], d["size"], d["root"]) for d in have["disks"]] == [
            (d["slot"], d["size"], d["root"].hex()) for d in self.head["disks"]] and files_digest(
            (f["role"], f["length"], f["sha256"]) for f in have["files"]) == self.head["files"]

    def has_rotten(self):
        """Read whole, where HEAD asks for that: is it what its manifest says?"""
        return self.head["flags"] & 4 and any(
            root_of(entries_of(self.path(d["slot"] + ".raw"), d["size"]), d["size"]) != d["root"]
            for d in self.head["disks"])

    def receipt(self):
        m = self.manifest
        self.link.send_document("RECEIPT", *sign(self.site.key, self.site.raw, "receipt", {
            "site": self.site.id, "origin": m["site"]["id"], "uuid": m["vm"]["uuid"],
            "seed": m["seed"], "lineage": m["lineage"], "generation": m["generation"],
            "state": "current", "at": int(time.time()),
            "disks": [{"slot": d["slot"], "size": d["size"], "root": d["root"], "proved": "full"}
                      for d in m["disks"]]}))
        self.link.expect("DONE")

    def take_offer(self):
        head = self.head
        offer, _, _ = document(self.link.bundle("OFFER", 4 << 20), "offer", 4 << 20, self.their_raw,
                               "receiver nonce origin uuid name lineage generation disks files")
        need((offer["receiver"], offer["nonce"]) == (self.site.id, self.nonce.hex()),
             "an offer for another connection", TRUST)
        for disk in offer["disks"]:
            members(disk, "slot size sector_size root own_blocks compared own_runs", "disks[]",
                    "base_size base_root serial wwn")
        files = [(f["role"], f["length"], f["digest"]) for f in offer["files"]
                 if members(f, "role length digest", "files[]")]
        need((offer["origin"], offer["uuid"], offer["name"], files_digest(files)) ==
             (head["origin"], uuid_text(head["uuid"]), head["name"], head["files"]) and
             [(d["slot"], d["size"], d["root"]) for d in offer["disks"]] ==
             [(d["slot"], d["size"], d["root"].hex()) for d in head["disks"]],
             "an offer of another VM than HEAD")
        need(offer["lineage"][-1]["writer"] == self.their_site, "another's line", IDENTITY)
        if self.manifest:
            goes_on(self.manifest["lineage"], self.manifest["generation"], offer["lineage"],
                    offer["generation"])
        else:
            need(head["flags"] & 1, "there is no replica of it here", NOT_FOUND)
        return offer, files

    def take_lists(self, disks, modes, files):
        """What BASE asked for."""
        contents, ended = {i: b"" for i in range(len(files))}, set()
        missing, behind = set(contents), [0] * len(disks)
        while missing or len(ended) < modes.count(EQUAL):
            name, m = self.link.expect("FILE", "CHANGES", "CHANGES_END")
            if name == "FILE":
                need(m["file"] in missing, "FILE: not wanted")
                contents[m["file"]] += m["part"]
                if m["last"]:
                    missing.remove(m["file"])
                continue
            need(m["disk"] < len(disks) and modes[m["disk"]] == EQUAL and m["disk"] not in ended,
                 f"{name}: not wanted")
            if name == "CHANGES_END":
                ended.add(m["disk"])
                continue
            entries = disks[m["disk"]].entries
            for start, run in m["runs"]:
                need(start + len(run) <= len(entries), "CHANGES: past the end")
                need(start >= behind[m["disk"]], "CHANGES: not rising")
                behind[m["disk"]] = start + len(run)
                entries[start:start + len(run)] = run
        for i, (role, length, digest) in enumerate(files):
            need(len(contents[i]) == length and sha256(contents[i]).hex() == digest,
                 f"FILE: {role} is another", INTEGRITY)
        return contents

    def take_blocks(self, disks, seed, fills):
        counts = [0, 0]
        secret = hint_secret(seed)
        lists = [[i for i, digest in enumerate(disk.entries) if digest != disk.here[i]]
                 for disk in disks]
        counts[0] = sum(map(len, lists))
        self.link.send("NEED", struct.pack("<4Q", counts[0], counts[0], 0, 0))
        for disk, changed in zip(disks, lists):
            wanted = [i for i in changed if disk.entries[i] != ZERO]
            counts[1] += len(wanted)
            again = fetch(self.link, disk, wanted, secret)
            need(not fetch(self.link, disk, again, None), "BLOCK: not what its digest says")
        if not fills:
            self.link.send("ARRIVED", struct.pack("<4Q", *counts, 0, 0))

    def take_manifest(self, offer, files, disks):
        m, text, minisig = document(
            self.link.bundle("MANIFEST", 4 << 20), "manifest", 4 << 20, self.their_raw,
            "seed set recipient site vm lineage generation data relies_on created captured files "
            "disks excluded")
        need((m["set"], m["recipient"], m["data"], m["relies_on"]) ==
             ("0" * 32, self.site.id, True, []), "manifest: not one of the wire")
        need((m["site"]["id"], m["vm"], m["lineage"], m["generation"]) ==
             (offer["origin"], {"uuid": offer["uuid"], "name": offer["name"]}, offer["lineage"],
              offer["generation"]), "manifest: not what was offered", IDENTITY)
        need([(f["role"], f["length"], f["sha256"]) for f in m["files"]] == files and
             [(d["slot"], d["size"]) for d in m["disks"]] == [(d.slot, d.size) for d in disks],
             "manifest: other files or disks than were offered", IDENTITY)
        for disk, said in zip(disks, m["disks"]):
            need(root_of(disk.entries, disk.size).hex() == said["root"],
                 f"manifest: another root for {disk.slot}", INTEGRITY)
            need(sum(digest != ZERO for digest in disk.entries) == said["data_blocks"],
                 "manifest: other data_blocks")
        return m, text, minisig

    def store(self, text, minisig, disks, contents):
        shutil.rmtree(self.folder + ".new", ignore_errors=True)
        os.mkdir(self.folder + ".new")
        for disk in disks:
            disk.write(self.path(disk.slot + ".raw", ".new"))
        named = {"manifest.json": text, "manifest.json.minisig": minisig}
        named |= {f"file-{i:04}": data for i, data in contents.items()}
        for name, data in named.items():
            with open(self.path(name, ".new"), "wb") as file:
                file.write(data)
        shutil.rmtree(self.folder, ignore_errors=True)
        os.rename(self.folder + ".new", self.folder)

    def take(self):
        """All of it; Refused: the next VM may follow."""
        head, link = self.head, self.link
        fills = self.is_here()
        if fills and not self.has_rotten():
            return self.receipt()
        try:
            need(head["origin"] == self.their_site, "another site's VM", TRUST)
        except Bad as bad:
            raise Refused(str(bad), bad.kind) from bad
        link.send("MORE")
        try:
            offer, files = self.take_offer()
        except Bad as bad:
            raise Refused(str(bad), bad.kind) from bad
        disks = [Disk(i, d, self.path(d["slot"] + ".raw")) for i, d in enumerate(head["disks"])]
        modes = [disk.mode(said) for disk, said in zip(disks, offer["disks"])]
        seed = os.urandom(32)
        link.send("BASE", seed + struct.pack("<QB", (1 << len(files)) - 1, len(disks)) +
                  bytes(modes))
        contents = self.take_lists(disks, modes, files)
        for disk, mode in zip(disks, modes):
            if mode == DESCEND and disk.entries:
                descend(link, disk)
        self.take_blocks(disks, seed, fills)
        try:
            if fills:       # its manifest says already what it now has
                text, minisig = (open(self.path(name), "rb").read()
                                 for name in ("manifest.json", "manifest.json.minisig"))
            else:
                self.manifest, text, minisig = self.take_manifest(offer, files, disks)
            self.store(text, minisig, disks, contents)
        except Bad as bad:
            raise Refused(str(bad), bad.kind) from bad
        return self.receipt()


def take_vm(link, site, peer, head):
    try:
        Vm(link, site, peer, head).take()
    except Refused as refused:
        link.send("REFUSE", bytes([refused.kind]) + bytes(7) + str(refused).encode()[:487])
        return str(refused)
    return None


# ---- commands ----

def serve(state, card, *_):
    site = Site(state)
    link = Link(0, 1, os.environ.get("RECORD"))
    try:
        peer = greet(link, site, card, 0)
        while True:
            name, message = link.expect("HEAD", "BYE")
            if name == "BYE":
                return 0
            take_vm(link, site, peer, message)
    except Bad as bad:
        print(f"peer.py: {bad}", file=sys.stderr)
        if bad.kind != LINK:
            link.send("FAIL", bytes([bad.kind]) + bytes(7) + str(bad).encode()[:487])
        return 1


def pull(state, card, name, *command):
    site = Site(state)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          bufsize=0) as child:
        link = Link(child.stdout.fileno(), child.stdin.fileno(), os.environ.get("RECORD"))
        peer = greet(link, site, card, 1)
        text = name.encode()
        link.send("WANT", struct.pack("<B7xQB", 1, 0, len(text)) + text)
        answer, message = link.expect("HEAD", "REFUSE")
        why = message["text"] if answer == "REFUSE" else take_vm(link, site, peer, message)
        link.send("BYE")
        child.stdin.close()
        child.wait()
    if why:
        print(f"peer.py: {why}", file=sys.stderr)
    return 1 if why or child.returncode else 0


def decode(*paths):
    """Each message of a recorded stream in a line, checked as far as one side alone can be."""
    for path in paths:
        with open(path, "rb") as file:
            data = file.read()
        check_preamble(data[:16])
        t = Take(data[16:])
        while t.left():
            length, number, zero = struct.unpack("<IB3s", t.bytes(8))
            need(length <= FRAME_MAX and not any(zero) and number in NAMES, "no frame")
            body = t.bytes(length)
            message = take(NAMES[number], body)
            print(NAMES[number], {key: value.hex() if isinstance(value, bytes) else value
                                  for key, value in message.items() if key and key != "part"})
    return 0


def main(words):
    if words[:1] == ["decode"]:
        return decode(*words[1:])
    state, verb, *rest = words
    if verb == "new":
        sys.stdout.buffer.write(new_site(state, *rest).card())
        return 0
    if verb == "fingerprint":
        print(Site(state).fingerprint())
        return 0
    return {"serve": serve, "pull": pull}[verb](state, *rest)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Bad as problem:
        sys.exit(f"peer.py: {problem}")
