#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# A newer seed was being moved into its replica's place when the power went: the next import
# moves the rest, whatever else it has to do, and status does not call the replica seeded.
. "${0%/*}/lib.sh"
two_sites
caddy=$tmp/caddy
make_medium "$caddy"
make_disk "$tmp/vda.img" 2M 1
make_disk "$tmp/vdb.img" 2M 2
run vmseed --home "$hq" export --media "$caddy" --for dr "web01=$tmp/vda.img,$tmp/vdb.img"
run vmseed --home "$dr" import --media "$caddy"
cp -a "$caddy" "$tmp/older"
replica=$(echo "$dr"/replicas/*)
cp -a "$replica" "$tmp/first"
flip_byte "$tmp/vda.img" 70000
flip_byte "$tmp/vdb.img" 70000
run vmseed --home "$hq" export --media "$caddy" --for dr "web01=$tmp/vda.img,$tmp/vdb.img"
run vmseed --home "$dr" import --media "$caddy"
cp -a "$replica" "$tmp/second"

# What such a cut leaves: replica.json is the new one, some files are moved and others not.
cut_short() {
	rm -rf "$replica"
	cp -a "$tmp/first" "$replica"
	cp -a "$tmp/second" "$replica/next"
	mv "$replica/next/vda.list" "$replica/next/vda.raw" "$replica/"
	sed 's/"switching": *false/"switching": true/' "$tmp/second/replica.json" \
		>"$replica/replica.json"
}

is_new() {
	[ ! -e "$replica/next" ] || fail 'files are still waiting to be moved'
	cmp "$tmp/vda.img" "$replica/vda.raw"
	cmp "$tmp/vdb.img" "$replica/vdb.raw"
	says 'web01 +seeded' vmseed --home "$dr" status --check
}

cut_short
cmp -s "$tmp/vdb.img" "$replica/vdb.raw" && fail 'the cut left nothing to do'
fails_with 3 'web01 +switching' vmseed --home "$dr" status --check
says 'would be finished' vmseed --home "$dr" import -n --media "$caddy"
[ -e "$replica/next" ] || fail 'a dry run moved files'
says 'updated' vmseed --home "$dr" import --media "$caddy"
is_new
says 'was here already' vmseed --home "$dr" import --media "$caddy"

# Also when the medium at hand has only the seed before.
cut_short
says 'replica is newer' vmseed --home "$dr" import --media "$tmp/older"
is_new

# Another run is at it: not ours to finish.
cut_short
refuses 9 'replica web01\..*' flock "$replica" vmseed --home "$dr" import --media "$caddy"
