#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# A planned switch-over: the last resync, after which the source signs nothing more; promotion; and
# the other way round.
. "${0%/*}/lib.sh"
. "$top/tests/support/resync.sh"
two_sites
make_disk "$tmp/web01.img" 4M 1
make_disk "$tmp/db01.img" 1M 2
vm=web01=$tmp/web01.img
seed "$vm" "db01=$tmp/db01.img"
change "$tmp/web01.img" last 7

resync --final "$vm"
is 'vm["web01"]["result"] == "synced"'
same web01 "$tmp/web01.img"
# From now on this side is not the one that counts; the others are.
change "$tmp/web01.img" late 8
resync_fails 6 'web01.*handed over' "$vm"
fails_with 6 'web01.*handed over' vmseed --home "$hq" export --media "$tmp/caddy" --for dr "$vm"
resync "db01=$tmp/db01.img"
cp "$(replica_disk "$dr" web01 vda)" "$tmp/final"

run vmseed --home "$dr" promote web01
replica_is web01 promoted
cmp "$tmp/final" "$(replica_disk "$dr" web01 vda)"
# The block written after it is seen, and only then given up.
fails_with 6 '1 block' vmseed --home "$hq" adopt "$vm"
run vmseed --home "$hq" adopt --in-place --discard-changes "$vm"
change "$(replica_disk "$dr" web01 vda)" there 9
summed vmseed --home "$dr" --json --progress=none resync --to "$hq" web01
is 'vm["web01"]["result"] == "synced"'
cmp "$(replica_disk "$hq" web01 vda)" "$(replica_disk "$dr" web01 vda)"

# Nothing to do is final as well: no block moves, and it can be promoted.
settle
resync --final "db01=$tmp/db01.img"
is 'vm["db01"]["fetched_blocks"] == 0'
run vmseed --home "$dr" promote db01
same db01 "$tmp/db01.img"

# A change of mind, or a site that died before it promoted: only --force takes the VM back, on a
# timeline of its own. The messages of what is refused say so.
make_disk "$tmp/mail.img" 1M 5
make_disk "$tmp/dns.img" 1M 6
seed "mail=$tmp/mail.img" "dns=$tmp/dns.img"
resync --final "mail=$tmp/mail.img" "dns=$tmp/dns.img"
for vm in mail dns; do
	record=$(grep -l "\"$vm\"" "$hq"/vms/*/vm.json)
	cp "$record" "$tmp/record"
	resync_fails 6 'promote.*--force.*takes back' "$vm=$tmp/$vm.img"
	fails_with 6 'promote.*--force.*takes back' vmseed --home "$hq" export --media "$tmp/caddy" --for dr \
		"$vm"
	refuses 6 "may have promoted it.*promote --force \"?$vm" vmseed --home "$hq" promote "$vm"
	says "Would take back $vm" vmseed --home "$hq" promote --force -n "$vm"
	cmp "$record" "$tmp/record"
	[ "$vm" = mail ] || run vmseed --home "$dr" promote dns
	run vmseed --home "$hq" promote --force -n --json "$vm"
	[ "$(json '[d["replica"], d["captured"], d["disks"], d["dry_run"]]' <"$tmp/out")" = \
		'[null, null, [], true]' ] || fail 'no such summary'
	says "Took back $vm at generation 1" vmseed --home "$hq" promote --force "$vm"
	grep -q 'resync --to' "$tmp/out" || fail 'it does not say what comes next'
	[ "$(json '[d.get("handed_over"), d.get("final"), len(d["lineage"])]' <"$record")" = '[null, null, 2]' ] ||
		fail "the record is not taken back: $(cat "$record")"
	tail -n 1 "$hq/history.chain" | grep '"promote"' | grep -q "\"$vm\"" || fail 'no entry'
	says 'already' vmseed --home "$hq" promote --force "$vm"
	refuses 2 'no such replica' vmseed --home "$hq" promote --force nobody
	change "$tmp/$vm.img" after 3
done
refuses 2 'not handed over' vmseed --home "$hq" promote --force "$(
	run vmseed -q --home "$hq" export --media "$tmp/caddy" --for dr "new=$tmp/mail.img"; echo new)"
# The other site never promoted it: the line goes on. It did: split brain, and nothing is replaced.
resync "mail=$tmp/mail.img"
same mail "$tmp/mail.img"
resync_fails 6 'promoted' "dns=$tmp/dns.img"
change "$(replica_disk "$dr" dns vda)" there 4
run vmseed -q --home "$dr" export --media "$tmp/caddy" --plaintext dns
run vmseed -q --home "$hq" export --media "$tmp/caddy" --for dr "dns=$tmp/dns.img"
run vmseed --home "$dr" adopt dns
resync_fails 6 'split brain' "dns=$tmp/dns.img"
run vmseed --home "$dr" adopt --discard-changes dns
run vmseed --home "$hq" resync --to "$dr" "dns=$tmp/dns.img"
same dns "$tmp/dns.img"
