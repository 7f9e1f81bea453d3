#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# minisign verifies what we sign, with the key that `key list` shows, without vmseed.
. "${0%/*}/../cli/lib.sh"
requires minisign -v
make_site "$tmp/hq" hq
make_site "$tmp/dr" dr
key_of() { vmseed --home "$1" key list --json | json "d['sites'][0]['key']"; }
key=$(key_of "$tmp/hq")
[ "$(vmseed --home "$tmp/hq" key list | awk 'NR == 2 { print $5 }')" = "$key" ] ||
	fail 'the table shows another key than the document'

# A card as vmseed-key(1) says to take it apart.
vmseed -q --home "$tmp/hq" key card >"$tmp/hq.card"
head -n -4 "$tmp/hq.card" >"$tmp/hq.json"
tail -n 4 "$tmp/hq.card" >"$tmp/hq.json.minisig"
says 'Signature and comment signature verified' minisign -Vm "$tmp/hq.json" -P "$key"
says '^Trusted comment: ' minisign -Vm "$tmp/hq.json" -P "$key"
[ "$(json "d['key']" <"$tmp/hq.json")" = "$key" ] || fail 'the card names another key'

# And it refuses what it should: another key, other bytes.
fails_with 1 '.' minisign -Vm "$tmp/hq.json" -P "$(key_of "$tmp/dr")"
sed -i 's/"hq"/"hp"/' "$tmp/hq.json"
fails_with 1 'verification failed' minisign -Vm "$tmp/hq.json" -P "$key"
