#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# A newer seed with a damaged record does not touch the replica that is there: it stays whole until
# an undamaged medium comes.
. "${0%/*}/lib.sh"
two_sites
caddy=$tmp/caddy
make_medium "$caddy"
make_disk "$tmp/web01.img" 16M 1
make_disk "$tmp/db01.img" 4M 3
cp "$tmp/web01.img" "$tmp/old.img"
run vmseed --home "$hq" export --media "$caddy" --for dr "web01=$tmp/web01.img"
run vmseed --home "$dr" import --media "$caddy"

# A week later: other blocks, and more of them.
make_disk "$tmp/web01.img" 20M 2
run vmseed --home "$hq" export --media "$caddy" --for dr "web01=$tmp/web01.img" "db01=$tmp/db01.img"
cp -a "$caddy" "$tmp/good"
flip_byte "$(find "$caddy" -name 00000002.pack)" 1000000

is_old() {
	cmp "$tmp/old.img" "$(replica_disk "$dr" web01 vda)"
	run vmseed --home "$dr" verify --replica web01
	run vmseed --home "$dr" status --json
	[ "$(json '[(r["state"], r["generation"]) for r in d["replicas"] if r["name"] == "web01"]' \
		<"$tmp/out")" = '[["seeded", 1]]' ] || fail 'the replica is not the old one any more'
}

# Alone it is a failure, with another VM some of it was done; again changes nothing.
fails_with 4 'stays at generation 1' vmseed --home "$dr" import --media "$caddy" web01
is_old
fails_with 3 'stays at generation 1' vmseed --home "$dr" import --media "$caddy"
is_old
cmp "$tmp/db01.img" "$(replica_disk "$dr" db01 vda)"
fails_with 3 'stays at generation 1' vmseed --home "$dr" import --media "$caddy"
is_old

# The same set from an undamaged medium: it brings what was missing and no more, the replica
# switches, and nothing of the build is left.
run vmseed --home "$dr" import --json --media "$tmp/good" web01
bytes=$(json 'd["vms"][0]["bytes_written"]' <"$tmp/out")
[ "$bytes" -gt 0 ] && [ "$bytes" -le 1048576 ] || fail "$bytes bytes written for one record"
cmp "$tmp/web01.img" "$(replica_disk "$dr" web01 vda)"
run vmseed --home "$dr" verify --replica web01
folder=$(dirname "$(replica_disk "$dr" web01 vda)")
[ ! -e "$folder/next" ] || fail 'the folder of the build was left'
[ ! -e "$folder/import.log" ] || fail 'the log of the build was left'

# The damaged medium again: this seed is here, whole.
says 'here already' vmseed --home "$dr" import --media "$caddy"
cmp "$tmp/web01.img" "$(replica_disk "$dr" web01 vda)"
