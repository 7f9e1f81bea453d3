#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# A replica's disk rots: verify names the block and the way on, and the way on works.
. "${0%/*}/lib.sh"
two_sites
caddy=$tmp/caddy
make_medium "$caddy"
make_disk "$tmp/web01.img" 1M 1
run vmseed --home "$hq" export --media "$caddy" --for dr "web01=$tmp/web01.img"
run vmseed --home "$dr" import --media "$caddy"
flip_byte "$(replica_disk "$dr" web01 vda)" 70000
fails_with 4 'block 1 differs \(at offset 65536\)' vmseed --home "$dr" verify --replica web01
grep -q 'move its folder out of the store and import the VM again' "$tmp/out"
says 'was here already' vmseed --home "$dr" import --media "$caddy"
mv "$dr"/replicas/web01.* "$tmp/rotten"
says 'web01 .* imported' vmseed --home "$dr" import --media "$caddy" web01
cmp "$tmp/web01.img" "$(replica_disk "$dr" web01 vda)"
says '0 blocks differ' vmseed --home "$dr" verify --replica web01
