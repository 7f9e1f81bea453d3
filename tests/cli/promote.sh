#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# A replica becomes the VM: its history goes on here, nothing is imported over it, it can be exported
# by name, and what is not fit for it is refused with the way on.
. "${0%/*}/lib.sh"
two_sites
caddy=$tmp/caddy
make_medium "$caddy"
make_disk "$tmp/vda.img" 2M 1
make_disk "$tmp/vdb.img" 1000001 2
make_disk "$tmp/db01.img" 2M 3
run vmseed -q --home "$hq" export --media "$caddy" --for dr "web01=$tmp/vda.img,$tmp/vdb.img" \
	"db01=$tmp/db01.img"
run vmseed -q --home "$dr" import --media "$caddy"
find "$dr/replicas" -name '*.raw' -exec touch -d '1 hour ago' {} +	# their stamps prove nothing now
replica=$(echo "$dr"/replicas/web01.*)
folder=${replica##*/}
state() { # HOME NAME
	vmseed --home "$1" status --json |
		json "next(r['state'] for r in d['replicas'] if r['name'] == '$2')"
}

# A dry run changes nothing.
find "$dr" -type f -printf '%p %s %T@ %i\n' | sort >"$tmp/before"
says 'Would promote web01 at generation 1' vmseed --home "$dr" promote -n web01
find "$dr" -type f -printf '%p %s %T@ %i\n' | sort | cmp - "$tmp/before"

says 'Promoted web01 at generation 1' vmseed --home "$dr" promote web01
grep -q "vda .*$replica/vda.raw" "$tmp/out" || fail 'the disks are not named'
grep -q 'resync --to .* web01' "$tmp/out" || fail 'no way on'
[ "$(state "$dr" web01)" = promoted ] || fail 'it is not promoted'
[ "$(state "$dr" db01)" = seeded ] || fail 'the other one is not as it was'
cmp "$tmp/vda.img" "$replica/vda.raw"
uuid=$(vmseed --home "$dr" status --json | json "next(r['uuid'] for r in d['replicas'] if r['name'] == 'web01')")
vm=$dr/vms/$uuid
cmp "$replica/vda.list" "$vm/vda.list"
cmp "$replica/vdb.list" "$vm/vdb.list"
[ ! -e "$vm/vda.stamp" ] || fail 'a disk that was touched is called proven'
[ "$(json 'd["generation"]' <"$vm/vm.json")" = 1 ] || fail 'another generation'
[ "$(json 'd["lineage"][1]["forked_from"]["generation"]' <"$vm/vm.json")" = 1 ] || fail 'no fork at 1'
python3 - "$vm/vm.json" "$replica/replica.json" "$hq/site/site.json" "$dr/site/site.json" \
	"$dr/history.chain" <<'END'
import json, sys
vm, replica, hq, dr = [json.load(open(name)) for name in sys.argv[1:5]]
lines = open(sys.argv[5]).read().splitlines()
entry = json.loads(lines[0].split('\t')[0])
assert vm['lineage'] == replica['lineage'] and len(vm['lineage']) == 2, vm
assert vm['origin'] == replica['site'] == hq['site'], (vm, replica, hq)
fork = vm['lineage'][1]
assert fork['writer'] == dr['site'], (fork, dr)
assert fork['forked_from']['id'] == vm['lineage'][0]['id']
assert len(lines) == 1 and entry['event'] == 'promote' and entry['name'] == 'web01', lines
assert entry['timeline'] == fork['id'] and entry['forked_from'] == vm['lineage'][0]['id'], entry
END

# Again is no work.
cp "$vm/vm.json" "$tmp/vm.json"
cp "$dr/history.chain" "$tmp/history"
says 'promoted already' vmseed --home "$dr" promote web01
cmp "$vm/vm.json" "$tmp/vm.json"
cmp "$dr/history.chain" "$tmp/history"

# Cut short before the last step, and before the one before that.
rm "$dr/history.chain"
run vmseed --home "$dr" promote web01
[ "$(wc -l <"$dr/history.chain")" = 1 ] || fail 'the entry was not added'
python3 - "$replica/replica.json" <<'END'
import json, sys
doc = json.load(open(sys.argv[1]))
doc['state'] = 'seeded'
del doc['lineage'][1]
json.dump(doc, open(sys.argv[1], 'w'))
END
says 'Promoted web01' vmseed --home "$dr" promote web01
[ "$(json 'd["lineage"][1]["id"]' <"$vm/vm.json")" = "$(json 'd["lineage"][1]["id"]' <"$tmp/vm.json")" ] ||
	fail 'the rerun forked again'

# Nothing comes over it.
flip_byte "$tmp/vda.img" 70000
run vmseed -q --home "$hq" export --media "$caddy" --for dr "web01=$tmp/vda.img,$tmp/vdb.img"
cp "$replica/vda.raw" "$tmp/promoted.img"
fails_with 3 'promoted' vmseed -q --home "$dr" import --media "$caddy"
cmp "$replica/vda.raw" "$tmp/promoted.img"

# It is exported by its name: the next generation, on this site's timeline, of the origin's VM.
flip_byte "$replica/vda.raw" 200000
plain=$tmp/plain
mkdir "$plain"
run vmseed -q --home "$dr" media prepare "$plain" --allow-internal
run vmseed --home "$dr" export --media "$plain" --plaintext web01
python3 - "$(find "$plain" -name 'manifest*.json' | head -n 1)" "$vm/vm.json" <<'END'
import json, sys
manifest, vm = [json.load(open(name)) for name in sys.argv[1:3]]
site = manifest['site']['id'] if isinstance(manifest['site'], dict) else manifest['site']
assert manifest['generation'] == 2 and manifest['lineage'] == vm['lineage'], manifest['lineage']
assert site == vm['origin'], site
assert [disk['slot'] for disk in manifest['disks']] == ['vda', 'vdb']
END
refuses 2 'not promoted' vmseed -q --home "$dr" export --media "$plain" --plaintext db01
refuses 2 'no such file' vmseed -q --home "$dr" export --media "$plain" --plaintext nobody

# A disk that is provably as it was imported is not read for the first way back.
fifth=$tmp/fifth
make_site "$fifth" fifth
exchange_cards "$hq" "$fifth"
again=$tmp/again
mkdir "$again"
run vmseed -q --home "$hq" media prepare "$again" --allow-internal
run vmseed -q --home "$hq" export --media "$again" --plaintext "db01=$tmp/db01.img"
run vmseed -q --home "$fifth" import --media "$again"
sleep 3		# younger times prove nothing
run vmseed --home "$fifth" promote db01
[ -e "$fifth"/vms/*/vda.stamp ] || fail 'an untouched disk is not called proven'
run vmseed -q --home "$fifth" export --media "$again" --plaintext --no-data --json db01
[ "$(json '[d["bytes_read"], d["vms"][0]["generation"]]' <"$tmp/out")" = '[0, 3]' ] ||
	fail "it was read: $(cat "$tmp/out")"

# Unfit.
refuses 2 'no such replica' vmseed --home "$dr" promote nobody
third=$tmp/third
make_site "$third" third
exchange_cards "$hq" "$third"
damaged=$tmp/damaged
mkdir "$damaged"
run vmseed -q --home "$hq" media prepare "$damaged" --allow-internal
make_disk "$tmp/big.img" 4M 9
run vmseed -q --home "$hq" export --media "$damaged" --plaintext "big=$tmp/big.img"
pack=$(find "$damaged" -name '*.pack')
flip_byte "$pack" $(($(wc -c <"$pack") / 2))
try vmseed -q --home "$third" import --media "$damaged"
[ "$(state "$third" big)" = incomplete ] || fail 'it is not incomplete'
refuses 2 'blocks are missing' vmseed --home "$third" promote big
[ ! -e "$third/vms" ] || fail 'a refusal left something'
big=$(echo "$third"/replicas/big.*)
set_member() { # FILE KEY VALUE
	python3 - "$@" <<'END'
import json, sys
doc = json.load(open(sys.argv[1]))
doc[sys.argv[2]] = sys.argv[3]
json.dump(doc, open(sys.argv[1], 'w'))
END
}
set_member "$big/replica.json" state candidate
refuses 6 'candidate' vmseed --home "$third" promote big
set_member "$big/replica.json" state seeding
refuses 2 'still being seeded' vmseed --home "$third" promote big
set_member "$big/replica.json" state current
set_member "$big/replica.json" captured changed
refuses 6 'changed meanwhile.*--force' vmseed --home "$third" promote big
says 'Would promote' vmseed --home "$third" promote -n --force big
run vmseed --home "$third" promote --force big
[ "$(state "$third" big)" = promoted ] || fail '--force did not promote'

# A VM of that uuid that this site exports itself.
fourth=$tmp/fourth
make_site "$fourth" fourth
exchange_cards "$hq" "$fourth"
other=$tmp/other
mkdir "$other"
run vmseed -q --home "$hq" media prepare "$other" --allow-internal
run vmseed -q --home "$hq" export --media "$other" --plaintext "big=$tmp/db01.img"
run vmseed -q --home "$fourth" import --media "$other"
own=$tmp/own
mkdir "$own"
uuid=$(vmseed --home "$fourth" status --json | json 'd["replicas"][0]["uuid"]')
run vmseed -q --home "$fourth" media prepare "$own" --allow-internal
run vmseed -q --home "$fourth" export --media "$own" --plaintext --uuid "$uuid" "mine=$tmp/big.img"
cp "$fourth/vms/$uuid/vm.json" "$tmp/own.json"
refuses 6 'exports a VM of that uuid itself' vmseed --home "$fourth" promote big
cmp "$fourth/vms/$uuid/vm.json" "$tmp/own.json"
[ "$(state "$fourth" big)" = seeded ] || fail 'a refusal changed the replica'
refuses 9 'is locked by' flock "$fourth/replicas/$(basename "$fourth"/replicas/big.*)" \
	vmseed --home "$fourth" promote big
