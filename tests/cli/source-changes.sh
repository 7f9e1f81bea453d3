#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# A disk that changes while it is read: exported as "changed" with a warning, or refused where it
# got shorter; what is imported is what was read.
. "${0%/*}/lib.sh"
two_sites
caddy=$tmp/caddy
make_medium "$caddy"
make_disk "$tmp/web01.img" 128M 1

# Somebody who writes all the time, without a lock.
python3 - "$tmp/web01.img" "$tmp/ready" <<'END' &
import os, sys, time
disk = os.open(sys.argv[1], os.O_RDWR)
for i in range(1 << 30):
    os.pwrite(disk, str(i).encode() * 100, (i * 7919 * 512) % (128 << 20))
    if i == 0:
        open(sys.argv[2], 'w').close()
    time.sleep(0.0001)
END
writer=$!
trap 'kill "$writer" 2>/dev/null || :; rm -rf "$tmp"' EXIT
tries=0
until [ -e "$tmp/ready" ]; do
	tries=$((tries + 1))
	[ $tries -lt 200 ] || fail 'the writer does not come up'
	sleep 0.1
done
says 'web01 changed while it was read' vmseed -q --home "$hq" export --media "$caddy" --for dr \
	"web01=$tmp/web01.img"
grep -q 'changed' "$tmp/out" || fail 'the table does not say changed'
kill "$writer"
wait "$writer" 2>/dev/null || true
trap 'rm -rf "$tmp"' EXIT	# the number of a process that is gone may be another's
run vmseed -q --home "$dr" verify --media "$caddy"
run vmseed -q --home "$dr" import --media "$caddy"
[ "$(vmseed --home "$dr" status --json | json "d['replicas'][0]['captured']")" = changed ] ||
	fail 'the replica does not say changed'

# At rest again: one more export and import, and it is the disk.
run vmseed -q --home "$hq" export --media "$caddy" --for dr "web01=$tmp/web01.img"
run vmseed -q --home "$dr" import --media "$caddy"
cmp "$tmp/web01.img" "$(replica_disk "$dr" web01 vda)"
[ "$(vmseed --home "$dr" status --json | json "d['replicas'][0]['captured']")" = offline ] ||
	fail 'the replica does not say offline'

# One byte, with size and times as they were: the digests of the last time do not serve.
python3 - "$tmp/web01.img" <<'END'
import os, sys
st = os.stat(sys.argv[1])
with open(sys.argv[1], 'r+b') as disk:
    disk.seek(5 << 20)
    disk.write(b'!')
os.utime(sys.argv[1], ns=(st.st_atime_ns, st.st_mtime_ns))
END
run vmseed -q --home "$hq" export --media "$caddy" --for dr "web01=$tmp/web01.img"
run vmseed -q --home "$dr" import --media "$caddy"
cmp "$tmp/web01.img" "$(replica_disk "$dr" web01 vda)"
# Another file in its place, of the same size and times.
cp -p "$tmp/web01.img" "$tmp/new.img"
python3 -c 'import sys; f = open(sys.argv[1], "r+b"); f.seek(9 << 20); f.write(b"!")' "$tmp/new.img"
touch -r "$tmp/web01.img" "$tmp/new.img"
mv "$tmp/new.img" "$tmp/web01.img"
run vmseed -q --home "$hq" export --media "$caddy" --for dr "web01=$tmp/web01.img"
run vmseed -q --home "$dr" import --media "$caddy"
cmp "$tmp/web01.img" "$(replica_disk "$dr" web01 vda)"
