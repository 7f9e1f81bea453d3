#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The receiver that was written from the manual pages takes what vmseed sends, bit for bit, pushed and
# pulled, by changes and by the tree, and gives receipts that vmseed and minisign believe.
. "${0%/*}/../cli/lib.sh"
requires minisign -v
requires /usr/bin/python3 -c 'import cryptography, zstandard'
peer() { /usr/bin/python3 -B "$top/tests/interop/peer.py" "$@"; }
hq=$tmp/hq dr=$tmp/dr
make_site "$hq" hq
vmseed -q --home "$hq" key card >"$tmp/hq.card"
peer "$dr" new dr >"$tmp/dr.card"
fails_with 5 'fingerprint' vmseed --home "$hq" key trust "$tmp/dr.card" \
	--fingerprint AAAAA-AAAAA-AAAAA-AAAAA-AAAAA
run vmseed --home "$hq" key trust "$tmp/dr.card" --fingerprint "$(peer "$dr" fingerprint)"

# In the place of ssh, with ssh's arguments.
cat >"$tmp/ssh" <<END
#!/bin/sh
echo "\$*" >"$tmp/ssh.arguments"
exec /usr/bin/python3 -B "$top/tests/interop/peer.py" "\${STATE:-$dr}" serve "$tmp/hq.card" "\$@"
END
chmod +x "$tmp/ssh"
export VMSEED_SSH="$tmp/ssh"

# Disks of odd sizes: many blocks, so that the tree has levels; shorter than a block; empty; a hole.
make_disk "$tmp/vda.img" 20000001 1
printf 'less than a block' >"$tmp/vdb.img"
: >"$tmp/vdc.img"
truncate -s 3000001 "$tmp/vdd.img"
uuid=7d1f4a52-3c60-4e21-9b0a-5a1c2f7e8d90
define() { # SLOT...: these disks
	{
		echo "<domain type='kvm'><name>web &amp; db</name><uuid>$uuid</uuid><os><type>hvm</type></os>"
		echo '<devices>'
		for slot; do
			echo "<disk type='file' device='disk'><driver name='qemu' type='raw'/>"
			echo "<source file='$tmp/$slot.img'/><target dev='$slot'/></disk>"
		done
		echo '</devices></domain>'
	} >"$tmp/vm.xml"
	disks="$*"
}
define vda vdb vdc vdd

resync() { # ARG...: sets d of is()
	run vmseed --home "$hq" --json --progress=none resync --retries 0 "$@" --to ssh://dr "$tmp/vm.xml"
	cp "$tmp/out" "$tmp/last"
}
is() {
	[ "$(json "$1" <"$tmp/last")" = true ] || fail "not so: $1: $(cat "$tmp/last")"
}
same() {
	for slot in $disks; do
		cmp "$dr/$uuid/$slot.raw" "$tmp/$slot.img" || fail "$slot is another"
	done
}
write() { # IMAGE BLOCK...: a few bytes in each of these blocks
	image=$1
	shift
	for block; do
		printf 'written %s' "$block" |
			dd of="$tmp/$image.img" bs=1 seek=$((block * 65536 + 9000)) conv=notrunc 2>/dev/null
	done
}

# Nothing is there: refused, and then sent whole.
fails_with 1 'no replica of it here' vmseed --home "$hq" resync --retries 0 --to ssh://dr "$tmp/vm.xml"
resync --seed-over-wire
is 'd["vms"][0]["result"] == "synced" and d["vms"][0]["proved"] == "full" and d["peer"] == "dr"'
same
grep -q -- '-- dr vmseed serve$' "$tmp/ssh.arguments" || fail "ssh was given $(cat "$tmp/ssh.arguments")"
cmp "$tmp/vm.xml" "$dr/$uuid/file-0000" || fail 'the definition is another'

# Nothing new.
resync
is 'd["vms"][0]["result"] == "current" and d["vms"][0]["generation"] == 1'

