#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Who signed a set, and for whom it is sealed: strangers, revoked keys and other receivers are
# refused by name of the reason, and what can be checked without the receiving key is.
. "${0%/*}/lib.sh"
two_sites
caddy=$tmp/caddy
make_medium "$caddy"
make_disk "$tmp/web01.img" 1M
run vmseed --home "$hq" export --media "$caddy" --for dr "web01=$tmp/web01.img"

nothing_came() { # HOME
	[ -z "$(find "$1" -name '*.raw')" ] || fail "something was imported into $1"
}

# A site that trusts nobody: nothing but "untrusted", and not a word from inside.
lone=$tmp/lone
make_site "$lone" lone
refuses 5 'volume.json: signed by key [0-9A-F]{16}, which is not trusted here' \
	vmseed --home "$lone" import --media "$caddy"
refuses 5 'not trusted here' vmseed --home "$lone" verify --media "$caddy"
if grep -q 'web01' "$tmp/out" "$tmp/err"; then fail 'words of a stranger were shown'; fi
nothing_came "$lone"

# A site that trusts the exporter, for whom the set is not sealed.
third=$tmp/third
make_site "$third" third
vmseed --home "$hq" key card >"$tmp/card"
print=$(vmseed --home "$hq" key card --json | json 'd["fingerprint"]')
run vmseed --home "$third" key trust "$tmp/card" --fingerprint "$print"
refuses 5 'sealed for another site' vmseed --home "$third" import --media "$caddy"
nothing_came "$third"
says 'Not checked: what is inside' vmseed --home "$third" verify --media "$caddy"
[ "$(vmseed --home "$third" verify --json --media "$caddy" |
	json "d['sound'], d['unopened_records'] > 0, d['blocks'], d['seeds'][0]['opened']")" = \
	'[true, true, 0, false]' ] || fail 'what verify without the key says'
pack=$(find "$caddy" -name '*.pack')
flip_byte "$pack" 5000
refuses 4 'pack 00000001.*record 0: differs from its digest|problems' \
	vmseed --home "$third" verify --media "$caddy"
flip_byte "$pack" 5000

# The exporter's card limited to another machine.
scoped=$tmp/scoped
make_site "$scoped" scoped
run vmseed --home "$scoped" key trust "$tmp/card" --fingerprint "$print" --scope db01
plain=$tmp/plain
make_medium "$plain"
run vmseed --home "$hq" export --media "$plain" --plaintext "web01=$tmp/web01.img"
refuses 5 'web01.*scope|scope' vmseed --home "$scoped" import --media "$plain"
nothing_came "$scoped"

# Revoked: what was fine before is refused, and the replica that came earlier stays.
run vmseed --home "$dr" verify --media "$caddy"
run vmseed --home "$dr" import --media "$caddy"
run vmseed --home "$dr" key revoke hq
refuses 5 'revoked|not trusted' vmseed --home "$dr" import --media "$caddy"
refuses 5 'revoked|not trusted' vmseed --home "$dr" verify --media "$caddy"
cmp "$tmp/web01.img" "$(replica_disk "$dr" web01 vda)"

# Signatures: gone, of another document, by another key, and one bit off.
set=$(find "$caddy/vmseed" -name volume.json)
exporter=$tmp/again
cp -a "$third" "$exporter"
for document in "$set" "${set%/*}/commits/00000001.json"; do
	cp "$document.minisig" "$tmp/kept"
	rm "$document.minisig"
	fails_with 5 "${document##*/}" vmseed --home "$third" verify --media "$caddy"
	cp "$caddy/vmseed/medium.json.minisig" "$document.minisig"
	fails_with 5 "${document##*/}.*signature" vmseed --home "$third" verify --media "$caddy"
	cp "$tmp/kept" "$document.minisig"
	size=$(wc -c <"$tmp/kept")
	flip_byte "$document.minisig" $((size - 30))
	fails_with 5 "${document##*/}" vmseed --home "$third" verify --media "$caddy"
	cp "$tmp/kept" "$document.minisig"
	sed -i 's/ "version": 1/ "version":  1/' "$document"
	fails_with 5 "${document##*/}.*signature" vmseed --home "$third" verify --media "$caddy"
	sed -i 's/ "version":  1/ "version": 1/' "$document"
done
run vmseed --home "$third" verify --media "$caddy"

# A medium whose own document is edited: nothing is added to it, nor noted at home.
cp -a "$hq" "$tmp/hq-before"
cp -a "$caddy" "$tmp/caddy-before"
label=$(grep -o '"label": "[^"]*"' "$caddy/vmseed/medium.json")
sed -i 's/"label": "/"label": "x/' "$caddy/vmseed/medium.json"
refuses 5 'nobody whom this site trusts prepared this medium: medium.json: signature' \
	vmseed -q --home "$hq" export --media "$caddy" --for dr "new=$tmp/web01.img"
diff -r "$hq" "$tmp/hq-before" || fail 'a refused export wrote to the home'
refuses 5 'medium.json: signature' vmseed -q --home "$third" verify --media "$caddy"
sed -i 's/"label": "x/"label": "/' "$caddy/vmseed/medium.json"
grep -qF "$label" "$caddy/vmseed/medium.json" || fail 'the label was not put back'
diff -r "$caddy" "$tmp/caddy-before" || fail 'the medium was written to'
run vmseed -q --home "$hq" export --media "$caddy" --for dr "new=$tmp/web01.img"
