#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Recovery points are listed with their paths, restored and deleted; on a file system that cannot
# share blocks a restore says so and changes nothing.
. "${0%/*}/lib.sh"
two_sites
caddy=$tmp/caddy
make_medium "$caddy"
make_disk "$tmp/web01.img" 2M 1
run vmseed -q --home "$hq" export --media "$caddy" --for dr "web01=$tmp/web01.img"
cp "$tmp/web01.img" "$tmp/first.img"
cp -r "$caddy" "$tmp/older"
flip_byte "$tmp/web01.img" 300000
run vmseed -q --home "$hq" export --media "$caddy" --for dr "web01=$tmp/web01.img"

says 'no recovery points' vmseed --home "$dr" points
refuses 2 'no replicas here' vmseed --home "$dr" points web01

# $store: a store with the replica at generation 2 and its first state as a point. Only resync makes
# points; here cp does.
import_both() { # CP-OPTION
	run vmseed -q --home "$dr" import --media "$tmp/older" --store "$store"
	replica=$(echo "$store"/web01.*)
	cp -r "$1" "$replica" "$store-then"
	run vmseed -q --home "$dr" import --media "$caddy"
	mkdir "$replica/points"
	mv "$store-then" "$replica/points/1"
	rm "$replica/points/1/import.log" 2>/dev/null || :
	cmp "$tmp/web01.img" "$replica/vda.raw"
}

lists_points() {	# GENERATIONS as JSON
	vmseed --home "$dr" points --json >"$tmp/out"
	[ "$(json '[p["generation"] for p in d["points"]]' <"$tmp/out")" = "$1" ] ||
		fail "points are not $1: $(cat "$tmp/out")"
}

shared=$tmp/shared plain=
mkdir "$shared"
forget() {
	umount -l "$tmp/plain" 2>/dev/null || :
	umount -l "$shared" 2>/dev/null || :
	chmod -R u+rwx "$tmp" "$plain" 2>/dev/null || :
	rm -rf "$tmp" "$plain"
}
trap forget EXIT
if [ "$(id -u)" = 0 ] && mkfs.xfs -V >/dev/null 2>&1 && truncate -s 400M "$tmp/xfs.img" &&
	mkfs.xfs -q -m reflink=1 "$tmp/xfs.img" && mount -o loop "$tmp/xfs.img" "$shared" 2>/dev/null; then
	store=$shared/store
	mkdir "$store"
	import_both --reflink=always
	path=$(vmseed --home "$dr" points web01 --json | json 'd["points"][0]["path"]')
	[ "$path" = "$replica/points/1" ] || fail "the point's path is $path"
	cmp "$tmp/first.img" "$path/vda.raw"
	says 'Would make .*generation 1; it is at 2' vmseed --home "$dr" points restore -n web01 1
	lists_points '[1]'
	says 'at generation 1 again' vmseed --home "$dr" points restore web01 1
	cmp "$tmp/first.img" "$replica/vda.raw"
	lists_points '[1, 2]'
	cmp "$tmp/web01.img" "$replica/points/2/vda.raw"
	[ "$(stat -c %a "$replica/points/2/vda.raw")" = 400 ] || fail 'a point can be written to'
	run vmseed -q --home "$dr" verify --replica web01
	says 'web01 +seeded +1 ' vmseed --home "$dr" status --check
	# There and back, at the price of no block.
	before=$(df --output=used "$shared" | tail -n 1)
	for generation in 2 1 2; do
		run vmseed --home "$dr" points restore web01 "$generation"
	done
	cmp "$tmp/web01.img" "$replica/vda.raw"
	after=$(df --output=used "$shared" | tail -n 1)
	[ $((after - before)) -lt 512 ] || fail "restoring took $((after - before)) KiB"
	run vmseed -q --home "$dr" verify --replica web01
	# A restored replica takes the newer seed again.
	run vmseed --home "$dr" points restore web01 1
	says 'updated' vmseed -q --home "$dr" import --media "$caddy"
	cmp "$tmp/web01.img" "$replica/vda.raw"
else
	echo 'blocks cannot be shared here: what a point says on such a file system is what is tested'
	store=$tmp/store
	mkdir "$store"
	import_both --preserve=timestamps
	if cp --reflink=always "$replica/vda.raw" "$tmp/reflink" 2>/dev/null; then
		run vmseed --home "$dr" points restore web01 1
		cmp "$tmp/first.img" "$replica/vda.raw"
		run vmseed --home "$dr" points restore web01 2
	fi
	lists_points "$(vmseed --home "$dr" points list web01 --json |
		json '[p["generation"] for p in d["points"]]')"
	run vmseed --home "$dr" points web01
fi

# Wherever it is: where blocks cannot be shared (a tmpfs has no such thing) nothing is changed.
plain=/dev/shm
if [ "$(id -u)" = 0 ] && mkdir "$tmp/plain" && mount -t tmpfs none "$tmp/plain" 2>/dev/null; then
	plain=$tmp/plain
fi
if [ -w "$plain" ]; then
	plain=$(mktemp -d "$plain/vmseed-story.XXXXXX")
	cp -r "$store/." "$plain"
	rm -r "$plain"/web01.*/points/2 2>/dev/null || :
	echo "$plain" >"$dr/store"
	for n in '' -n; do
		refuses 2 'cannot share blocks' vmseed --home "$dr" points restore $n web01 1
		cmp "$tmp/web01.img" "$plain"/web01.*/vda.raw
		lists_points '[1]'
	done
	echo "$store" >"$dr/store"
fi

refuses 2 'no recovery point of generation 7' vmseed --home "$dr" points restore web01 7
refuses 2 'is no generation' vmseed --home "$dr" points delete web01 1x
refuses 2 'no such replica' vmseed --home "$dr" points nobody
refuses 2 'no such replica' vmseed --home "$dr" points delete nobody 1
refuses 2 'one argument too many' vmseed --home "$dr" points web01 1
refuses 2 'an argument is missing' vmseed --home "$dr" points restore web01
refuses 9 'is locked by' flock "$replica" vmseed --home "$dr" points delete web01 1

# One that cannot be understood is named, and can go.
chmod u+w "$replica/points/1/replica.json"
echo '{' >"$replica/points/1/replica.json"
fails_with 3 'broken' vmseed --home "$dr" points
refuses 1 'cannot be understood' vmseed --home "$dr" points restore web01 1
says 'Would delete' vmseed --home "$dr" points delete -n web01 1
[ -e "$replica/points/1" ] || fail 'a dry run deleted'
says 'Deleted recovery point 1' vmseed --home "$dr" points delete web01 1
[ ! -e "$replica/points/1" ] || fail 'the point is still there'
run vmseed --home "$dr" points
run vmseed -q --home "$dr" verify --replica web01
