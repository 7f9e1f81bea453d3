#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# A replica that is there: the same seed is no work, a newer one takes its place, a folder that
# is none of ours is left alone, and naming one VM leaves the others.
. "${0%/*}/lib.sh"
two_sites
caddy=$tmp/caddy
make_medium "$caddy"
make_disk "$tmp/web01.img" 2M 1
make_disk "$tmp/db01.img" 2M 2
run vmseed -q --home "$hq" export --media "$caddy" --for dr "web01=$tmp/web01.img" \
	"db01=$tmp/db01.img"

says 'would be created' vmseed -q --home "$dr" import -n --media "$caddy"
[ -z "$(find "$dr" -name '*.raw')" ] || fail 'a dry run imported'
run vmseed -q --home "$dr" import --media "$caddy" web01
[ "$(find "$dr" -name '*.raw' | wc -l)" = 1 ] || fail 'one VM was named, others came'
run vmseed -q --home "$dr" import --media "$caddy"
cmp "$tmp/db01.img" "$(replica_disk "$dr" db01 vda)"

# No-op: not a byte and not a time changes.
find "$dr/replicas" -type f -printf '%p %s %T@ %i\n' | sort >"$tmp/before"
says 'was here already' vmseed -q --home "$dr" import --media "$caddy"
find "$dr/replicas" -type f -printf '%p %s %T@ %i\n' | sort | cmp - "$tmp/before"

# Newer: one changed, one not; both are at the new generation.
flip_byte "$tmp/web01.img" 300000
run vmseed -q --home "$hq" export --media "$caddy" --for dr "web01=$tmp/web01.img" \
	"db01=$tmp/db01.img"
says 'would be updated' vmseed -q --home "$dr" import -n --media "$caddy"
says 'updated' vmseed -q --home "$dr" import --media "$caddy"
cmp "$tmp/web01.img" "$(replica_disk "$dr" web01 vda)"
cmp "$tmp/db01.img" "$(replica_disk "$dr" db01 vda)"
run vmseed -q --home "$dr" verify --replica web01
[ -z "$(find "$dr/replicas" -name next)" ] || fail 'what was built beside is still there'

# A damaged newer seed: the old replica stays whole, and the reason is said.
cp "$tmp/web01.img" "$tmp/kept.img"
make_disk "$tmp/web01.img" 2M 7
cp -a "$caddy" "$tmp/whole"
run vmseed -q --home "$hq" export --media "$caddy" --for dr "web01=$tmp/web01.img"
cp -a "$caddy" "$tmp/newest"
newest=$(find "$caddy" -name '*.pack' | sort | tail -n 1)
flip_byte "$newest" $(($(wc -c <"$newest") / 2))
fails_with 3 'stays at generation 2' vmseed -q --home "$dr" import --media "$caddy"
cmp "$tmp/kept.img" "$(replica_disk "$dr" web01 vda)"
run vmseed -q --home "$dr" verify --replica web01
run vmseed -q --home "$dr" import --media "$tmp/newest"
cmp "$tmp/web01.img" "$(replica_disk "$dr" web01 vda)"

# What stands where a replica would go and is none of ours is never touched.
third=$tmp/third
make_site "$third" third
exchange_cards "$hq" "$third"
plain=$tmp/plain
make_medium "$plain"
run vmseed -q --home "$hq" export --media "$plain" --plaintext "web01=$tmp/web01.img" \
	"db01=$tmp/db01.img"
folder=$(basename "$(find "$dr/replicas" -maxdepth 1 -name 'web01.*')")
mkdir -p "$third/replicas/$folder"
echo 'mine' >"$third/replicas/$folder/vda.raw"
fails_with 3 "$folder" vmseed -q --home "$third" import --media "$plain"
[ "$(cat "$third/replicas/$folder/vda.raw")" = mine ] || fail 'a file of somebody else was touched'
cmp "$tmp/db01.img" "$(replica_disk "$third" db01 vda)"
rm -rf "$third/replicas/$folder"
echo 'mine' >"$tmp/mine"
ln -s "$tmp" "$third/replicas/$folder"
fails_with 3 "$folder" vmseed -q --home "$third" import --media "$plain"
[ ! -e "$tmp/replica.json" ] || fail 'a link led out of the store'
rm "$third/replicas/$folder"
# What a run leaves that is killed while it makes the folder: the next one goes on with it.
mkdir "$third/replicas/$folder"
echo '{' >"$third/replicas/$folder/.tmp-0123456789abcdef"
run vmseed -q --home "$third" import --media "$plain"
cmp "$tmp/web01.img" "$(replica_disk "$third" web01 vda)"

refuses 2 'no such VM on the media' vmseed -q --home "$third" import --media "$plain" nobody
says 'here already' vmseed --home "$third" import --media "$plain" --media "$plain"
grep -q 'is the same medium as .*used once' "$tmp/err" || fail 'a medium named twice is not said'
refuses 7 'nothing was exported' sh -c 'mkdir "$1/blank" && vmseed -q --home "$2" media prepare \
	"$1/blank" --allow-internal >&2 && vmseed -q --home "$3" import --media "$1/blank"' - \
	"$tmp" "$hq" "$third"
