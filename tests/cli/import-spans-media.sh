#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# A set over five small media is imported in any order, together and one at a time; one is missing, one
# was copied, one is of another set, one of another attempt, one was rolled back. And verified.
. "${0%/*}/lib.sh"
if [ -z "${INSIDE:-}" ]; then
	requires unshare -m true
	requires unshare -m sh -c "mount -t tmpfs -o size=64k none '$tmp'"
	INSIDE=1 unshare -m "$0" && exit 0 || exit $?
fi
trap 'umount "$tmp"/room-* 2>/dev/null || :; rm -rf "$tmp"' EXIT
two_sites
caddy() { # NUMBER [SIZE]: a medium, "caddy-NUMBER"
	mkdir "$tmp/room-$1"
	mount -t tmpfs -o "size=${2:-10M}" none "$tmp/room-$1"
	run vmseed --home "$hq" media prepare "$tmp/room-$1" --allow-internal --label "caddy-$1"
}
media() { # NUMBER...: as arguments
	for number; do
		printf -- ' --media %s/room-%s' "$tmp" "$number"
	done
}
fresh() { # a destination that has seen nothing yet
	rm -rf "$tmp/fresh"
	cp -a "$dr" "$tmp/fresh"
}
holds() { # HOME: both replicas are the disks
	cmp "$tmp/web01.img" "$(replica_disk "$1" web01 vda)"
	cmp "$tmp/db01.img" "$(replica_disk "$1" db01 vda)"
}
make_disk "$tmp/web01.img" 64M 1
make_disk "$tmp/db01.img" 64M 2
for n in 1 2 3 4; do caddy $n; done
caddy 5 16M
run vmseed -q --home "$hq" export $(media 1 2 3 4 5) --for dr "web01=$tmp/web01.img" \
	"db01=$tmp/db01.img"
[ -e "$(echo "$tmp"/room-5/vmseed/*/sets/00000001.json)" ] || fail 'the set is not on five media'

# Which medium is what.
says 'volume 3 of 5 is caddy-3' vmseed --home "$dr" media show "$tmp/room-5"
grep -Eq ' 5 of 5 .* ok$' "$tmp/out" || fail 'the number of the volume is not shown'
says ' no seeds$' vmseed --home "$dr" media show "$tmp/room-2"
run vmseed --home "$dr" media show --json "$tmp/room-5"
others=$(json '[v["label"] for v in d["volumes"] if v["state"] == "missing"]' <"$tmp/out")
[ "$others" = '["caddy-1", "caddy-2", "caddy-3", "caddy-4"]' ] || fail "others: $others"

# Verified together, and in parts.
run vmseed --home "$dr" verify $(media 4 2 5 1 3)
[ "$(grep -Ec '(web01|db01) .* ok$' "$tmp/out")" = 2 ] || fail 'not both seeds are sound'
fails_with 3 'not checked.*caddy-3, volume 3 of 5' vmseed --home "$dr" verify $(media 1 2 4 5)
grep -q 'Not given: caddy-3, volume 3 of 5' "$tmp/out" || fail 'what is missing is not named'
fails_with 3 'not all checked' vmseed --home "$dr" verify $(media 5)
says 'No seeds here' vmseed --home "$dr" verify $(media 1)

# Together, in whatever order the options come; the same medium named twice is read once.
for order in '1 2 3 4 5' '5 3 1 2 4' '2 2 5 4 3 1'; do
	fresh
	run vmseed -q --home "$tmp/fresh" import $(media $order)
	holds "$tmp/fresh"
done

# One at a time: what comes before the manifests says so, and comes again behind them.
for order in '5 1 2 3 4' '5 4 3 2 1' '1 3 5 4 2 1 3'; do
	fresh
	seen=
	for n in $order; do
		case $seen$n in
		*5*) try vmseed -q --home "$tmp/fresh" import $(media $n) ;;
		*) refuses 7 "no seeds here: this is volume $n .*last volume" \
			vmseed -q --home "$tmp/fresh" import $(media $n) ;;
		esac
		[ "$status" = 0 ] || [ "$status" = 3 ] || [ "$status" = 7 ] || fail "$n: $status"
		seen=$seen$n
	done
	[ "$status" = 0 ] || fail "$order: the last one does not complete it"
	holds "$tmp/fresh"
done

# One is missing: named in the plan, in the verdicts, for machines. Alone it completes them.
fresh
says 'may be on caddy-3, volume 3 of 5, which was not given' vmseed --home "$tmp/fresh" import -n \
	$(media 1 2 4 5)
