#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Clones of one template that got the same new files: what the first one's resync brought is not
# sent again, nor what a clone differs in by a few bytes.
. "${0%/*}/lib.sh"
. "$top/tests/support/resync.sh"
two_sites
make_disk "$tmp/template" 32M 1
set --
for n in 1 2 3 4; do
	cp --sparse=always "$tmp/template" "$tmp/vm$n.img"
	change "$tmp/vm$n.img" "own of $n" 500 501
	set -- "$@" "vm$n=$tmp/vm$n.img"
done
seed "$@"
for n in 1 2 3 4; do
	# The same packages, at other places of the disk, with an own log of one piece.
	# shellcheck disable=SC2046 # numbers
	change "$tmp/vm$n.img" packages $(seq 100 163)
	dd if="$tmp/vm$n.img" of="$tmp/files" bs=64K skip=100 count=64 status=none
	dd if="$tmp/files" of="$tmp/vm$n.img" bs=64K seek=$((190 + 64 * n)) conv=notrunc status=none
	printf 'log of %s' "$n" | dd of="$tmp/vm$n.img" bs=1 seek=100000 conv=notrunc status=none
done

resync "$@"
is 'all(v["result"] == "synced" for v in d["vms"])'
is 'vm["vm1"]["fetched_blocks"] == 65'
is 'all(vm[f"vm{n}"]["fetched_blocks"] <= 1 and vm[f"vm{n}"]["changed_blocks"] == 129 for n in (2, 3, 4))'
is 'd["bytes_sent"] < 1.3 * 65 * 65536'
for n in 1 2 3 4; do
	same vm$n "$tmp/vm$n.img"
	run vmseed --home "$dr" verify --replica vm$n
done

# The same in single runs: replicas of the same site are a source of blocks.
for n in 1 2 3 4; do
	# shellcheck disable=SC2046 # numbers
	change "$tmp/vm$n.img" later $(seq 50 81)
done
total=0
for n in 1 2 3 4; do
	resync "vm$n=$tmp/vm$n.img"
	[ $n != 1 ] || first=$(summary 'd["bytes_sent"]')
	total=$((total + $(summary 'd["bytes_sent"]')))
	same vm$n "$tmp/vm$n.img"
done
[ $((total * 10)) -lt $((first * 13)) ] || fail "$total bytes for four clones, $first for the first"

# But never those of another site's VMs, or who asks would learn what these hold.
make_site "$tmp/third" third
exchange_cards "$tmp/third" "$dr"
cp --sparse=always "$tmp/vm1.img" "$tmp/guess.img"
summed vmseed --home "$tmp/third" --json --progress=none resync --seed-over-wire --to "$dr" \
	"guess=$tmp/guess.img"
is 'vm["guess"]["local_blocks"] <= 70'
[ "$(replica_of guess 'r["state"]')" = current ] || fail 'the other site got no replica'
cmp "$tmp/guess.img" "$(replica_disk "$dr" guess vda)"
