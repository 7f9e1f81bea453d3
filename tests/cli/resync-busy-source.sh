#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# A disk that is written to while it is read and sent: the run comes to an end, says "changed", and
# the replica is what the manifest says; the next run, at rest, heals it.
. "${0%/*}/lib.sh"
. "$top/tests/support/resync.sh"
two_sites
make_disk "$tmp/web01.img" 64M 1
seed "web01=$tmp/web01.img"

# Somebody who writes all the time, without a lock, to what is being sent as well.
python3 - "$tmp/web01.img" "$tmp/ready" <<'END' &
import os, sys, time
disk = os.open(sys.argv[1], os.O_RDWR)
for i in range(1 << 22):
    os.pwrite(disk, str(i).encode() * 100, (i * 7919 * 512) % (64 << 20))
    if i == 2000:
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

link_through --rate 200e6		# slow enough for blocks to change on the way
for _ in 1 2; do
	resync "web01=$tmp/web01.img"
	is 'vm["web01"]["result"] == "synced"'
	is 'vm["web01"]["captured"] == "changed"'
	[ "$(replica_of web01 'r["captured"]')" = changed ] || fail 'the replica does not say changed'
	replica_is web01 current
	run vmseed --home "$dr" verify --replica web01
done
kill "$writer"
wait "$writer" 2>/dev/null || :
trap 'rm -rf "$tmp"' EXIT

resync "web01=$tmp/web01.img"
is 'vm["web01"]["result"] == "synced"'
same web01 "$tmp/web01.img"
[ "$(replica_of web01 'r["captured"]')" = offline ] || fail 'the replica does not say offline'
settle
resync "web01=$tmp/web01.img"
is 'vm["web01"]["result"] == "current"'

# A disk that gets shorter under it is no disk to go on with.
change "$tmp/web01.img" all 1 2 3
peer_is "$proxy" --delay-ms 500 -- sh -c "truncate -s 1M '$tmp/web01.img'; exec '$VMSEED' --home '$dr' serve"
try vmseed --home "$hq" resync --retries 0 --to "$dest" "web01=$tmp/web01.img"
case $status in
0|8) ;;
*) fail "a disk that got shorter: exit $status: $(cat "$tmp/err")" ;;
esac
run vmseed --home "$dr" verify --replica web01
no_link
resync "web01=$tmp/web01.img"
same web01 "$tmp/web01.img"
