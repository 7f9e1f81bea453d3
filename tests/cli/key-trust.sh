#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# A card is trusted by its fingerprint, narrowed to VMs, and revoked for good.
. "${0%/*}/lib.sh"
hq=$tmp/hq dr=$tmp/dr
make_site "$hq" hq
make_site "$dr" dr
run vmseed --home "$dr" key card
cp "$tmp/out" "$tmp/dr.card"
grep -q 'fingerprint of dr, to read out: ' "$tmp/err" || fail 'key card does not show the fingerprint'
print=$(vmseed --home "$dr" key list --json | json "d['sites'][0]['fingerprint']")
grep -qF "$print" "$tmp/err" || fail 'key card and key list show two fingerprints'

# Without it, with a yes, or with a wrong one, nobody is trusted.
wrong=$(printf %s "$print" | tr 'A-Y' 'B-Z')
fails_with 5 '--fingerprint' setsid -w vmseed --home "$hq" key trust "$tmp/dr.card" </dev/null
if grep -qF "$print" "$tmp/err" "$tmp/out"; then fail 'the refusal shows the fingerprint to type'; fi
fails_with 5 '--fingerprint' setsid -w vmseed --home "$hq" key trust -y "$tmp/dr.card" </dev/null
fails_with 5 'fingerprint' vmseed --home "$hq" key trust "$tmp/dr.card" --fingerprint "$wrong"
fails_with 5 'fingerprint' vmseed --home "$hq" key trust "$tmp/dr.card" --fingerprint y
fails_with 5 'fingerprint' vmseed --home "$hq" key trust -n "$tmp/dr.card" --fingerprint "$wrong"
[ ! -e "$hq/trust/dr.card" ] || fail 'a card was pinned without its fingerprint'

# -n changes nothing; then by file, under its own name; again is fine.
fails_with 2 'scope' vmseed --home "$hq" key trust -n --json "$tmp/dr.card" --fingerprint "$print" \
	--scope "$(printf 'a\377')"
says 'Would trust site dr' vmseed --home "$tmp/none" key trust -n "$tmp/dr.card" --fingerprint "$print"
[ ! -e "$tmp/none" ] || fail '-n made a home'
says 'Would trust site dr' vmseed --home "$hq" key trust -n "$tmp/dr.card" --fingerprint "$print"
[ ! -e "$hq/trust/dr.card" ] || fail '-n pinned a card'
says 'Trusted site dr as dr' vmseed --home "$hq" key trust "$tmp/dr.card" --fingerprint "$print"
cmp "$tmp/dr.card" "$hq/trust/dr.card"
run vmseed --home "$hq" key trust "$tmp/dr.card" --fingerprint "$(echo "$print" | tr 'A-Z-' 'a-z ')"
says "dr +trusted +$print" vmseed --home "$hq" key list
fails_with 2 'trusted already, as dr' \
	vmseed --home "$hq" key trust "$tmp/dr.card" --fingerprint "$print" --name other
fails_with 2 'this very site' vmseed --home "$dr" key trust "$tmp/dr.card" --fingerprint "$print"
fails_with 2 'trusted already, as dr' \
	vmseed --home "$hq" key trust -n "$tmp/dr.card" --fingerprint "$print" --name other

# A scope, from stdin.
run vmseed --home "$hq" key trust - --fingerprint "$print" --scope web01 --scope 'a b' <"$tmp/dr.card"
says 'web01,"a b"' vmseed --home "$hq" key list
vmseed --home "$hq" key list --json >"$tmp/list"
[ "$(json "d['sites'][1]['scope']" <"$tmp/list")" = '["web01", "a b"]' ] || fail 'scope in JSON'
[ "$(json "d['schema'], d['schema_version']" <"$tmp/list")" = '["vmseed-key-list", 1]' ] ||
	fail 'the document does not name its schema'

# Under a local name at a third site.
make_site "$tmp/third" third
says 'Trusted site dr as partner' \
	vmseed --home "$tmp/third" key trust --name partner "$tmp/dr.card" --fingerprint "$print"
fails_with 2 '\.\./x' \
	vmseed --home "$tmp/third" key trust --name ../x "$tmp/dr.card" --fingerprint "$print"

# Another site that calls itself dr does not take the name.
make_site "$tmp/false" dr
vmseed -q --home "$tmp/false" key card >"$tmp/false.card"
false_print=$(vmseed --home "$tmp/false" key card --json | json 'd["fingerprint"]')
fails_with 2 'taken' vmseed --home "$hq" key trust "$tmp/false.card" --fingerprint "$false_print"
fails_with 5 'fingerprint' vmseed --home "$hq" key trust "$tmp/false.card" --fingerprint "$print"

# Revoked: for good, under any name.
fails_with 2 'nobody' vmseed --home "$hq" key revoke nobody
fails_with 2 'this site itself' vmseed --home "$hq" key revoke hq
says 'Would revoke' vmseed --home "$hq" key revoke -n dr
[ "$(vmseed --home "$hq" key revoke -n --json dr | json 'd["dry_run"]')" = true ] || fail 'revoke -n --json'
says 'dr +trusted' vmseed --home "$hq" key list
says 'Revoked' vmseed --home "$hq" key revoke dr
says 'dr +revoked' vmseed --home "$hq" key list
run vmseed --home "$hq" key revoke dr
fails_with 5 'revoked' vmseed --home "$hq" key trust "$tmp/dr.card" --fingerprint "$print"
fails_with 5 'revoked' vmseed --home "$hq" key trust "$tmp/dr.card" --fingerprint "$print" --name x
