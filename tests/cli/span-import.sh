#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# A set over five small media: imported in any order, together and one at a time; one missing, one
# cloned, one of another set, one of another attempt, one rolled back; and verified.
. "${0%/*}/lib.sh"
if [ -z "${INSIDE:-}" ]; then
	requires unshare -m true
	requires unshare -m sh -c "mount -t tmpfs -o size=64k none '$tmp'"
	INSIDE=1 unshare -m "$0" && exit 0 || exit $?
fi
trap 'umount "$tmp"/room-* 2>/dev/null || :; rm -rf "$tmp"' EXIT
two_sites
caddy() { # NUMBER: a medium of 10 MiB, "caddy-NUMBER"
	mkdir "$tmp/room-$1"
	mount -t tmpfs -o size=10M none "$tmp/room-$1"
	run vmseed --home "$hq" media prepare "$tmp/room-$1" --allow-internal --label "caddy-$1"
}
make_disk "$tmp/web01.img" 64M 1
make_disk "$tmp/db01.img" 64M 2
media=
for n in 1 2 3 4 5; do
	caddy $n
	media="$media --media $tmp/room-$n"
done
run vmseed -q --home "$hq" export $media --for dr "web01=$tmp/web01.img" "db01=$tmp/db01.img"
cat "$tmp/out"
for n in 1 2 3 4 5; do
	run vmseed --home "$hq" media show "$tmp/room-$n"
	cat "$tmp/out" "$tmp/err"
	find "$tmp/room-$n" -type f | sort
done
run vmseed --home "$dr" import $media
cat "$tmp/out" "$tmp/err"
