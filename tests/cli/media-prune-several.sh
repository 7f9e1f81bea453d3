#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# A set over several media is pruned with all of them at hand, and then what is left is whole.
. "${0%/*}/lib.sh"
# shellcheck disable=SC2046 # words
if [ -z "${INSIDE:-}" ]; then
	requires unshare -m true
	requires unshare -m sh -c "mount -t tmpfs -o size=64k none '$tmp'"
	INSIDE=1 unshare -m "$0" && exit 0 || exit $?
fi
two_sites
trap 'umount -l "$tmp"/m* 2>/dev/null || :; rm -rf "$tmp"' EXIT
for name in m1 m2 m3; do
	mkdir "$tmp/$name"
	mount -t tmpfs -o size=24m none "$tmp/$name"
	run vmseed --home "$hq" media prepare "$tmp/$name" --allow-internal --label "caddy-$name"
done
noise() { # FILE MEBIBYTES SEED: nothing in it compresses
	openssl enc -aes-128-ctr -pass "pass:$3" -nosalt -pbkdf2 </dev/zero 2>/dev/null |
		head -c "$2M" >"$1"
}
export_to() {
	run vmseed --home "$hq" -q export "$@" --for dr "a=$tmp/a.img" "b=$tmp/b.img"
}
packs() { find "$tmp/$1" -name '*.pack' | wc -l; }

media() { # FLAG NAME...
	flag=$1
	shift
	for name in "$@"; do
		echo ${flag:+"$flag"} "$tmp/$name"
	done
}

# The first medium has nothing but what was a; what is b lies further on.
noise "$tmp/a.img" 30 1
noise "$tmp/b.img" 4 2
export_to $(media --media m1 m2)
[ "$(packs m1)" -gt 0 ] && [ "$(packs m2)" -gt 0 ] || fail "nothing spans anything"
noise "$tmp/a.img" 30 3
export_to $(media --media m1 m2 m3)

# Which packs can go all media tell together.
before=$(packs m1)
fails_with 7 'volume 1, on medium caddy-m1, is not' \
	vmseed --home "$hq" media prune $(media '' m2 m3)
[ "$(packs m1)" = "$before" ] || fail "a pack went from a medium that was not given"
free=$(df --output=avail "$tmp/m1" | tail -n 1)
says 'caddy-m1: .* packs gone' vmseed --home "$hq" media prune $(media '' m3 m1 m2)
[ "$(packs m1)" -lt "$before" ] || fail "no pack of the old generation went"
[ "$(df --output=avail "$tmp/m1" | tail -n 1)" -gt "$free" ] || fail "no room was won"
says 'Nothing to prune' vmseed --home "$hq" media prune $(media '' m1 m2 m3)

run vmseed --home "$dr" verify $(media --media m1 m2 m3)
run vmseed --home "$dr" -q import $(media --media m2 m3 m1)
for vm in a b; do
	cmp "$tmp/$vm.img" "$(replica_disk "$dr" $vm vda)"
done
