#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# No room at the destination, before and at many points of a run, and none in the source's home: said
# as such on both sides, the old replica stays, and with room again the next run finishes.
. "${0%/*}/lib.sh"
. "$top/tests/support/resync.sh"
if [ -z "${INSIDE:-}" ]; then
	requires unshare -m true
	requires unshare -m sh -c "mount -t tmpfs -o size=64k none '$tmp'"
	INSIDE=1 unshare -m "$0" && exit 0 || exit $?
fi
two_sites
trap 'umount "$tmp/room" "$tmp/home" 2>/dev/null || :; rm -rf "$tmp"' EXIT
mkdir "$tmp/room" "$tmp/home"
mount -t tmpfs -o size=64M none "$tmp/room"
make_disk "$tmp/web01.img" 8M 1
make_disk "$tmp/db01.img" 2M 2
set -- "web01=$tmp/web01.img" "db01=$tmp/db01.img"
make_medium "$tmp/caddy"
run vmseed -q --home "$hq" export --media "$tmp/caddy" --for dr "$@"
run vmseed -q --home "$dr" import --media "$tmp/caddy" --store "$tmp/room"
settle
cp "$tmp/web01.img" "$tmp/old"
# shellcheck disable=SC2046 # numbers
change "$tmp/web01.img" new $(seq 8 64)
truncate -s 9M "$tmp/web01.img"
cp -a "$tmp/room" "$tmp/store"
used=$(df -k --output=used "$tmp/room" | tail -n 1)
cp -a "$dr/marks" "$tmp/marks"

# 57 blocks in the journal, then in the holes of the disk, lists and documents: 7.2 MiB at most.
for more in 0 8 40 200 700 1500 3000 3600 3700 3900 4400 5200 6400; do
	mount -o "remount,size=64M" "$tmp/room"
	rm -rf "$tmp/room"/* "$dr/marks"
	cp -a "$tmp/store/." "$tmp/room"
	cp -a "$tmp/marks" "$dr/marks"
	mount -o "remount,size=$((used + more))k" "$tmp/room"
	try vmseed --home "$hq" --json --progress=none resync --retries 0 --to "$dr" "web01=$tmp/web01.img"
	case $status in
	0) echo "enough with $more KiB more" ;;
	7)	grep -Eq '[Nn]o space|room|full' "$tmp/err" || fail "no room is not said: $(cat "$tmp/err")"
		same web01 "$tmp/old"
		run vmseed --home "$dr" verify --replica web01 ;;
	*) fail "$more KiB more: exit $status: $(cat "$tmp/err")" ;;
	esac
	mount -o "remount,size=64M" "$tmp/room"
	resync "web01=$tmp/web01.img"
	same web01 "$tmp/web01.img"
	run vmseed --home "$dr" verify --replica web01
	[ ! -e "$(replica_folder web01)/sync" ] || fail 'sync/ stayed behind'
done

# One VM that does not fit does not stop the other.
change "$tmp/db01.img" new 3
truncate -s 8M "$tmp/web01.img"
# shellcheck disable=SC2046 # numbers
change "$tmp/web01.img" more $(seq 1 100)
used=$(df -k --output=used "$tmp/room" | tail -n 1)
mount -o "remount,size=$((used + 1000))k" "$tmp/room"
resync_fails 3 '1 of 2 VMs are not up to date' "$2" "$1"
is 'vm["web01"]["result"] == "failed" and vm["web01"]["error"]["kind"] == "medium"'
is 'vm["db01"]["result"] == "synced"'
same db01 "$tmp/db01.img"
mount -o "remount,size=64M" "$tmp/room"
resync "$@"
same web01 "$tmp/web01.img"

# The home of the source.
mount -t tmpfs -o size=4M none "$tmp/home"
cp -a "$hq/." "$tmp/home"
change "$tmp/web01.img" home 5
head -c 8M /dev/zero >"$tmp/home/filler" 2>/dev/null || true
refuses 7 'No space' vmseed --home "$tmp/home" resync --to "$dr" "web01=$tmp/web01.img"
rm "$tmp/home/filler"
run vmseed --home "$tmp/home" resync --to "$dr" "web01=$tmp/web01.img"
same web01 "$tmp/web01.img"
