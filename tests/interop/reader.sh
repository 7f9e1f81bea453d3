#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The reader that was written from the manual pages restores what vmseed exported, bit for bit,
# and refuses a medium on which one byte is another.
. "${0%/*}/../cli/lib.sh"
requires minisign -v
requires zstd -V
requires python3 -c 'import cryptography'
two_sites
make_medium "$tmp/plain"
make_medium "$tmp/sealed"
key=$(vmseed --home "$hq" key list --json | json "d['sites'][0]['key']")
reader() { python3 -B "$top/tests/interop/reader.py" "$@"; }

# Disks of odd sizes; noise, text, written zeroes and holes; one block twice in a disk and again in
# another; an empty disk, one that is a hole alone, one shorter than a block, a short zero at the end.
make_disk "$tmp/one.img" 2500001
{ head -c 196608 "$tmp/one.img"; head -c 131072 "$tmp/one.img"; head -c 300000 /dev/zero
	head -c 65536 "$tmp/one.img"; } >"$tmp/two.img"
: >"$tmp/empty.img"
truncate -s 3000001 "$tmp/hole.img"
printf 'less than a block' >"$tmp/short.img"
{ head -c 65536 "$tmp/one.img"; head -c 7 /dev/zero; } >"$tmp/tail.img"
vms="one=$tmp/one.img,$tmp/two.img,$tmp/empty.img two=$tmp/hole.img,$tmp/short.img,$tmp/tail.img"

restored() { # SEED SLOT FILE IMAGE: the disk in that slot is IMAGE, bit for bit
	run reader ${receive:+--receive "$receive" --site "$site"} "$key" "$3" restore "$1" "$2" \
		"$tmp/restored"
	cmp "$tmp/restored" "$4" || fail "$2 of $1 is not $4"
}

compare() { # MEDIUM: all six disks
	run reader ${receive:+--receive "$receive" --site "$site"} "$key" "$1" list
	cp "$tmp/out" "$tmp/list"
	[ "$(wc -l <"$tmp/list")" = "$2" ] || fail "the reader lists $(cat "$tmp/list")"
	while read -r seed _ name slot _; do
		case $name,$slot in
		'"one",vda') image=one ;; '"one",vdb') image=two ;; '"one",vdc') image=empty ;;
		'"two",vda') image=hole ;; '"two",vdb') image=short ;; '"two",vdc') image='tail' ;;
		*) fail "the reader lists $name $slot" ;;
		esac
		restored "$seed" "$slot" "$1" "$tmp/$image.img"
	done <"$tmp/list"
}

# shellcheck disable=SC2086 # words of $vms
run vmseed --home "$hq" export --media "$tmp/plain" --plaintext $vms
says 'are sound' reader "$key" "$tmp/plain" check
compare "$tmp/plain" 6

# A second export to the same set: another commit, and only the changed block is new. The first
# seed is still what it was.
cp "$tmp/one.img" "$tmp/first.img"
printf 'changed' | dd of="$tmp/one.img" bs=1 seek=1000000 conv=notrunc 2>/dev/null
first=$(awk '$3 == "\"one\"" { print $1; exit }' "$tmp/list")
run vmseed --home "$hq" export --media "$tmp/plain" --plaintext "one=$tmp/one.img"
says 'are sound' reader "$key" "$tmp/plain" check
restored "$first" vda "$tmp/plain" "$tmp/first.img"
second=$(reader "$key" "$tmp/plain" list | awk '$2 == 2 { print $1 }')
restored "$second" vda "$tmp/plain" "$tmp/one.img"

# Whatever byte of whatever file is another one: refused, and the file named. In one process, which
# asks minisign and zstd only about what they have not seen yet.
python3 -B - "$top" "$key" "$tmp/plain" <<'END'
import functools, os, sys
top, key, medium = sys.argv[1:]
sys.path.insert(0, f'{top}/tests/interop')
import reader

unzstd = functools.lru_cache(None)(reader.unzstd)
reader.unzstd = lambda where, frame, size: unzstd('a record', frame, size)
seen, check_signature = {}, reader.check_signature

def check_once(path, with_key):
    text = tuple(open(name, 'rb').read() if os.path.exists(name) else None
                 for name in (path, path + '.minisig'))
    if seen.get((path, text)) != 'good':
        check_signature(path, with_key)
    seen[path, text] = 'good'
reader.check_signature = check_once

def refusal():
    try:
        for volume in reader.open_medium(medium, key, None)[1]:
            reader.check(volume)
    except reader.Bad as bad:
        return str(bad)

