#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# One flipped byte in a record costs that record's blocks: the replica is incomplete and says which
# blocks it lacks, and an undamaged copy of the medium brings just those.
. "${0%/*}/lib.sh"
two_sites
caddy=$tmp/caddy
make_medium "$caddy"
make_disk "$tmp/web01.img" 20M 1
make_disk "$tmp/db01.img" 9M 2
run vmseed --home "$hq" export --media "$caddy" --for dr "web01=$tmp/web01.img" "db01=$tmp/db01.img"
cp -a "$caddy" "$tmp/good"
flip_byte "$(find "$caddy" -name 00000001.pack)" 1500000

fails_with 4 'pack 00000001: record' vmseed --home "$dr" verify --media "$caddy"
fails_with 3 'web01 .*incomplete' vmseed --home "$dr" import --media "$caddy"
grep -Eq 'pack 00000001: record [0-9]+ .* are missing' "$tmp/err" || fail 'no warning names the record'
grep -Eq '^db01 .*imported' "$tmp/out" || fail 'db01 did not come whole'
cmp "$tmp/db01.img" "$(replica_disk "$dr" db01 vda)"
disk=$(replica_disk "$dr" web01 vda)
folder=$(dirname "$disk")

run vmseed --home "$dr" status --json
state=$(json '[r["state"] for r in d["replicas"] if r["name"] == "web01"][0]' <"$tmp/out")
[ "$state" = incomplete ] || fail "web01 is $state"
fails_with 3 'incomplete' vmseed --home "$dr" verify --replica web01
run vmseed --home "$dr" verify --replica db01

# Wrong nowhere but in the runs of its missing list.
wrong=$(python3 - "$tmp/web01.img" "$disk" "$folder/vda.missing" <<'END'
import struct, sys
want, have, missing = (open(path, 'rb').read() for path in sys.argv[1:])
listed = set()
for start, count in struct.iter_unpack('<QQ', missing[16:]):
    listed |= set(range(start, start + count))
wrong = {at // 65536 for at in range(0, len(want), 65536)
         if want[at:at + 65536] != have[at:at + 65536]}
assert wrong and wrong <= listed and len(want) == len(have), (wrong, listed)
print(len(listed))
END
)
[ "$wrong" -le 16 ] || fail "$wrong blocks are missing for one record"

# The damaged medium once more brings nothing new and loses nothing.
fails_with 3 'web01 .*incomplete' vmseed --home "$dr" import --media "$caddy"

run vmseed --home "$dr" import --json --media "$tmp/good"
bytes=$(json '[v["bytes_written"] for v in d["vms"] if v["name"] == "web01"][0]' <"$tmp/out")
[ "$bytes" -le $((wrong * 65536)) ] || fail "$bytes bytes written for $wrong missing blocks"
cmp "$tmp/web01.img" "$disk"
cmp "$tmp/db01.img" "$(replica_disk "$dr" db01 vda)"
[ ! -e "$folder/vda.missing" ] || fail 'the missing list was left'
run vmseed --home "$dr" verify --replica web01
says 'here already' vmseed --home "$dr" import --media "$tmp/good"
