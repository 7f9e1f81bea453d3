#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# No space on the medium, in the store or in the home: said as such, what was good stays, and with
# room again the same command finishes.
. "${0%/*}/lib.sh"
if [ -z "${INSIDE:-}" ]; then
	requires unshare -m true
	requires unshare -m sh -c "mount -t tmpfs -o size=64k none '$tmp'"
	requires mkfs.ext4 -V
	INSIDE=1 unshare -m "$0" && exit 0 || exit $?
fi
two_sites
trap 'umount "$tmp"/room-* "$tmp/loop" 2>/dev/null || :; rm -rf "$tmp"' EXIT
room() { # NAME SIZE
	mkdir "$tmp/room-$1"
	mount -t tmpfs -o "size=$2" none "$tmp/room-$1"
}
more_room() { # NAME SIZE
	mount -o "remount,size=$2" "$tmp/room-$1"
}
make_disk "$tmp/web01.img" 1M 1
make_disk "$tmp/db01.img" 24M 2

# The medium, at many places: nothing of the first set is lost, and a rerun goes on.
for size in 900k 1000k 1200k 2M 4M 6400k; do
	room medium "$size"
	caddy=$tmp/room-medium
	make_medium "$caddy"
	run vmseed -q --home "$hq" export --media "$caddy" --for dr "web01=$tmp/web01.img"
	refuses 7 'No space left|is full' vmseed -q --home "$hq" export --media "$caddy" --for dr \
		"db01=$tmp/db01.img"
	[ "$(wc -l <"$tmp/err")" = 1 ] || fail 'not one line of error'
	# Full to the last byte: what is done is done, though it can be noted in the home alone.
	cat /dev/zero >"$caddy/filler" 2>/dev/null || :
	says 'custody is kept in the home.*No space left' vmseed --home "$dr" verify --media "$caddy"
	says 'custody is kept in the home.*No space left' vmseed --home "$dr" import --media "$caddy"
	grep -q 'receipts .*No space left' "$tmp/err" || fail 'a receipt that has no room is not said'
	rm "$caddy/filler"
	more_room medium 64M
	run vmseed -q --home "$dr" verify --media "$caddy"
	run vmseed -q --home "$dr" import --media "$caddy"
	cmp "$tmp/web01.img" "$(replica_disk "$dr" web01 vda)"
	run vmseed -q --home "$hq" export --media "$caddy" --for dr "db01=$tmp/db01.img"
	run vmseed -q --home "$dr" verify --media "$caddy"
	run vmseed -q --home "$dr" import --media "$caddy"
	cmp "$tmp/db01.img" "$(replica_disk "$dr" db01 vda)"
	umount "$caddy"
	rmdir "$caddy"
	rm -rf "$dr/replicas" "$dr/marks"
done

# Too small for anything at all.
room tiny 4k
refuses 7 'No space left|[Ff]ull' vmseed --home "$hq" media prepare "$tmp/room-tiny" --allow-internal

# A file system that has its bookkeeping: ext4.
truncate -s 3M "$tmp/ext4.img"
mkfs.ext4 -q -O ^has_journal -m 0 "$tmp/ext4.img"
mkdir "$tmp/loop"
mount -o loop "$tmp/ext4.img" "$tmp/loop"
make_medium "$tmp/loop"
refuses 7 'No space left|is full' vmseed -q --home "$hq" export --media "$tmp/loop" --for dr \
	"db01=$tmp/db01.img"
fails_with 7 'no finished seed|no seeds here' vmseed -q --home "$dr" import --media "$tmp/loop"
umount "$tmp/loop"

# The store: what fits is imported, what does not is refused before anything is written.
caddy=$tmp/caddy
make_medium "$caddy"
run vmseed -q --home "$hq" export --media "$caddy" --for dr "web01=$tmp/web01.img" \
	"db01=$tmp/db01.img"
room store 4M
refuses 3 'not complete' vmseed -q --home "$dr" import --media "$caddy" --store "$tmp/room-store"
grep -Eq 'db01 .*needs .* and the store has .* left.*No space' "$tmp/out" ||
	fail 'db01 is not told that it does not fit'
cmp "$tmp/web01.img" "$(replica_disk "$dr" web01 vda)"
refuses 3 'not complete' vmseed -q --home "$dr" import --media "$caddy"
# It fills up while it is written to: the other machine stays, and room lets it finish.
more_room store 18M
head -c 6M /dev/zero >"$tmp/room-store/filler"
try vmseed -q --home "$dr" import --media "$caddy"
[ "$status" = 3 ] || fail "import into a store that is too small: exit $status"
grep -q 'No space left' "$tmp/out" "$tmp/err" || fail 'the reason is not given'
cmp "$tmp/web01.img" "$(replica_disk "$dr" web01 vda)"
rm "$tmp/room-store/filler"
more_room store 64M
run vmseed -q --home "$dr" import --media "$caddy"
cmp "$tmp/db01.img" "$(replica_disk "$dr" db01 vda)"
run vmseed -q --home "$dr" verify --replica db01

# The home of the exporter.
room home 4M
cp -a "$hq/." "$tmp/room-home"
head -c 8M /dev/zero >"$tmp/room-home/filler" 2>/dev/null || true
refuses 7 'disk vda: .*No space left' vmseed -q --home "$tmp/room-home" export --media "$caddy" --for dr \
	"new=$tmp/web01.img"
rm "$tmp/room-home/filler"
run vmseed -q --home "$tmp/room-home" export --media "$caddy" --for dr "new=$tmp/web01.img"
run vmseed -q --home "$dr" verify --media "$caddy"
