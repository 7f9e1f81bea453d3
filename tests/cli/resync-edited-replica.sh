#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Somebody wrote to a replica: it is refused by name, with the way on, and keeps what was written;
# somebody who has it open is waited for by nobody; bytes put back are no edit.
. "${0%/*}/lib.sh"
. "$top/tests/support/resync.sh"
two_sites
make_disk "$tmp/web01.img" 8M 1
make_disk "$tmp/db01.img" 2M 2
set -- "web01=$tmp/web01.img" "db01=$tmp/db01.img"
seed "$@"
change "$tmp/web01.img" new 5
change "$tmp/db01.img" newer 5
disk=$(replica_disk "$dr" web01 vda)

change "$disk" edit 40 41
cp "$disk" "$tmp/edited"
resync_fails 8 'web01.*(written|changed|edited)' "web01=$tmp/web01.img"
grep -Eq 'vmseed |--[a-z]|promote|adopt' "$tmp/err" || fail 'no way on is shown'
cmp "$disk" "$tmp/edited" || fail 'a refused replica was written to'
resync_fails 3 '1 of 2 VMs are not up to date' "$@"
is 'vm["web01"]["result"] == "failed" and vm["db01"]["result"] == "synced"'
is 'vm["web01"]["error"]["kind"] == "busy"'
cmp "$disk" "$tmp/edited" || fail 'a refused replica was written to'
same db01 "$tmp/db01.img"
# The block that was to change, edited: the same.
cp "$tmp/edited" "$disk"
change "$disk" edit 5
resync_fails 8 'web01' "web01=$tmp/web01.img"

# As it was again: read, found equal to its list, and brought up to date.
make_disk "$tmp/old" 8M 1
cp "$tmp/old" "$disk"
resync "web01=$tmp/web01.img"
is 'vm["web01"]["result"] == "synced" and vm["web01"]["fetched_blocks"] == 1'
same web01 "$tmp/web01.img"

# Edited where nothing new comes: "current" is not said of what differs.
change "$disk" again 60
resync_fails 8 'web01' "web01=$tmp/web01.img"

# Open for writing with QEMU's lock: busy.
cp "$tmp/web01.img" "$disk"
resync "web01=$tmp/web01.img"
change "$tmp/web01.img" more 7
python3 - "$disk" "$tmp/held" <<'END' &
import fcntl, os, struct, sys, time
fd = os.open(sys.argv[1], os.O_RDWR)
# What QEMU holds on an image that it writes to: bytes 100 and above, by open file description.
for offset in (100, 101, 201, 203):
    lock = struct.pack('hhqqi4x', fcntl.F_RDLCK, os.SEEK_SET, offset, 1, 0)
    fcntl.fcntl(fd, 37, lock)
open(sys.argv[2], 'w').close()
time.sleep(60)
END
holder=$!
trap 'kill "$holder" 2>/dev/null || :; rm -rf "$tmp"' EXIT
tries=0
until [ -e "$tmp/held" ]; do
	tries=$((tries + 1))
	[ $tries -lt 100 ] || fail 'the lock is not taken'
	sleep 0.1
done
resync_fails 8 'replica web01\.[0-9a-f]*: disk vda: vda.raw: in use by .*pid' "web01=$tmp/web01.img"
refuses 8 ': disk vda: vda.raw: in use by' vmseed --home "$dr" adopt --discard-changes web01
kill "$holder"
wait "$holder" 2>/dev/null || :
trap 'rm -rf "$tmp"' EXIT
resync "web01=$tmp/web01.img"
same web01 "$tmp/web01.img"

# The same byte written again is an edit that changes nothing.
dd if="$disk" of="$tmp/byte" bs=1 skip=1000 count=1 status=none
dd if="$tmp/byte" of="$disk" bs=1 seek=1000 conv=notrunc status=none
change "$tmp/web01.img" last 9
resync "web01=$tmp/web01.img"
same web01 "$tmp/web01.img"

# Given up: the blocks that differ are missing, and come anew; run again, nothing is left to do. A run
# that ended before replica.json counts them has done nothing yet, and hides nothing.
change "$disk" gone 50 51
folder=$(replica_folder web01)
cp "$folder/replica.json" "$tmp/replica.json"
fails_with 6 '2 blocks' vmseed --home "$dr" adopt web01
says '2 blocks \(128 KiB\) that were written' vmseed --home "$dr" adopt --discard-changes web01
replica_is web01 incomplete
says 'missing already' vmseed --home "$dr" adopt --discard-changes web01
cp "$tmp/replica.json" "$folder/replica.json"
rm -f "$folder"/*.stamp
fails_with 4 'differ' vmseed --home "$dr" verify --replica web01
resync_fails 8 'web01' "web01=$tmp/web01.img"
says '2 blocks' vmseed --home "$dr" adopt --discard-changes web01
resync "web01=$tmp/web01.img"
is 'vm["web01"]["fetched_blocks"] + vm["web01"]["local_blocks"] == 2'
same web01 "$tmp/web01.img"

# Shorter, or gone.
truncate -s 4M "$disk"
try vmseed --home "$hq" resync --to "$dr" "web01=$tmp/web01.img"
[ "$status" != 0 ] || fail 'a replica that got shorter was taken for whole'
