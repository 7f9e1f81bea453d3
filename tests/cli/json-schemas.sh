#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# What every command prints with --json is what manifests/output/ says, also when some VMs fail,
# when something is damaged, in a dry run, and for the lines of --progress=json.
. "${0%/*}/lib.sh"
requires python3 -c 'from jsonschema import Draft202012Validator'

# One process checks all documents, at the end: each lies in $tmp/docs as "NNN SCHEMA".
mkdir "$tmp/docs"
count=0
keep() { # SCHEMA [FILE]
	count=$((count + 1))
	cp "${2:-$tmp/out}" "$tmp/docs/$(printf %03d $count) $1"
}

prints() { # STATUS SCHEMA CMD...: one document of that schema
	status_wanted=$1 schema=$2
	shift 2
	try "$@" --json --progress=json
	[ "$status" = "$status_wanted" ] || {
		show_last
		fail "exit $status instead of $status_wanted from: $*"
	}
	keep "$schema"
	keep progress "$tmp/err"
}

hq=$tmp/hq dr=$tmp/dr other=$tmp/other
prints 0 key vmseed --home "$hq" key new hq -n
prints 0 key vmseed --home "$hq" key new hq
make_site "$dr" dr
make_site "$other" other
prints 0 key-card vmseed --home "$hq" key card
exchange_cards "$hq" "$dr"
vmseed -q --home "$other" key card >"$tmp/other.card"
print=$(vmseed --home "$other" key card --json | json 'd["fingerprint"]')
prints 0 key-trust vmseed --home "$hq" key trust -n "$tmp/other.card" --fingerprint "$print"
prints 0 key-trust vmseed --home "$hq" key trust "$tmp/other.card" --fingerprint "$print" \
	--scope web01 --scope 'name with "quotes"'
prints 0 key-list vmseed --home "$hq" key list
prints 0 key-revoke vmseed --home "$hq" key revoke other -n
prints 0 key-revoke vmseed --home "$hq" key revoke other
prints 0 key-list vmseed --home "$hq" key list

mkdir "$tmp/medium"
prints 0 media-prepare vmseed --home "$hq" media prepare -n --allow-internal "$tmp/medium"
prints 0 media-prepare vmseed --home "$hq" media prepare --allow-internal --label caddy "$tmp/medium"
prints 0 media-prepare vmseed --home "$hq" media prepare "$tmp/medium"
prints 0 media-list vmseed --home "$hq" media list
prints 0 media-list vmseed --home "$hq" media list -a
prints 0 medium vmseed --home "$hq" media show "$tmp/medium"
prints 0 medium vmseed --home "$other" media show "$tmp/medium"
prints 0 status vmseed --home "$dr" status

make_disk "$tmp/a.img" 3000001
make_disk "$tmp/b.img" 2M 2
a="web 01=$tmp/a.img,$tmp/b.img" b="db01=$tmp/b.img"
prints 0 export vmseed --home "$hq" export -n --media "$tmp/medium" --for dr "$a" "$b"
prints 3 export vmseed --home "$hq" export --media "$tmp/medium" --for dr "$a" "$b" \
	"none=$tmp/none.img"
prints 0 export vmseed --home "$hq" export --media "$tmp/medium" --for dr --no-data "order=$tmp/a.img"
prints 0 status vmseed --home "$hq" status
prints 0 medium vmseed --home "$dr" media show "$tmp/medium"
prints 5 medium vmseed --home "$other" media show "$tmp/medium"
prints 0 verify vmseed --home "$dr" verify --media "$tmp/medium"

# A site that trusts the exporter and has no key for the set: ciphertext alone.
vmseed -q --home "$hq" key card >"$tmp/hq.card"
print=$(vmseed --home "$hq" key card --json | json 'd["fingerprint"]')
run vmseed --home "$other" key trust "$tmp/hq.card" --fingerprint "$print"
prints 0 verify vmseed --home "$other" verify --media "$tmp/medium"

# Damage on the medium, and then in a replica.
cp -r "$tmp/medium" "$tmp/damaged"
pack=$(find "$tmp/damaged" -name 00000001.pack)
flip_byte "$pack" 5000
prints 4 verify vmseed --home "$dr" verify --media "$tmp/damaged"
mkdir "$dr/replicas"
prints 0 import vmseed --home "$dr" import -n --media "$tmp/damaged" db01 'web 01'
prints 3 import vmseed --home "$dr" import --media "$tmp/damaged" db01 'web 01'
prints 0 status vmseed --home "$dr" status
prints 3 status vmseed --home "$dr" status --check
json 'sorted(r["state"] for r in d["replicas"])' <"$tmp/out" | grep -q incomplete ||
	fail 'no replica is incomplete'