# What has rotten there is seen when it is asked to read, and comes anew.
printf 'rot' | dd of="$dr/$uuid/vda.raw" bs=1 seek=70000 conv=notrunc 2>/dev/null
resync
is 'd["vms"][0]["result"] == "current"'
resync --paranoid
is 'd["vms"][0]["result"] == "synced" and d["vms"][0]["generation"] == 1'
is 'd["vms"][0]["fetched_blocks"] == 1'
same
resync --paranoid
is 'd["vms"][0]["result"] == "current"'

# A few blocks, of which pieces cross; by the changes, then by the tree.
for descends in '' 1; do
	write vda 0 1 100 $((200 + ${descends:-0})) 305
	resync
	is 'd["vms"][0]["result"] == "synced" and d["bytes_sent"] < 60000'
	is 'd["vms"][0]["fetched_blocks"] == d["vms"][0]["changed_blocks"] > 0'
	same
	export PEER_DESCENDS=1
done
unset PEER_DESCENDS

# Disks that grow, shrink, become zero and come and go.
truncate -s 20100000 "$tmp/vda.img"
printf 'longer than it was' >"$tmp/vdb.img"
printf 'no more empty' >"$tmp/vdc.img"
truncate -s 70000 "$tmp/vdd.img"
dd if=/dev/zero of="$tmp/vda.img" bs=65536 seek=3 count=4 conv=notrunc 2>/dev/null
cp "$tmp/vdb.img" "$tmp/vde.img"
define vda vdb vdd vde vdc
for descends in '' 1; do
	resync
	is 'd["vms"][0]["result"] == "synced" and d["vms"][0]["disks"] == 5'
	same
	cmp "$tmp/vm.xml" "$dr/$uuid/file-0000" || fail 'the definition is another'
	truncate -s 19000000 "$tmp/vda.img"
	truncate -s 5 "$tmp/vdb.img"
	truncate -s 200000 "$tmp/vdd.img"
	: >"$tmp/vdc.img"
	export PEER_DESCENDS=1
done
unset PEER_DESCENDS

# Pulled; what is recorded of it is what the page and the schemas say.
mkdir "$tmp/recorded"
write vda 7 250
RECORD=$tmp/recorded run peer "$dr" pull "$tmp/hq.card" "$uuid" vmseed --home "$hq" serve
same
run peer decode "$tmp/recorded/sender" "$tmp/recorded/receiver"
for name in HELLO PROOF WANT HEAD MORE OFFER BASE FILE CHANGES_END REQUEST BLOCK ARRIVED MANIFEST \
	RECEIPT BYE; do
	grep -q "^$name " "$tmp/out" || fail "no $name was recorded"
done
fails_with 1 'not a VM that hq serves' peer "$dr" pull "$tmp/hq.card" nobody vmseed --home "$hq" serve

# The receipt that hq keeps is one for minisign, too.
receipt=$(find "$hq/vms/$uuid/receipts" -name '*.json')
key=$(vmseed --home "$hq" key list --json | json 'next(s["key"] for s in d["sites"] if s["name"] == "dr")')
run minisign -VHqm "$receipt" -P "$key"

# A peer that hq does not know, one that says it is another, and a history that went back.
peer "$tmp/stranger" new stranger >"$tmp/stranger.card"
STATE=$tmp/stranger refuses 5 'not trusted' vmseed --home "$hq" resync --retries 0 --to ssh://dr \
	"$tmp/vm.xml"
cp -r "$tmp/stranger" "$tmp/liar"
/usr/bin/python3 - "$tmp/liar/site.json" "$dr/site.json" <<'END'
import json, sys
liar, dr = (json.load(open(path)) for path in sys.argv[1:])
liar['site'] = dr['site']
json.dump(liar, open(sys.argv[1], 'w'))
END
STATE=$tmp/liar refuses 5 'key|signature' vmseed --home "$hq" resync --retries 0 --to ssh://dr \
	"$tmp/vm.xml"
cp -r "$hq" "$tmp/hq.old"
write vda 9
resync
is 'd["vms"][0]["result"] == "synced"'
cp -r "$dr" "$tmp/dr.new"
rm -r "$hq"
mv "$tmp/hq.old" "$hq"
write vda 2
fails_with 6 'rollback' vmseed --home "$hq" resync --retries 0 --to ssh://dr "$tmp/vm.xml"
diff -r "$dr" "$tmp/dr.new" || fail 'something was written all the same'

