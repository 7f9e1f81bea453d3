# SPDX-License-Identifier: LGPL-2.1-or-later
"""What reader.py needs for sealed sets: HPKE (RFC 9180), HKDF and AES-256-GCM as the pages use
them, over the primitives of python3-cryptography."""
import base64
import os
import struct
import tempfile

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, hmac, serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand


def raw(public):
    return public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def extract(salt, ikm):
    mac = hmac.HMAC(salt or bytes(32), hashes.SHA256())
    mac.update(ikm)
    return mac.finalize()


def expand(prk, info, length):
    return HKDFExpand(hashes.SHA256(), length, info).derive(prk)


def hpke_open(private, enc, info, aad, sealed):
    """RFC 9180 base mode, single shot, KEM 0x0020, KDF 0x0001, AEAD 0x0002; None: does not open."""
    kem, suite = b"KEM" + struct.pack(">H", 0x20), b"HPKE" + struct.pack(">HHH", 0x20, 1, 2)
    public = raw(private.public_key())
    dh = private.exchange(X25519PublicKey.from_public_bytes(enc))
    prk = extract(b"", b"HPKE-v1" + kem + b"eae_prk" + dh)
    secret = expand(prk, struct.pack(">H", 32) + b"HPKE-v1" + kem + b"shared_secret" + enc + public, 32)
    context = b"\0" + extract(b"", b"HPKE-v1" + suite + b"psk_id_hash") + \
        extract(b"", b"HPKE-v1" + suite + b"info_hash" + info)
    prk = extract(secret, b"HPKE-v1" + suite + b"secret")
    key = expand(prk, struct.pack(">H", 32) + b"HPKE-v1" + suite + b"key" + context, 32)
    nonce = expand(prk, struct.pack(">H", 12) + b"HPKE-v1" + suite + b"base_nonce" + context, 12)
    try:
        return AESGCM(key).decrypt(nonce, sealed, aad)
    except InvalidTag:
        return None


class Seal:
    """Opens the records of one file."""

    def __init__(self, data_key, label, context, salt):
        key = HKDF(hashes.SHA256(), 32, salt, label + context).derive(data_key)
        self.cipher, self.context = AESGCM(key), context

    def open(self, body, number, last):
        try:
            return self.cipher.decrypt(struct.pack("<QI", number, 0), body,
                                       self.context + struct.pack("<IB", number, int(last)))
        except InvalidTag:
            return None


class Vault:
    """A set whose data key is known."""

    def __init__(self, data_key):
        self.data_key = data_key

    def seal(self, label, context, salt):
        return Seal(self.data_key, label, context, salt)

    @staticmethod
    def check(where, text, signature, key, check_signature):
        """A signature of bytes that are in no file: minisign wants files."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, os.path.basename(where))
            for name, data in (path, text), (path + ".minisig", signature):
                with open(name, "wb") as file:
                    file.write(data)
            check_signature(path, key)


class Receiver:
    """A site's receiving key."""

    def __init__(self, pem, site):
        with open(pem, "rb") as file:
            self.private = serialization.load_pem_private_key(file.read(), None)
        self.site = site

    def open(self, head, set_id, key):
        """The vault of the set that @head, a volume.json, describes; None if it is not for us."""
        public = raw(self.private.public_key())
        info = b"vmseed set key 1" + bytes.fromhex(set_id) + base64.b64decode(key)[10:]
        for entry in head["recipients"]:
            if entry["site"] != self.site.hex() or \
                    base64.b64decode(entry["receiving_key"]) != public:
                continue
            data_key = hpke_open(self.private, base64.b64decode(entry["enc"]), info, self.site,
                                 base64.b64decode(entry["wrapped"]))
            return Vault(data_key) if data_key else None
        return None
