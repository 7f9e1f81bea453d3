#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# A newer seed on several media, for a replica that is whole: it is built beside it, one medium at a
# time, and takes its place when nothing is missing. The manifest that is kept for that is believed
# no more than one on a medium.
. "${0%/*}/lib.sh"
if [ -z "${INSIDE:-}" ]; then
	requires unshare -m true
	requires unshare -m sh -c "mount -t tmpfs -o size=64k none '$tmp'"
	INSIDE=1 unshare -m "$0" && exit 0 || exit $?
fi
trap 'umount "$tmp"/room-* 2>/dev/null || :; rm -rf "$tmp"' EXIT
two_sites
for n in 1 2 3; do
	mkdir "$tmp/room-$n"
	mount -t tmpfs -o size=10M none "$tmp/room-$n"
	run vmseed --home "$hq" media prepare "$tmp/room-$n" --allow-internal --label "caddy-$n"
done
one="--media $tmp/room-1" two="--media $tmp/room-2" three="--media $tmp/room-3"
make_disk "$tmp/web01.img" 8M 1
run vmseed -q --home "$hq" export $one --for dr "web01=$tmp/web01.img"
run vmseed -q --home "$dr" import $one
cp "$tmp/web01.img" "$tmp/first.img"
make_disk "$tmp/web01.img" 64M 2
run vmseed -q --home "$hq" export $one $two $three --for dr "web01=$tmp/web01.img"
[ -e "$(echo "$tmp"/room-3/vmseed/*/sets/00000001.json)" ] || fail 'the set is not on three media'
cp -a "$dr" "$tmp/fresh"

# The last one alone: the replica stays as it is, and says on what the rest may be.
fails_with 3 'stays at generation 1; they may be on caddy-1 and caddy-2, volumes 1 and 2 of 3' \
	vmseed -q --home "$dr" import $three
cmp "$tmp/first.img" "$(replica_disk "$dr" web01 vda)"
fails_with 3 'stays at generation 1.*caddy-2|another volume' vmseed -q --home "$dr" import $one
cmp "$tmp/first.img" "$(replica_disk "$dr" web01 vda)"
cp -a "$dr" "$tmp/hostile"
says 'web01 .*updated' vmseed --home "$dr" import $two
cmp "$tmp/web01.img" "$(replica_disk "$dr" web01 vda)"
run vmseed -q --home "$dr" verify --replica web01
says 'here already' vmseed --home "$dr" import $one $two $three

# The kept manifest was changed, or its signature is somebody else's: it is not there, then. The second
# medium holds no seeds itself, so nothing is left to import.
kept=$(echo "$tmp"/hostile/replicas/web01.*/next/manifest.json)
[ -e "$kept" ] || fail 'no manifest was kept'
cp "$kept" "$tmp/kept"
flip_byte "$kept" 200
refuses 7 'no seeds here' vmseed -q --home "$tmp/hostile" import $two
rm "$kept"
ln -s "$tmp/kept" "$kept"
refuses 7 'no seeds here' vmseed -q --home "$tmp/hostile" import $two
rm "$kept"
cp "$tmp/kept" "$kept"
# Its digest list is lost: the medium that has it is asked for.
list=$(echo "$tmp"/hostile/replicas/web01.*/next/vda.list)
rm "$list"
fails_with 7 'give that one too' vmseed -q --home "$tmp/hostile" import $two
cmp "$tmp/first.img" "$(replica_disk "$tmp/hostile" web01 vda)"
run vmseed -q --home "$tmp/hostile" import $one $two $three
cmp "$tmp/web01.img" "$(replica_disk "$tmp/hostile" web01 vda)"

# All together at once.
says 'web01 .*updated' vmseed --home "$tmp/fresh" import $two $three $one
cmp "$tmp/web01.img" "$(replica_disk "$tmp/fresh" web01 vda)"
