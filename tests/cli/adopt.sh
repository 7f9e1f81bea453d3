#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# After another site went on with a VM, what was left behind becomes a candidate: copied, or moved in
# place; what was written since the last sync is counted and refused, or given up. A promoted
# replica becomes a candidate again.
. "${0%/*}/lib.sh"
two_sites
caddy=$tmp/caddy
make_medium "$caddy"
for vm in web01 db01 mail; do
	make_disk "$tmp/$vm.img" 2M "$vm"
done
make_disk "$tmp/web01-b.img" 1000001 4
web01="web01=$tmp/web01.img,$tmp/web01-b.img"
db01="db01=$tmp/db01.img"
mail="mail=$tmp/mail.img"
run vmseed -q --home "$hq" export --media "$caddy" --for dr "$web01" "$db01" "$mail"
run vmseed -q --home "$dr" import --media "$caddy"
run vmseed --home "$dr" promote web01
run vmseed --home "$dr" promote db01

replica() { # HOME NAME KEY
	vmseed --home "$1" status --json |
		json "next((r['$3'] for r in d['replicas'] if r['name'] == '$2'), 'none')"
}
member() { # FILE KEY
	json "d.get('$2', 'none')" <"$1"
}
tree() {
	find "$hq" "$tmp"/*.img -type f -printf '%p %s %T@ %i\n' | sort
}
vm_file() {	# NAME
	grep -l "\"$1\"" "$hq"/vms/*/vm.json
}

# Clean: nothing was written since the export. A dry run changes nothing.
tree >"$tmp/before"
says 'Would adopt web01 at generation 1' vmseed -q --home "$hq" adopt -n "$web01"
# By its name it is what it was exported as.
says 'Would adopt web01 at generation 1' vmseed -q --home "$hq" adopt -n web01
says 'Would adopt web01 .* moved' vmseed -q --home "$hq" adopt -n --in-place web01
tree | cmp - "$tmp/before"
says 'Adopted web01 at generation 1' vmseed -q --home "$hq" adopt "$web01"
grep -q 'Nothing was written after the last export. No receipt says' "$tmp/out" ||
	fail 'it says more than can be known'
folder=$hq/replicas/$(replica "$hq" web01 folder)
[ "$(replica "$hq" web01 state)" = candidate ] || fail 'it is no candidate'
cmp "$tmp/web01.img" "$folder/vda.raw"
cmp "$tmp/web01-b.img" "$folder/vdb.raw"
cmp "$folder/vda.list" "${dr}/replicas/$(replica "$dr" web01 folder)/vda.list"
[ "$(stat -c %b "$folder/vda.raw")" -le $(($(stat -c %b "$tmp/web01.img") + 64)) ] ||
	fail 'holes were filled'
[ ! -e "$folder/manifest.json" ] || fail 'a candidate has a manifest'
[ "$(basename "$folder")" = "$(replica "$dr" web01 folder)" ] || fail 'another name than at the other site'
[ "$(member "$(vm_file web01)" handed_over)" = true ] || fail 'it was not handed over'
[ "$(member "$folder/replica.json" discard)" = none ] || fail 'it gives up what nobody said'
[ -z "$(find "$hq" -name '*.adopt' -o -name '.adopting*')" ] || fail 'something was left over'
python3 - "$hq/history.chain" "$folder/replica.json" <<'END'
import json, sys
entry = json.loads(open(sys.argv[1]).read().splitlines()[-1].split('\t')[0])
replica = json.load(open(sys.argv[2]))
assert entry['event'] == 'adopt' and entry['name'] == 'web01' and not entry['discard'], entry
assert entry['timeline'] == replica['lineage'][-1]['id'] and entry['changed_blocks'] == 0
END

# Nothing more is signed of it here.
refuses 6 'handed over' vmseed -q --home "$hq" export --media "$caddy" --for dr "$web01"
run vmseed -q --home "$hq" export --media "$caddy" --for dr "$mail"
# It is no seed that could be started or checked.
refuses 6 'candidate' vmseed --home "$hq" promote web01
refuses 8 'candidate' vmseed -q --home "$hq" verify --replica web01
run vmseed --home "$hq" status

