#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# A planned switch-over: the last resync, after which the source signs nothing more; promotion; and
# the other way round.
. "${0%/*}/lib.sh"
. "$top/tests/support/resync.sh"
two_sites
make_disk "$tmp/web01.img" 4M 1
make_disk "$tmp/db01.img" 1M 2
vm=web01=$tmp/web01.img
seed "$vm" "db01=$tmp/db01.img"
change "$tmp/web01.img" last 7

resync --final "$vm"
is 'vm["web01"]["result"] == "synced"'
same web01 "$tmp/web01.img"
# From now on this side is not the one that counts; the others are.
change "$tmp/web01.img" late 8
resync_fails 6 'web01.*handed over' "$vm"
fails_with 6 'web01.*handed over' vmseed --home "$hq" export --media "$tmp/caddy" --for dr "$vm"
resync "db01=$tmp/db01.img"
cp "$(replica_disk "$dr" web01 vda)" "$tmp/final"

run vmseed --home "$dr" promote web01
replica_is web01 promoted
cmp "$tmp/final" "$(replica_disk "$dr" web01 vda)"
# The block written after it is seen, and only then given up.
fails_with 6 '1 block' vmseed --home "$hq" adopt "$vm"
run vmseed --home "$hq" adopt --in-place --discard-changes "$vm"
change "$(replica_disk "$dr" web01 vda)" there 9
summed vmseed --home "$dr" --json --progress=none resync --to "$hq" web01
is 'vm["web01"]["result"] == "synced"'
cmp "$(replica_disk "$hq" web01 vda)" "$(replica_disk "$dr" web01 vda)"

# Nothing to do is final as well: no block moves, and it can be promoted.
settle
resync --final "db01=$tmp/db01.img"
is 'vm["db01"]["fetched_blocks"] == 0'
run vmseed --home "$dr" promote db01
same db01 "$tmp/db01.img"
