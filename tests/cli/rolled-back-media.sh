#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# An older copy of a medium: export refuses to add to it, import takes nothing back.
. "${0%/*}/lib.sh"
two_sites
caddy=$tmp/caddy
make_medium "$caddy"
make_disk "$tmp/web01.img" 2M 1
run vmseed --home "$hq" export --media "$caddy" --for dr "web01=$tmp/web01.img"
cp -a "$caddy" "$tmp/older"
cp "$tmp/web01.img" "$tmp/first.img"
flip_byte "$tmp/web01.img" 70000
run vmseed --home "$hq" export --media "$caddy" --for dr "web01=$tmp/web01.img"
cp -a "$caddy" "$tmp/newest"

# The home remembers which commit it confirmed.
rm -rf "$caddy"
cp -a "$tmp/older" "$caddy"
refuses 7 'commit 1, and commit 2 was confirmed here: it has been rolled back' \
	vmseed --home "$hq" export --media "$caddy" --for dr "web01=$tmp/web01.img"
diff -r "$tmp/older" "$caddy" || fail 'a rolled back medium was written to'
# Only the newest commit taken away is the same thing.
rm -rf "$caddy"
cp -a "$tmp/newest" "$caddy"
rm "$caddy"/vmseed/*/commits/00000002.json*
refuses 7 'rolled back' vmseed --home "$hq" export --media "$caddy" --for dr \
	"web01=$tmp/web01.img"
# The whole set taken away.
rm -rf "$caddy"/vmseed/????????????????????????????????
refuses 7 'gone from the medium' vmseed --home "$hq" export --media "$caddy" --for dr \
	"web01=$tmp/web01.img"
rm -rf "$caddy"
cp -a "$tmp/newest" "$caddy"
run vmseed --home "$hq" export --media "$caddy" --for dr "web01=$tmp/web01.img"

# A replica that is newer stays as it is, and that is no error.
run vmseed --home "$dr" import --media "$tmp/newest"
says 'replica is newer' vmseed --home "$dr" import --media "$tmp/older"
cmp "$tmp/web01.img" "$(replica_disk "$dr" web01 vda)"
# Both at once, in either order: the newest counts.
rm -rf "$dr/replicas" "$dr/marks"
run vmseed --home "$dr" import --media "$tmp/older" --media "$tmp/newest"
cmp "$tmp/web01.img" "$(replica_disk "$dr" web01 vda)"

# With the replica gone, what was once accepted is remembered.
rm -rf "$dr/replicas"
refuses 6 'rollback: generation 2 was accepted here before and this is 1' \
	vmseed --home "$dr" import --media "$tmp/older"
refuses 6 'rollback' vmseed --home "$dr" import -n --media "$tmp/older"
[ -z "$(find "$dr" -name '*.raw')" ] || fail 'a rollback was imported'
run vmseed --home "$dr" import --media "$tmp/newest"
cmp "$tmp/web01.img" "$(replica_disk "$dr" web01 vda)"

# The memory itself edited: closed, never "new".
mark=$(find "$dr/marks" -name '*.chain')
cp "$mark" "$tmp/mark"
rm -rf "$dr/replicas"
sed -i 's/"generation": *2/"generation":1/' "$mark"
cmp -s "$mark" "$tmp/mark" && fail 'the mark was not edited'
fails_with 4 "$(basename "$mark")" vmseed --home "$dr" import --media "$tmp/older"
cp "$tmp/mark" "$mark"
run vmseed --home "$dr" import --media "$tmp/newest"
