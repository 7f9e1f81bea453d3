#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# A source whose home was restored from a backup, or whose disk was: what goes back on history is
# refused, the same generation with other bytes is an alarm, and an older disk with a home that
# knows better is just a change.
. "${0%/*}/lib.sh"
. "$top/tests/support/resync.sh"
two_sites
make_disk "$tmp/web01.img" 4M 1
vm=web01=$tmp/web01.img
seed "$vm"
cp -a "$hq" "$tmp/hq-1"
cp "$tmp/web01.img" "$tmp/disk-1"

for name in one two three; do
	change "$tmp/web01.img" $name 9
	resync "$vm"
done
is 'vm["web01"]["generation"] == 4'
cp "$tmp/web01.img" "$tmp/disk-4"
cp -a "$hq" "$tmp/hq-4"

# The whole source as it was: its next generation is 2, and dr has 4.
rm -rf "$hq"
cp -a "$tmp/hq-1" "$hq"
cp "$tmp/disk-1" "$tmp/web01.img"
resync_fails 6 'web01.*(roll|older|generation)' "$vm"
same web01 "$tmp/disk-4"
# However often: it does not climb over the destination's by trying.
for _ in 1 2 3 4; do
	resync_fails 6 'web01' "$vm"
done
same web01 "$tmp/disk-4"
run vmseed --home "$dr" verify --replica web01

# The replica gone: the mark remembers.
rm -rf "$dr/replicas"
resync_fails 6 'roll' --seed-over-wire "$vm"
[ -z "$(find "$dr" -name '*.raw' -size +0)" ] || fail 'a rollback was taken'

# The right home with the disk of then is a change like others.
rm -rf "$hq"
cp -a "$tmp/hq-4" "$hq"
resync --seed-over-wire "$vm"
is 'vm["web01"]["generation"] >= 5'
same web01 "$tmp/disk-1"

# That home once more: what it signs now has a number that is used, for other content.
rm -rf "$hq"
cp -a "$tmp/hq-4" "$hq"
change "$tmp/web01.img" otherwise 3
resync_fails 6 'hq signed generation 5 twice: the replica is one with that number.* above 5' "$vm"
same web01 "$tmp/disk-1"