prints 0 import vmseed --home "$dr" import --media "$tmp/medium" db01 'web 01'
prints 0 import vmseed --home "$dr" import --media "$tmp/medium" db01 'web 01'
prints 0 verify-replica vmseed --home "$dr" verify --replica db01
flip_byte "$(replica_disk "$dr" db01 vda)" 70000
prints 4 verify-replica vmseed --home "$dr" verify --replica db01
json 'd["disks"][0]["bad"]' <"$tmp/out" | grep -qxF '[[1, 1]]' || fail 'the bad block is another'
folder=$(vmseed --home "$dr" status --json | json 'd["replicas"][0]["folder"]')

# A recovery point, which only resync makes, is made of the replica itself.
prints 0 points vmseed --home "$dr" points
mkdir "$tmp/1" "$dr/replicas/$folder/points"
cp "$dr/replicas/$folder"/*.* "$tmp/1"
mv "$tmp/1" "$dr/replicas/$folder/points/1"
prints 0 points vmseed --home "$dr" points "$folder"
unprinted=
if cp --reflink=always "$dr/replicas/$folder/points/1/replica.json" "$dr/cloned" 2>/dev/null; then
	prints 0 points-restore vmseed --home "$dr" points restore "$folder" 1
else
	try vmseed --home "$dr" points restore "$folder" 1 --json
	[ "$status" = 2 ] || fail "exit $status where blocks cannot be shared"
	unprinted=points-restore
fi
echo '{' >"$dr/replicas/$folder/points/1/replica.json"
prints 3 points vmseed --home "$dr" points
prints 0 points-delete vmseed --home "$dr" points delete "$folder" 1

# db01 is refused, since it was written to.
prints 0 resync vmseed --home "$hq" resync -n --to "$dr" "$a"
prints 0 resync vmseed --home "$hq" resync --to "$dr" "$a"
printf 'new' | dd of="$tmp/a.img" bs=1 seek=100000 conv=notrunc 2>/dev/null
prints 3 resync vmseed --home "$hq" resync --to "$dr" "$a" "$b"
prints 3 resync vmseed --home "$dr" resync --from "$hq" --all
prints 1 resync env VMSEED_SSH=false vmseed --home "$hq" resync --retries 0 --to ssh://dr "$a"

prints 0 resync-abort vmseed --home "$dr" resync -n --abort 'web 01'
prints 0 resync-abort vmseed --home "$dr" resync --abort 'web 01'
prints 2 resync-abort vmseed --home "$dr" resync --abort 'web 01' none

echo '{' >"$dr/replicas/$folder/replica.json"
prints 0 status vmseed --home "$dr" status

# Lineage changes.
make_disk "$tmp/left.img" 2M 5
run vmseed -q --home "$hq" export --media "$tmp/medium" --for dr "left=$tmp/left.img"
run vmseed -q --home "$dr" import --media "$tmp/medium" left
prints 0 promote vmseed --home "$dr" promote -n left
prints 0 promote vmseed --home "$dr" promote left
prints 0 promote vmseed --home "$dr" promote left
prints 0 adopt vmseed --home "$hq" adopt -n "left=$tmp/left.img"
flip_byte "$tmp/left.img" 70000
prints 6 adopt vmseed --home "$hq" adopt "left=$tmp/left.img"
prints 0 adopt vmseed --home "$hq" adopt --discard-changes "left=$tmp/left.img"
prints 0 adopt vmseed --home "$hq" adopt "left=$tmp/left.img"
prints 0 adopt vmseed --home "$dr" adopt left
prints 0 status vmseed --home "$hq" status

# A damaged commit.
flip_byte "$(find "$tmp/damaged" -path '*/commits/00000002.json')" 100
try vmseed --home "$dr" media show "$tmp/damaged" --json
[ "$status" = 4 ] || [ "$status" = 5 ] || fail "exit $status with a damaged commit"
keep medium

python3 - "$top/manifests/output" "$tmp/docs" "$unprinted" <<'END'
import copy, json, os, sys
from jsonschema import Draft202012Validator
schemas, docs, unprinted = sys.argv[1:]
validators, seen, lines = {}, set(), set()
for name in os.listdir(schemas):
    with open(f'{schemas}/{name}') as file:
        schema = json.load(file)
    Draft202012Validator.check_schema(schema)
    validators[name.removesuffix('.schema.json')] = Draft202012Validator(schema)

bad = []
for name in sorted(os.listdir(docs)):
    kind = name[4:]
    with open(f'{docs}/{name}') as file:
        text = file.read()
    for doc in [json.loads(text)] if kind != 'progress' else map(json.loads, text.splitlines()):
        seen.add(kind)
        if kind == 'progress':
            lines.add(doc['message_type'])
        bad += [f'{name}: {e.json_path}: {e.message}' for e in validators[kind].iter_errors(doc)]
        worse = copy.deepcopy(doc)
        worse['surplus'] = 1
        if validators[kind].is_valid(worse):
            bad.append(f'{name}: valid with an unknown member')
bad += [f'nothing printed a {kind}' for kind in sorted(set(validators) - seen - {unprinted})]
bad += [f'no line is a {kind}' for kind in
        sorted({'status', 'warning', 'summary', 'exit_error'} - lines)]
for complaint in bad:
    print(complaint)
sys.exit(bool(bad))
END
