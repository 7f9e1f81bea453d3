#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The destination acknowledges on the medium what it imported; when the medium comes back, the source
# knows who holds which generation. Nobody else's word counts, and none is counted twice.
. "${0%/*}/lib.sh"
two_sites
caddy=$tmp/caddy
make_medium "$caddy"
make_disk "$tmp/web01.img" 1M 1
make_disk "$tmp/db01.img" 500000 2
web=web01=$tmp/web01.img db=db01=$tmp/db01.img

at_dr() { # VM: "state generation proved" as the source's status has it
	vmseed --home "$hq" status --json | json "' '.join(f'{r[\"state\"]} {r[\"generation\"]} {r[\"proved\"]}'
		for s in d['sources'] if s['name'] == '$1' for r in s['receipts'] if r['site'] == 'dr')"
}

run vmseed --home "$hq" export --media "$caddy" --for dr "$web" "$db"
run vmseed --home "$dr" import -n --media "$caddy"
receipts=$(find "$caddy/vmseed" -mindepth 1 -maxdepth 1 -type d)/receipts
[ ! -e "$receipts" ] || fail 'a dry run acknowledged something'
run vmseed --home "$dr" import --media "$caddy" web01
run vmseed --home "$dr" import --media "$caddy" web01
[ "$(ls "$receipts")" = 00000001.sealed ] || fail "receipts: $(ls "$receipts")"
if grep -q 'web01\|receipt' "$receipts/00000001.sealed"; then fail 'a receipt can be read'; fi

# status takes it in, says so once, and knows from then on. Not in a dry run.
[ -z "$(at_dr web01)" ] || fail 'known before the medium came back'
run vmseed -n --home "$hq" status --media "$caddy"
[ -z "$(at_dr web01)" ] || fail 'taken in by a dry run'
says 'dr acknowledges generation 1 of web01' vmseed --home "$hq" status --media "$caddy"
grep -Eq 'web01 +at dr +1' "$tmp/out" || fail 'status does not show it at once'
[ "$(at_dr web01)" = 'seeded 1 written' ] || fail "status: $(at_dr web01)"
[ -z "$(at_dr db01)" ] || fail 'db01 was not imported'
run vmseed --home "$hq" status --media "$caddy"
if grep -q acknowledges "$tmp/err"; then fail 'taken in twice'; fi
fails_with 7 'not a prepared medium' vmseed --home "$hq" status --media "$tmp/hq"

# The next export, and media show, take in the rest.
run vmseed --home "$dr" import --media "$caddy"
says 'dr acknowledges generation 1 of db01' vmseed --home "$hq" media show "$caddy"
printf 'new' | dd of="$tmp/web01.img" bs=1 seek=100000 conv=notrunc 2>/dev/null
run vmseed --home "$hq" export --media "$caddy" --for dr "$web"
run vmseed --home "$dr" import --media "$caddy"
cp -r "$caddy" "$tmp/old"
says 'dr acknowledges generation 2 of web01' vmseed --home "$hq" export --media "$caddy" --for dr "$db"
[ "$(at_dr web01)" = 'seeded 2 written' ] || fail "after the second: $(at_dr web01)"

# An older one, from an older medium, says nothing new.
rm "$(find "$tmp/old" -name 00000003.sealed)"
run vmseed --home "$hq" status --media "$tmp/old"
[ "$(at_dr web01)" = 'seeded 2 written' ] || fail "after an older medium: $(at_dr web01)"

# Lost at home, it is taken in again; damaged on the medium, it is none.
rm -r "$hq"/vms/*/receipts
for file in "$receipts"/0000000[13].sealed; do flip_byte "$file" 150; done
run vmseed --home "$hq" status --media "$caddy"
[ -z "$(at_dr web01)" ] || fail 'a damaged receipt counts'
[ "$(at_dr db01)" = 'seeded 1 written' ] || fail 'one damaged receipt costs the others'
for file in "$receipts"/0000000[13].sealed; do flip_byte "$file" 150; done

# Whom the source does not trust, or not any more, or not for this VM: warned of, and not counted.
rm -r "$hq"/vms/*/receipts
cp -r "$hq/trust" "$tmp/trust"
echo db01 >"$hq/trust/dr.scope"
says 'warning: .*receipt 1: .*outside the scope' vmseed --home "$hq" status --media "$caddy"
[ -z "$(at_dr web01)" ] || fail 'out of scope'
[ "$(at_dr db01)" = 'seeded 1 written' ] || fail 'within the scope'
rm "$hq/trust/dr.scope"
rm -r "$hq"/vms/*/receipts
run vmseed -y --home "$hq" key revoke dr
says 'warning: .*receipt 1: .*revoked' vmseed --home "$hq" status --media "$caddy"
[ -z "$(at_dr db01)" ] || fail 'a revoked site acknowledges'
rm -r "$hq/trust"
cp -r "$tmp/trust" "$hq/trust"

# A plaintext set has its receipts in the clear, for anybody to check.
make_medium "$tmp/plain"
run vmseed --home "$hq" export --media "$tmp/plain" --plaintext "$web"
run vmseed --home "$dr" import --media "$tmp/plain"
receipt=$(find "$tmp/plain" -path '*/receipts/00000001.json')
if minisign -v >/dev/null 2>&1; then
	key=$(vmseed --home "$dr" key list --json | json "d['sites'][0]['key']")
	run minisign -Vm "$receipt" -P "$key"
fi
says 'dr acknowledges generation 3 of web01' vmseed --home "$hq" status --media "$tmp/plain"

# What is not whole is not acknowledged.
make_medium "$tmp/bad"
make_disk "$tmp/app.img" 1M 9
run vmseed --home "$hq" export --media "$tmp/bad" --for dr "app=$tmp/app.img"
flip_byte "$(find "$tmp/bad" -name 00000001.pack)" 5000
fails_with 3 'incomplete' vmseed --home "$dr" import --media "$tmp/bad"
[ -z "$(find "$tmp/bad" -name receipts)" ] || fail 'an incomplete replica is acknowledged'
[ "$(vmseed -q --home "$dr" media show --json "$tmp/bad" |
	json 'd["sets"][0]["custody"]["entries"][-1]["verdict"]')" = partial ] || fail 'its custody'
# A resync completes it and acknowledges over the wire; the medium has nothing to add.
sleep 3
run vmseed --home "$hq" resync --to "$dr" "app=$tmp/app.img"
[ "$(at_dr app | cut -d' ' -f2)" = 1 ] || fail "after the resync: $(at_dr app)"