# Again is no work; asking for more is noted.
tree >"$tmp/before"
says 'adopted already' vmseed -q --home "$hq" adopt "$web01"
tree | cmp - "$tmp/before"
says 'was adopted as a copy: --in-place moved nothing' vmseed -q --home "$hq" adopt --in-place "$web01"
[ "$(wc -l <"$hq/history.chain")" = 1 ] || fail 'one adoption, many entries'
says 'signed of it after.*is given up, up to generation 1' \
	vmseed -q --home "$hq" adopt --discard-changes "$web01"
[ "$(member "$folder/replica.json" discard)" = true ] || fail 'discard was not noted'
for n in 1 2; do
	[ "$(wc -l <"$hq/history.chain")" = 2 ] || fail 'one decision, many entries'
	tail -n 1 "$hq/history.chain" | grep -q '"discard": *true' || fail 'no entry of giving up'
	run vmseed -q --home "$hq" adopt "$web01"
done

# Dirty: two blocks, one of them in what was a hole; the same count whenever it is asked for.
cp "$tmp/db01.img" "$tmp/db01.then"
flip_byte "$tmp/db01.img" 70000
printf x | dd of="$tmp/db01.img" bs=1 seek=$((12 * 65536)) conv=notrunc 2>/dev/null
cp "$tmp/db01.img" "$tmp/db01.now"
tree >"$tmp/before"
for n in '' -n ''; do
	refuses 6 '2 blocks \(128 KiB\) were written after the last sync' vmseed -q --home "$hq" adopt $n \
		"$db01"
done
tree | cmp - "$tmp/before"
[ "$(replica "$hq" db01 state)" = none ] || fail 'a refusal made a replica'
[ "$(member "$(vm_file db01)" handed_over)" = none ] || fail 'a refusal handed it over'
run vmseed -q --home "$hq" export --media "$caddy" --for dr "$mail"

# Moved in place. What cannot be moved is refused before anything is touched.
ln -s "$tmp/db01.img" "$tmp/link.img"
uuid=$(member "$(vm_file db01)" uuid)
refuses 2 'is a link' vmseed -q --home "$hq" adopt --in-place --discard-changes --uuid "$uuid" \
	"db01=$tmp/link.img"
rm "$tmp/link.img"
if [ -w /dev/shm ] && [ "$(stat -c %d /dev/shm)" != "$(stat -c %d "$hq")" ]; then
	shm=$(mktemp -d /dev/shm/vmseed-story.XXXXXX)
	trap 'rm -rf "$tmp" "$shm"' EXIT
	cp "$tmp/db01.img" "$shm/db01.img"
	refuses 2 'another file system' vmseed -q --home "$hq" adopt --in-place --discard-changes \
		--uuid "$uuid" "db01=$shm/db01.img"
	cmp "$tmp/db01.img" "$shm/db01.img"
fi
inode=$(stat -c %i "$tmp/db01.img")
says 'moved into the store' vmseed -q --home "$hq" adopt --in-place --discard-changes "$db01"
grep -q '2 blocks (128 KiB) written after the last sync are given up' "$tmp/out" || fail 'no count'
folder=$hq/replicas/$(replica "$hq" db01 folder)
[ "$(stat -c %i "$folder/vda.raw")" = "$inode" ] || fail 'it was not moved'
[ ! -e "$tmp/db01.img" ] || fail 'it is at its old place, too'
cmp "$tmp/db01.now" "$folder/vda.raw"
[ "$(member "$folder/replica.json" discard)" = true ] || fail 'discard was not noted'

