#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# What is left out is said, on both sides: --exclude-disk, --no-data, and arguments that fit not.
. "${0%/*}/lib.sh"
two_sites
caddy=$tmp/caddy
make_medium "$caddy"
for i in 1 2 3; do
	make_disk "$tmp/disk$i.img" 700K "$i"
done
web01=web01=$tmp/disk1.img,$tmp/disk2.img

says 'Left out: disk vdb of .?web01' vmseed -q --home "$hq" export --media "$caddy" --plaintext \
	"$web01" "db01=$tmp/disk3.img" --exclude-disk vdb
manifest=$(grep -l '"web01"' "$caddy"/vmseed/*/seeds/*/manifest.json)
[ "$(json "[x['slot'] for x in d['excluded']], [x['slot'] for x in d['disks']]" <"$manifest")" = \
	'[["vdb"], ["vda"]]' ] || fail 'the manifest does not name the excluded disk'
run vmseed -q --home "$dr" import --media "$caddy"
cmp "$tmp/disk1.img" "$(replica_disk "$dr" web01 vda)"
[ "$(find "$dr/replicas" -path '*web01*' -name '*.raw' | wc -l)" = 1 ] || fail 'one disk was expected'
refuses 2 'exclude-disk .?vdz.?: no VM named here has such a disk' vmseed --home "$hq" export \
	--media "$caddy" --plaintext "$web01" --exclude-disk vdz
refuses 2 'no disk is left to export' vmseed --home "$hq" export --media "$caddy" --plaintext \
	"$web01" --exclude-disk vda --exclude-disk vdb
# Included again, it comes with the next generation.
run vmseed -q --home "$hq" export --media "$caddy" --plaintext "$web01"
run vmseed -q --home "$dr" import --media "$caddy"
cmp "$tmp/disk2.img" "$(replica_disk "$dr" web01 vdb)"

# An order form: manifests and lists, no packs; it cannot be imported and says so.
form=$tmp/form
make_medium "$form"
run vmseed -q --home "$hq" export --media "$form" --for dr --no-data "$web01"
[ -z "$(find "$form" -name '*.pack')" ] || fail 'an order form has packs'
says 'ok \(no data\)' vmseed -q --home "$dr" verify --media "$form"
refuses 1 'exported with --no-data and holds no blocks' vmseed -q --home "$dr" import --media "$form"
run vmseed -q --home "$dr" verify --replica web01

# A dry run writes nothing.
cp -a "$caddy" "$tmp/before"
cp -a "$hq" "$tmp/hq-before"
says 'would be exported' vmseed -q --home "$hq" export -n --media "$caddy" --plaintext \
	"new=$tmp/disk3.img"
diff -r "$caddy" "$tmp/before" || fail 'a dry run wrote to the medium'
diff -r "$hq" "$tmp/hq-before" || fail 'a dry run wrote to the home'

# Arguments.
refuses 2 'media' vmseed --home "$hq" export --plaintext "$web01"
refuses 2 '--for SITE' vmseed --home "$hq" export --media "$caddy" "$web01"
refuses 2 'give one of them' vmseed --home "$hq" export --media "$caddy" --for dr --plaintext "$web01"
refuses 2 'nobody' vmseed --home "$hq" export --media "$caddy" --for nobody "$web01"
refuses 7 'none' vmseed --home "$hq" export --media "$tmp/none" --for dr "$web01"
refuses 7 'not a prepared medium' vmseed --home "$hq" export --media "$tmp" --for dr "$web01"
refuses 2 'uuid' vmseed --home "$hq" export --media "$caddy" --for dr --uuid x "$web01"
refuses 2 'single VM' vmseed --home "$hq" export --media "$caddy" --for dr \
	--uuid 11111111-2222-4333-8444-555555555501 "$web01" "db01=$tmp/disk3.img"