def places(name, size):
    if name.endswith('.pack'):	# each field of header, record, inner form and trailer, and more
        return [0, 8, 10, 12, 16, 33, 37, 40, 71, 72, 95, 96, 101, 106, 109, 111, 112, 113, 114, 117,
                121, 200, size // 2, *range(size - 97, size, 8), size - 1]
    if '/list-' in name:
        return [*range(0, min(size, 160), 3), size - 1]
    return [0, 1, size // 3, size // 2, size - 3, size - 1]

assert refusal() is None
# A reader passes custody and receipts by.
files = [os.path.join(folder, name) for folder, _, names in os.walk(medium) for name in names
         if os.path.basename(folder) not in ('custody', 'receipts')]
for path in files:
    good = open(path, 'rb').read()
    about = os.path.basename(path).removesuffix('.minisig'), 'commit', 'no such', 'record'
    for at in sorted(set(p for p in places(path, len(good)) if 0 <= p < len(good))):
        with open(path, 'wb') as file:
            file.write(good[:at] + bytes([good[at] ^ 1]) + good[at + 1:])
        said = refusal()
        assert said and any(word in said for word in about), (path, at, said)
    for cut in 0, len(good) // 2, len(good) - 1:
        with open(path, 'wb') as file:
            file.write(good[:cut])
        assert refusal(), (path, 'cut at', cut)
    os.unlink(path)
    assert refusal(), (path, 'gone')
    with open(path, 'wb') as file:
        file.write(good)
assert refusal() is None
END

# A flipped byte within a record costs a restore too: the block is not what its digest says.
pack=$(find "$tmp/plain" -name 00000001.pack)
flip_byte "$pack" 5000
fails_with 1 'record 0 differs from its digest' \
	reader "$key" "$tmp/plain" restore "$first" vda "$tmp/restored"
flip_byte "$pack" 5000

# A key that is not the exporter's.
other=$(vmseed --home "$dr" key list --json | json "d['sites'][0]['key']")
fails_with 1 'signature does not hold' reader "$other" "$tmp/plain" check

# A sealed set: without the receiving key its ciphertext is checked, with it everything.
# shellcheck disable=SC2086
run vmseed --home "$hq" export --media "$tmp/sealed" --for dr $vms
says 'sealed; what is within was not checked' reader "$key" "$tmp/sealed" check
for home in "$dr" "$hq"; do
	receive=$home/site/receive.pem
	site=$(vmseed --home "$home" key list --json | json "d['sites'][0]['site']")
	says 'are sound' reader --receive "$receive" --site "$site" "$key" "$tmp/sealed" check
	compare "$tmp/sealed" 6
done

# The examples in the pages are what the pages say they are.
python3 -B - "$top" <<'END'
import hashlib, json, re, sys
top = sys.argv[1]
sys.path.insert(0, f'{top}/tests/interop')
import reader, sealed

def example(page):	# the hex dumps of a page, as bytes by their offsets
    data = {}
    for line in open(f'{top}/man/{page}'):
        match = re.match(r' ([0-9a-f]{2,3})((?: {1,2}[0-9a-f]{2}\b){1,16})', line)
        if match:
            for i, byte in enumerate(match[2].split()):
                data[int(match[1], 16) + i] = int(byte, 16)
    assert sorted(data) == list(range(len(data))), page
    return bytes(data[i] for i in range(len(data)))

pack, part = example('vmseed-pack.5'), example('vmseed-manifest.5')
head = {'set': '1574288d4f0173293503bdbf4086ac4d', 'volume': 1, 'sealed': False}
facts = {'number': 1, 'length': 449, 'records': 2, 'blocks': 2,
         'table': pack[-64:-32].hex(), 'index': pack[-32:].hex()}
blocks = reader.Pack(pack, 'the example', facts, head, None).record(0)
assert blocks == [b'A' * 65536, b'hello']
runs, end, block = reader.read_segment('the example', part, 64, 0)
assert (end, block) == (len(part), 2)
assert runs == [(reader.DATA, 2, [hashlib.sha256(b).digest() for b in blocks])]
text = open(f'{top}/man/vmseed-manifest.5').read()
root = re.search(r'"root": "([0-9a-f]{32})\n +([0-9a-f]{32})"', text)
assert reader.root(reader.leaves(runs, 65541)).hex() == root[1] + root[2]
media = open(f'{top}/man/vmseed-media.5').read()
assert hashlib.sha256(pack).hexdigest()[:32] in media and part.hex()
assert hashlib.sha256(part).hexdigest()[:32] in media

words = re.search(r'^context    .*?^tag  .*?$', open(f'{top}/man/vmseed-pack.5').read(), re.S | re.M)
hexes = re.sub(r'data .*', '', words[0])
context = bytes.fromhex(''.join(re.findall(r'[0-9a-f]+', hexes.split('\n')[0][7:])))
body = bytes.fromhex(''.join(re.findall(r'\b[0-9a-f]{18,32}\b', hexes.split('ciphertext')[1])))
seal = sealed.Vault(bytes(range(32))).seal(b'vmseed pack 1', context, bytes(range(32, 64)))
assert seal.open(body, 0, False) == pack[112:153]
END
