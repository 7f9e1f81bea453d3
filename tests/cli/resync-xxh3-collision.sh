#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# A guest that knows XXH3's public secret writes blocks whose pieces collide with what was there: the
# hint is keyed and is only a hint, so the replica is the disk, and little more crosses than had to.
. "${0%/*}/lib.sh"
. "$top/tests/support/resync.sh"
two_sites
"$top/tests/support/xxh3_twins.py" "$tmp/one" "$tmp/other"
truncate -s 1M "$tmp/web01.img"
for index in 2 3 4 5; do
	dd if="$tmp/one" of="$tmp/web01.img" bs=64K seek=$index conv=notrunc status=none
	flip_byte "$tmp/web01.img" $((index * 65536 + 300 + index))	# or they were one block
done
vm=web01=$tmp/web01.img
seed "$vm"

# All pieces of one block, and single ones of others.
dd if="$tmp/other" of="$tmp/web01.img" bs=64K seek=2 conv=notrunc status=none
dd if="$tmp/other" of="$tmp/web01.img" bs=4K skip=3 seek=51 count=1 conv=notrunc status=none
dd if="$tmp/other" of="$tmp/web01.img" bs=4K skip=15 seek=79 count=1 conv=notrunc status=none
resync "$vm"
is 'vm["web01"]["result"] == "synced" and vm["web01"]["fetched_blocks"] == 3'
is 'd["bytes_sent"] < 3 * 65536'
same web01 "$tmp/web01.img"
run vmseed --home "$dr" verify --replica web01
settle
resync "$vm"
is 'vm["web01"]["result"] == "current"'
