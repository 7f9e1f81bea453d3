#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The manifest and the lists of a plaintext set can be edited by whoever holds the medium: it is
# noticed, named, and costs no other machine.
. "${0%/*}/lib.sh"
two_sites
caddy=$tmp/caddy
make_medium "$caddy"
make_disk "$tmp/web01.img" 2M 1
make_disk "$tmp/db01.img" 2M 2
run vmseed --home "$hq" export --media "$caddy" --plaintext "web01=$tmp/web01.img" \
	"db01=$tmp/db01.img"
manifest=$(grep -l '"web01"' "$caddy"/vmseed/*/seeds/*/manifest.json)
cp -a "$caddy" "$tmp/good"

costs_only_web01() { # REGEX
	fails_with 4 "$1" vmseed --home "$dr" verify --media "$caddy"
	rm -rf "$dr/replicas" "$dr/marks"
	fails_with 3 "$1" vmseed --home "$dr" import --media "$caddy"
	cmp "$tmp/db01.img" "$(replica_disk "$dr" db01 vda)"
	[ -z "$(find "$dr/replicas" -path '*web01*' -name '*.raw')" ] || fail 'web01 was imported'
	rm -rf "$caddy"
	cp -a "$tmp/good" "$caddy"
}

sed -i 's/"name": "web01"/"name": "web09"/' "$manifest"
costs_only_web01 'manifest.json'
sed -i 's/"generation": 1/"generation": 9/' "$manifest"
costs_only_web01 'manifest.json'
printf ' ' >>"$manifest"
costs_only_web01 'manifest.json'
other=$(grep -l '"db01"' "$caddy"/vmseed/*/seeds/*/manifest.json)
cp "$other" "$manifest"
cp "$other.minisig" "$manifest.minisig"
costs_only_web01 'manifest.json'
rm "$manifest"
costs_only_web01 'manifest.json'

# Its digest list: another one's, or with an entry changed.
flip_byte "${manifest%/*}/list-0000-0001" 100
costs_only_web01 'list-0000-0001'
cp "${other%/*}/list-0000-0001" "${manifest%/*}/list-0000-0001"
costs_only_web01 'list-0000-0001'
truncate -s -32 "${manifest%/*}/list-0000-0001"
costs_only_web01 'list-0000-0001'

# An exporter takes such a medium for damaged, and adds nothing to it.
printf ' ' >>"$manifest"
refuses 4 'manifest.json' vmseed --home "$hq" export --media "$caddy" --plaintext \
	"web01=$tmp/web01.img"
[ -z "$(find "$caddy" -path '*/commits/00000002.json')" ] || fail 'a damaged medium was added to'
