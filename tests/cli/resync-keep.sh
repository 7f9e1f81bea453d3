#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Recovery points: as many as asked for, each the disk of its generation; still there after further
# resyncs, a reversal and a promotion. Where files cannot share blocks that is said, plainly.
. "${0%/*}/lib.sh"
. "$top/tests/support/resync.sh"
if [ -z "${INSIDE:-}" ]; then
	requires unshare -m true
	requires mkfs.xfs -V
	requires sh -c 'grep -qw xfs /proc/filesystems && dev=$(losetup -f) && [ -b "$dev" ]'
	INSIDE=1 unshare -m "$0" && exit 0 || exit $?
fi
two_sites
cp -a "$dr" "$tmp/dr-new"
trap 'umount "$tmp"/store-* 2>/dev/null || :; rm -rf "$tmp"' EXIT
for kind in xfs ext4; do
	truncate -s 400M "$tmp/$kind.fs"
	mkfs.$kind -q "$tmp/$kind.fs"
	mkdir "$tmp/store-$kind"
	mount -o loop "$tmp/$kind.fs" "$tmp/store-$kind"
done
make_disk "$tmp/web01.img" 8M 1
vm=web01=$tmp/web01.img

seed_into() { # STORE
	rm -rf "$dr" "$tmp/caddy"
	cp -a "$tmp/dr-new" "$dr"
	make_medium "$tmp/caddy"
	run vmseed -q --home "$hq" export --media "$tmp/caddy" --for dr "$vm"
	run vmseed -q --home "$dr" import --media "$tmp/caddy" --store "$1"
	cp "$tmp/web01.img" "$tmp/generation-$(replica_of web01 'r["generation"]')"
}
points() {
	vmseed --home "$dr" --json points web01 | json 'sorted(p["generation"] for p in d["points"])'
}
next() { # CHANGE OPTION...
	change "$tmp/web01.img" "$1" 3 50
	shift
	resync "$@" "$vm"
	generation=$(summary 'vm["web01"]["generation"]')
	cp "$tmp/web01.img" "$tmp/generation-$generation"
}
each_is_right() {
	for point in "$folder"/points/*; do
		cmp "$tmp/generation-${point##*/}" "$point/vda.raw"
	done
}

# ext4 cannot: that is said, and without --keep all goes well.
seed_into "$tmp/store-ext4"
change "$tmp/web01.img" ext4 7
try vmseed --home "$hq" resync --to "$dr" --keep 3 "$vm"
grep -Eq 'recovery point.*(share|xfs|btrfs)' "$tmp/err" || fail "--keep on ext4: no word: $(cat "$tmp/err")"
resync "$vm"
same web01 "$tmp/web01.img"

seed_into "$tmp/store-xfs"
folder=$(replica_folder web01)
first=$(replica_of web01 'r["generation"]')
next one --keep 3
[ "$(points)" = "[$first]" ] || fail "points: $(points)"
each_is_right
used=$(df -k --output=used "$tmp/store-xfs" | tail -n 1)
[ "$used" -lt 60000 ] || fail "$used KiB are used: points do not share blocks"
for change in two three four; do next $change --keep 3; done
[ "$(points)" = "[$((generation - 3)), $((generation - 2)), $((generation - 1))]" ] ||
	fail "points: $(points) at generation $generation"
each_is_right
# Nothing changed: no point. Without --keep they stay as they are.
settle
resync --keep 3 "$vm"
[ "$(points)" = "[$((generation - 3)), $((generation - 2)), $((generation - 1))]" ] || fail 'a point of nothing'
kept=$(points)
next five
[ "$(points)" = "$kept" ] || fail "without --keep the points are now $(points)"
same web01 "$tmp/web01.img"

# Back to one, and up again.
point=$(echo "$kept" | json 'd[1]')
run vmseed --home "$dr" points restore web01 "$point"
same web01 "$tmp/generation-$point"
resync "$vm"
same web01 "$tmp/web01.img"
each_is_right
run vmseed --home "$dr" verify --replica web01

# A promotion leaves them.
before=$(points)
run vmseed --home "$dr" promote web01
[ "$(points)" = "$before" ] || fail "promotion: points were $before, are $(points)"
each_is_right
