#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# A replica's disk rots: verify names the block and the way on, and the way on works, to a resync and to
# an import. Of a promoted one it says that it may well differ.
. "${0%/*}/lib.sh"
two_sites
caddy=$tmp/caddy
make_medium "$caddy"
make_disk "$tmp/web01.img" 1M 1
run vmseed --home "$hq" export --media "$caddy" --for dr "web01=$tmp/web01.img"
run vmseed --home "$dr" import --media "$caddy"
flip_byte "$(replica_disk "$dr" web01 vda)" 70000
fails_with 4 'block 1 differs \(at offset 65536\)' vmseed --home "$dr" verify --replica web01
grep -q "first 'vmseed adopt --discard-changes web01" "$tmp/out" || fail 'no way on is shown'
disk=$(replica_disk "$dr" web01 vda)
run vmseed --home "$dr" adopt --discard-changes web01
says 'web01 .* imported' vmseed --home "$dr" import --media "$caddy"
cmp "$tmp/web01.img" "$disk"
says '0 blocks differ' vmseed --home "$dr" verify --replica web01

flip_byte "$disk" 70000
run vmseed --home "$dr" adopt --discard-changes web01
says 'web01 .* synced' vmseed --home "$hq" resync --to "$dr" "web01=$tmp/web01.img"
cmp "$tmp/web01.img" "$disk"
says '0 blocks differ' vmseed --home "$dr" verify --replica web01

# The whole of it again.
flip_byte "$disk" 70000
says 'was here already' vmseed --home "$dr" import --media "$caddy"
mv "$dr"/replicas/web01.* "$tmp/rotten"
says 'web01 .* imported' vmseed --home "$dr" import --media "$caddy" web01
cmp "$tmp/web01.img" "$disk"

run vmseed --home "$dr" promote web01
flip_byte "$disk" 70000
fails_with 4 'promoted: what the VM wrote' vmseed --home "$dr" verify --replica web01
! grep -q 'adopt' "$tmp/out" || fail 'a promoted replica is to be given up'
