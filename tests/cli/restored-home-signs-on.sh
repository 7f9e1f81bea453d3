#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# An exporter's home that was restored from a backup does not sign a generation twice: the set
# remembers. And a missing list that was lost costs a whole reading, never a block.
. "${0%/*}/lib.sh"

two_sites
caddy=$tmp/caddy
make_medium "$caddy"
make_disk "$tmp/web01.img" 2M 1
run vmseed -q --home "$hq" export --media "$caddy" --for dr "web01=$tmp/web01.img"
cp -a "$hq/vms" "$tmp/backup"
make_disk "$tmp/web01.img" 2M 2
run vmseed -q --home "$hq" export --media "$caddy" --for dr "web01=$tmp/web01.img"
rm -rf "$hq/vms"
mv "$tmp/backup" "$hq/vms"
make_disk "$tmp/web01.img" 2M 3
run vmseed -q --home "$hq" --json export --media "$caddy" --for dr "web01=$tmp/web01.img"
[ "$(json 'd["vms"][0]["generation"]' <"$tmp/out")" = 3 ] || fail 'a generation was used twice'

cp -a "$caddy" "$tmp/good"
pack=$(find "$caddy" -name '*.pack' | sort | tail -n 1)
flip_byte "$pack" 500
try vmseed -q --home "$dr" import --media "$caddy"
[ "$status" = 3 ] || fail "a damaged record: status $status"
rm "$dr"/replicas/web01.*/vda.missing
run vmseed -q --home "$dr" import --media "$tmp/good"
cmp "$tmp/web01.img" "$(replica_disk "$dr" web01 vda)"
run vmseed -q --home "$dr" verify --replica web01