# What was recorded once reads the same today.
run peer decode "$top/tests/vectors/wire/sender" "$top/tests/vectors/wire/receiver"

# The documents that crossed, by their schemas; and the examples of the page.
/usr/bin/python3 -B - "$top" "$tmp/recorded" "$top/tests/vectors/wire" <<'END'
import hashlib, json, re, struct, sys
top, *recorded = sys.argv[1:]
sys.path.insert(0, f'{top}/tests/interop')
import wire

def frames(path):
    data = open(path, 'rb').read()[16:]
    while data:
        length, number = struct.unpack_from('<IB', data)
        yield wire.NAMES[number], wire.take(wire.NAMES[number], data[8:8 + length])
        data = data[8 + length:]

documents = []
for folder in recorded:
    for side in 'sender', 'receiver':
        bundle = b''
        for name, message in frames(f'{folder}/{side}'):
            if name in wire.DOCUMENTS:
                bundle += message['part']
                if message['last']:
                    documents.append(json.loads(bundle[4:4 + struct.unpack_from('<I', bundle)[0]]))
                    bundle = b''
assert sorted(doc['type'] for doc in documents) == sorted(
    ['hello', 'hello', 'offer', 'manifest', 'receipt'] * 2), [doc['type'] for doc in documents]
try:
    from jsonschema import Draft202012Validator
except ImportError:
    Draft202012Validator = None
for doc in documents if Draft202012Validator else []:
    schema = json.load(open(f'{top}/manifests/schemas/{doc["type"]}.schema.json'))
    Draft202012Validator(schema).validate(doc)

page = open(f'{top}/man/vmseed-wire.5').read()
examples = page[page.index('.Sh EXAMPLES'):]
dumps = [bytes.fromhex(''.join(re.findall(r'^ (?:[0-9a-f]{2}  )?((?:[0-9a-f]{2} {1,2}?){1,15}[0-9a-f]{2})'
                                          r'(?:  +\S+)?$', dump, re.M)).replace(' ', ''))
         for dump in re.findall(r'^\.Bd -literal\n(.*?)^\.Ed', examples, re.S | re.M) if '{' not in dump]
first, *rest = dumps
wire.check_preamble(first[:16])
assert len(dumps) == 5 and len(first) == 80, [len(d) for d in dumps]
messages = []
for data in [first[16:]] + rest:
    length, number, zero = struct.unpack_from('<IB3s', data)
    assert length == len(data) - 8 and zero == bytes(3)
    messages.append((wire.NAMES[number], wire.take(wire.NAMES[number], data[8:])))
digests = [hashlib.sha256(block).digest() for block in (b'A' * 65536, b'hello')]
assert [name for name, _ in messages] == 'HELLO DESCEND NODES REQUEST BLOCK'.split()
hello, descend, nodes, request, block = (message for _, message in messages)
assert hello['site'] == '4d542f5a0c3eb3609cfb75bcb3832f64' and hello['nonce'] == bytes(range(32))
assert hello['sender'] and hello['caller']
assert (descend['flag'], descend['asked']) == (len(wire.tree_of(digests, 65541)) - 1, [0])
assert nodes['nodes'] == b''.join(digests)
assert request['asked'] == [(1, [])] and (block['index'], block['data']) == (1, b'hello')
secret = wire.hint_secret(bytes(range(32)))
assert secret[:16].hex() in examples and f'0x{wire.hint(secret, b"A" * 4096):08x}' in examples
numbers = dict(re.findall(r'^\.It (\w+) Ta (\d+) Ta (?:R|S|both|caller) ', page, re.M))
assert {name: int(number) for name, number in numbers.items()} == wire.TYPES
kinds = re.findall(r'^\.It (\d+) Ta ([\w-]+) Ta ', page[page.index('.Ss REFUSE'):page.index('.Ss BYE')],
                   re.M)
assert [name for _, name in kinds if name != '1' and not name.isdigit()] == wire.KINDS, kinds
END