fails_with 3 'web01 .*incomplete: [0-9]+ blocks missing: they may be on caddy-3, volume 3 of 5' \
	vmseed --home "$tmp/fresh" import $(media 1 2 4 5)
fails_with 3 '"lacking"' vmseed --home "$tmp/fresh" import --json $(media 5)
lacking=$(json 'd["vms"][0]["lacking"]' <"$tmp/out")
four='caddy-1, caddy-2, caddy-3 and caddy-4, volumes 1, 2, 3 and 4 of 5'
[ "$lacking" = "$four, which were not given" ] || fail 'what is lacking is not said in JSON'
run vmseed -q --home "$tmp/fresh" import $(media 3)
holds "$tmp/fresh"
run vmseed --home "$tmp/fresh" verify --replica web01
refuses 7 'no seeds here: this is volume 2' vmseed -q --home "$tmp/fresh" import $(media 2)
says 'here already' vmseed --home "$tmp/fresh" import $(media 5)

# A copy of a medium serves where the first is damaged, at a record or at a pack's end.
cp -a "$tmp/room-2" "$tmp/room-copy"
cp -a "$tmp/room-2" "$tmp/kept-2"
pack=$(echo "$tmp"/room-2/vmseed/*/packs/00000001.pack)
for at in 300000 $(($(stat -c %s "$pack") - 40)); do
	flip_byte "$pack" "$at"
	fresh
	run vmseed --home "$tmp/fresh" import $(media 1 2 3 4 5 copy)
	grep -q 'is a copy of one that was given' "$tmp/err" || fail 'the copy is not said'
	[ "$at" != 300000 ] || grep -q 'taken from its copy' "$tmp/err" || fail 'its use is not said'
	holds "$tmp/fresh"
	flip_byte "$pack" "$at"
done
flip_byte "$pack" 300000
fresh
fails_with 3 'incomplete' vmseed -q --home "$tmp/fresh" import $(media 1 2 3 4 5)
run vmseed -q --home "$tmp/fresh" import $(media copy)
holds "$tmp/fresh"
fails_with 4 'caddy-2.*pack 00000001: record' vmseed -q --home "$dr" verify $(media 1 2 3 4 5)
flip_byte "$pack" 300000

# A medium of another set, for another site, is said and stands in nobody's way.
third=$tmp/third
make_site "$third" third
exchange_cards "$hq" "$third"
make_disk "$tmp/app01.img" 4M 5
caddy other
run vmseed -q --home "$hq" export $(media other) --for third "app01=$tmp/app01.img"
fresh
run vmseed --home "$tmp/fresh" import $(media 1 2 other 3 4 5)
grep -q 'sealed for another site' "$tmp/err" || fail 'the foreign set is not said'
holds "$tmp/fresh"

# An attempt that its home forgot: it was restored from before. The number is used for another medium
# then, and the set document knows that one alone.
cp -a "$tmp/room-5" "$tmp/older-5"
cp -a "$hq" "$tmp/hq-before"
make_disk "$tmp/mail01.img" 72M 4
for n in 6 7 8; do caddy $n; done
fails_with 7 'caddy-6' vmseed -q --home "$hq" export $(media 5 6) --for dr "mail01=$tmp/mail01.img"
rm -rf "$hq"
mv "$tmp/hq-before" "$hq"
run vmseed -q --home "$hq" export $(media 5 7 8) --for dr "mail01=$tmp/mail01.img"
fresh
run vmseed --home "$tmp/fresh" import $(media 1 2 3 4 5 6 7 8)
grep -q 'caddy-6.*volume 6 is not in the set document' "$tmp/err" || fail 'the other attempt is not said'
holds "$tmp/fresh"
cmp "$tmp/mail01.img" "$(replica_disk "$tmp/fresh" mail01 vda)"

# One of before the last run: said, and what it holds is used. Beside the newer one it is a copy.
fresh
fails_with 3 'older-5|caddy-5.*older than the set' vmseed --home "$tmp/fresh" import \
	$(media 1 2 3 4 7 8) --media "$tmp/older-5"
grep -q 'mail01 .*they may be on caddy-5, volume 5 of 7, of which' "$tmp/out" ||
	fail 'what the newer state holds is not said'
holds "$tmp/fresh"
fails_with 6 'older than the set' vmseed -q --home "$dr" verify $(media 1 2 3 4 7 8) \
	--media "$tmp/older-5"
run vmseed --home "$tmp/fresh" import --media "$tmp/older-5" $(media 5)
grep -q 'older copy of one that was given' "$tmp/err" || fail 'the older copy is not said'
cmp "$tmp/mail01.img" "$(replica_disk "$tmp/fresh" mail01 vda)"
