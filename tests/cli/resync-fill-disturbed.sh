#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Somebody writes to an incomplete replica while its missing blocks come: that is seen before anything
# is certified, named, and can be given up.
. "${0%/*}/lib.sh"
. "$top/tests/support/resync.sh"
two_sites
caddy=$tmp/caddy
make_medium "$caddy"
make_disk "$tmp/web01.img" 8M 1
vm=web01=$tmp/web01.img
run vmseed -q --home "$hq" export --media "$caddy" --for dr "$vm"
pack=$(find "$caddy" -name '*.pack')
flip_byte "$pack" $(($(wc -c <"$pack") / 2))
settle
try vmseed -q --home "$dr" import --media "$caddy"
[ "$status" = 3 ] || fail "import of a damaged pack: exit $status"
disk=$(replica_disk "$dr" web01 vda)
missing=$(replica_of web01 'r["missing_blocks"]')
[ "$missing" -gt 2 ] || fail "only $missing blocks are missing"
# A block that is right, and will not come: the first that is data in both.
whole=$(python3 - "$tmp/web01.img" "$disk" <<'END'
import sys
a, b = (open(path, 'rb').read() for path in sys.argv[1:])
print(next(i for i in range(len(a) // 65536) if a[i * 65536:(i + 1) * 65536].strip(b'\0')
           and a[i * 65536:(i + 1) * 65536] == b[i * 65536:(i + 1) * 65536]))
END
)

vmseed --home "$hq" resync --retries 0 --bwlimit 64K --to "$dr" "$vm" >"$tmp/out" 2>"$tmp/err" &
running=$!
sleep 2
kill -0 $running || fail "it ended before anybody could write: $(cat "$tmp/err")"
flip_byte "$disk" $((whole * 65536))
status=0
wait $running || status=$?
[ $status = 8 ] || fail "exit $status: $(cat "$tmp/out" "$tmp/err")"
grep -q 'adopt.*--discard-changes' "$tmp/err" || fail "no way on: $(cat "$tmp/err")"

# Nor is it believed later.
resync_fails 8 'written to|adopt' "$vm"
run vmseed --home "$dr" adopt --discard-changes web01
resync "$vm"
same web01 "$tmp/web01.img"
replica_is web01 current
