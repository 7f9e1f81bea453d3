#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# minisign verifies every signed document on a medium with the key that `key list` shows, and
# refuses each as soon as one byte of it, or of its signature, is another.
. "${0%/*}/../cli/lib.sh"
requires minisign -v
two_sites
make_medium "$tmp/plain"
make_medium "$tmp/sealed"
make_disk "$tmp/a.img" 300000
run vmseed --home "$hq" export --media "$tmp/plain" --plaintext "a=$tmp/a.img"
run vmseed --home "$hq" export --media "$tmp/sealed" --for dr "a=$tmp/a.img"
key=$(vmseed --home "$hq" key list | awk '$2 == "own" { print $5 }')
other=$(vmseed --home "$dr" key list | awk '$2 == "own" { print $5 }')

# Each signature belongs to a document, and each document but those in sealed files has one.
for kind in medium.json volume.json commits/00000001.json; do
	for medium in plain sealed; do
		found=$(find "$tmp/$medium/vmseed" -path "*/$kind" | wc -l)
		[ "$found" = 1 ] || fail "$found times $kind on $medium"
	done
done
[ "$(find "$tmp/plain/vmseed" -name manifest.json | wc -l)" = 1 ] || fail 'no manifest.json'
[ "$(find "$tmp/sealed/vmseed" -name 'manifest.json*' | wc -l)" = 0 ] ||
	fail 'a manifest in the clear in a sealed set'

find "$tmp/plain/vmseed" "$tmp/sealed/vmseed" -name '*.json' >"$tmp/documents"
[ "$(wc -l <"$tmp/documents")" = 11 ] || fail "documents: $(cat "$tmp/documents")"
while read -r file; do
	type=$(json "d['type']" <"$file")
	[ "$(json "d['key']" <"$file")" = "$key" ] || fail "$file names another key"
	says 'Signature and comment signature verified' minisign -VHm "$file" -P "$key"
	says "^Trusted comment: vmseed $type\$" minisign -VHm "$file" -P "$key"
	fails_with 1 '.' minisign -VHm "$file" -P "$other"
	size=$(stat -c %s "$file")
	for offset in $((size / 2)) $((size - 1)); do
		flip_byte "$file" "$offset"
		fails_with 1 'verification failed' minisign -VHm "$file" -P "$key"
		flip_byte "$file" "$offset"
	done
	# Within the signature, and in the trusted comment.
	signature=$(stat -c %s "$file.minisig")
	for offset in 60 $((signature - 95)); do
		flip_byte "$file.minisig" "$offset"
		try minisign -VHm "$file" -P "$key"
		[ "$status" = 1 ] || [ "$status" = 2 ] || fail "minisign takes $file.minisig flipped at $offset"
		flip_byte "$file.minisig" "$offset"
	done
	says 'verified' minisign -VHm "$file" -P "$key"
done <"$tmp/documents"
