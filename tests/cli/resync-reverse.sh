#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Disaster and return: a replica is promoted and works on, the old primary is adopted and gets only
# what differs; what was written to it since the last sync is given up only when told; and when both
# sides went on, nothing goes on.
. "${0%/*}/lib.sh"
. "$top/tests/support/resync.sh"
two_sites
make_disk "$tmp/web01.img" 8M 1
make_disk "$tmp/db01.img" 4M 2
make_disk "$tmp/app01.img" 2M 3
set -- "web01=$tmp/web01.img" "db01=$tmp/db01.img" "app01=$tmp/app01.img"
seed "$@"
change "$tmp/web01.img" before 3
resync "$@"
for name in web01 db01 app01; do
	run vmseed --home "$dr" promote $name
	replica_is $name promoted
done

# A promoted one takes nothing more.
change "$tmp/app01.img" late 4
resync_fails 6 'app01.*promoted' "app01=$tmp/app01.img"
resync_fails 6 'promoted' --seed-over-wire "app01=$tmp/app01.img"

# They work on at dr.
web=$(replica_disk "$dr" web01 vda)
db=$(replica_disk "$dr" db01 vda)
change "$web" work 10 11 100
change "$db" work 20

back() { # ARG...
	summed vmseed --home "$dr" --json --progress=none resync --to "$hq" "$@"
}
at_hq() { # VM DISK
	cmp "$2" "$(replica_disk "$hq" "$1" vda)" || fail "$1 at hq is not what dr has"
}

# Before hq adopts: there is nothing to bring up to date.
fails_with 5 'adopt' vmseed --home "$dr" resync --to "$hq" web01

# The old primary, clean: in place, and only what differs crosses.
says 'Nothing was written after the last sync' vmseed --home "$hq" adopt --in-place "web01=$tmp/web01.img"
back web01
is 'vm["web01"]["result"] == "synced" and vm["web01"]["fetched_blocks"] == 3'
is 'd["bytes_sent"] < 3 * 65536 + 20000'
at_hq web01 "$web"
[ ! -e "$tmp/web01.img" ] || fail 'a disk that was adopted in place was copied'
run vmseed --home "$hq" verify --replica web01
change "$web" more 12
back web01
is 'vm["web01"]["fetched_blocks"] == 1'
at_hq web01 "$web"

# Written to after the last sync: so many blocks, and only when told.
change "$tmp/db01.img" lost 32 33
fails_with 6 '2 blocks' vmseed --home "$hq" adopt "db01=$tmp/db01.img"
grep -q -- '--discard-changes' "$tmp/err" || fail 'the way on is not shown'
says '2 blocks' vmseed --home "$hq" adopt --discard-changes "db01=$tmp/db01.img"
cp "$tmp/db01.img" "$tmp/db01.left"
back db01
is 'vm["db01"]["fetched_blocks"] + vm["db01"]["local_blocks"] == 3'
at_hq db01 "$db"
cmp "$tmp/db01.img" "$tmp/db01.left" || fail 'a disk that was not adopted in place was written to'

# Both sides signed since the fork.
app=$(replica_disk "$dr" app01 vda)
change "$app" work 1
change "$tmp/app01.img" here 2
mkdir "$tmp/split"
make_medium "$tmp/split"
run vmseed -q --home "$hq" export --media "$tmp/split" --for dr "app01=$tmp/app01.img"
cp "$tmp/app01.img" "$tmp/app01.here"
cp "$app" "$tmp/app01.there"
try vmseed --home "$hq" adopt "app01=$tmp/app01.img"
if [ "$status" = 0 ]; then
	refuses 6 'app01.*(split|diverged|both)' vmseed --home "$dr" resync --to "$hq" app01
else
	[ "$status" = 6 ] || fail "split brain: exit $status: $(cat "$tmp/err")"
fi
# Both histories: the two sites with a generation each.
grep -Eq 'hq.*[0-9]|generation' "$tmp/err" || fail "no history is shown: $(cat "$tmp/err")"
cmp "$tmp/app01.img" "$tmp/app01.here" || fail 'split brain: the disk at hq was written to'
cmp "$app" "$tmp/app01.there" || fail 'split brain: the disk at dr was written to'
fails_with 6 '.' vmseed --home "$dr" import --media "$tmp/split" app01

# And forward again: hq takes over by plan, and dr's becomes the replica.
run vmseed --home "$dr" resync --final --to "$hq" web01
run vmseed --home "$hq" promote web01
change "$(replica_disk "$hq" web01 vda)" home 15
run vmseed --home "$dr" adopt web01
summed vmseed --home "$hq" --json --progress=none resync --to "$dr" web01
at_hq web01 "$(replica_disk "$dr" web01 vda)"
