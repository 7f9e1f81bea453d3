#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# More changed blocks than are ever on their way at once still cross as the 4 KiB that changed, and
# more twins of one block than wait for it at once are sent once.
. "${0%/*}/lib.sh"
. "$top/tests/support/resync.sh"
two_sites
head -c 151000000 /dev/urandom >"$tmp/web01.img"
seed "web01=$tmp/web01.img"
python3 - "$tmp/web01.img" <<'END'
import sys
with open(sys.argv[1], 'r+b') as disk:
    for index in range(2300):
        disk.seek(index * 65536 + 20000)
        disk.write(b'changed %d' % index)
END
resync "web01=$tmp/web01.img"
is 'vm["web01"]["fetched_blocks"] == 2300'
is '2300 * 4096 < d["bytes_sent"] < 2300 * 4096 + 200000'
same web01 "$tmp/web01.img"

# 4400 of one kind in new places, two of another between them.
python3 - "$tmp/db01.img" <<'END'
import sys
with open(sys.argv[1], 'wb') as disk:
    for index in range(4400):
        disk.write((b'another' if index in (2000, 4300) else b'of a kind') .ljust(65536, b'\xff'))
END
vmseed --home "$hq" --json --progress=none resync --seed-over-wire --to "$dr" "db01=$tmp/db01.img" \
	>"$tmp/out" 2>"$tmp/err" || fail "$(cat "$tmp/err")"
[ "$(json 'd["vms"][0]["fetched_blocks"]' <"$tmp/out")" -le 4 ] || fail "twins crossed: $(cat "$tmp/out")"
same db01 "$tmp/db01.img"