# A run that was killed with one disk of two moved: the next one goes on with what is left.
pair="pair=$tmp/one.img,$tmp/two.img"
make_disk "$tmp/one.img" 2M 11
make_disk "$tmp/two.img" 2M 12
run vmseed -q --home "$hq" export --media "$caddy" --for dr "$pair"
cp "$tmp/one.img" "$tmp/one.then"
cp "$tmp/two.img" "$tmp/two.then"
cp -a "$hq" "$tmp/killed"
killed=$tmp/killed
run vmseed -q --home "$hq" adopt -n --in-place "$pair"
id=$(vmseed -q --home "$hq" adopt -n --json "$pair" | json 'd["replica"].split(".")[1]')
mkdir -m 700 "$killed/replicas/.moving-$id"
mv "$tmp/one.img" "$killed/replicas/.moving-$id/vda.raw"
echo torn >"$tmp/one.img"
refuses 2 'moved by an earlier run' vmseed -q --home "$killed" adopt "$pair"
rm "$tmp/one.img"
says 'moved into the store' vmseed -q --home "$killed" adopt "$pair"
folder=$killed/replicas/$(replica "$killed" pair folder)
cmp "$tmp/one.then" "$folder/vda.raw"
cmp "$tmp/two.then" "$folder/vdb.raw"
[ ! -e "$tmp/two.img" ] || fail 'the second one was not moved'
[ -z "$(find "$killed/replicas" -name '.moving*')" ] || fail 'the folder beside is still there'

# Not ours, never seen, in use, in the way.
refuses 2 'never exported' vmseed -q --home "$hq" adopt "unknown=$tmp/mail.img"
[ "$(find "$hq/vms" -mindepth 1 -maxdepth 1 | wc -l)" = 4 ] || fail 'a refusal made a record'
refuses 2 'no replica is called so: .nobody.: no such file' vmseed -q --home "$hq" adopt nobody
refuses 9 'is locked by' flock "$(dirname "$(vm_file mail)")" vmseed -q --home "$hq" adopt "$mail"
name=$(vmseed -q --home "$hq" adopt -n --json "$mail" | json 'd["replica"]')
mkdir "$hq/replicas/$name"
echo mine >"$hq/replicas/$name/vda.raw"
refuses 1 "replica $name: replica.json" vmseed -q --home "$hq" adopt "$mail"
[ "$(cat "$hq/replicas/$name/vda.raw")" = mine ] || fail 'a file of somebody else was touched'
rm -r "$hq/replicas/$name"
python3 - "$tmp/mail.img" "$tmp/holding" <<'END' &
import sys, time
file = open(sys.argv[1], 'r+b')
open(sys.argv[2], 'w').close()
time.sleep(60)
END
holder=$!
until [ -e "$tmp/holding" ]; do sleep 0.1; done
refuses 8 'mail' vmseed -q --home "$hq" adopt "$mail"
kill $holder
wait $holder 2>/dev/null || :
says 'Adopted mail' vmseed -q --home "$hq" adopt mail

# A promoted replica becomes a candidate again, with the same care.
promoted=$dr/replicas/$(replica "$dr" web01 folder)
cp "$promoted/vda.raw" "$tmp/promoted.then"
flip_byte "$promoted/vda.raw" 5
refuses 6 '1 block \(64 KiB\) was written' vmseed -q --home "$dr" adopt web01
[ "$(replica "$dr" web01 state)" = promoted ] || fail 'a refusal changed it'
refuses 2 'in the store already' vmseed -q --home "$dr" adopt --in-place web01
run vmseed -q --home "$dr" adopt -n --discard-changes web01
[ "$(replica "$dr" web01 state)" = promoted ] || fail 'a dry run changed it'
says 'its disks stay' vmseed -q --home "$dr" adopt --discard-changes web01
[ "$(replica "$dr" web01 state)" = candidate ] || fail 'it is no candidate'
[ ! -e "$promoted/manifest.json" ] || fail 'the old manifest describes it no more'
[ "$(member "$promoted/replica.json" discard)" = true ] || fail 'discard was not noted'
[ "$(json 'len(d["lineage"])' <"$promoted/replica.json")" = 2 ] || fail 'its history is another'
refuses 2 'not promoted' vmseed -q --home "$dr" export --media "$caddy" --plaintext web01
says 'adopted already' vmseed -q --home "$dr" adopt web01
refuses 2 'needs no adopting' vmseed -q --home "$dr" adopt mail
# One that was not written to is clean.
says 'Nothing was written' vmseed -q --home "$dr" adopt db01
