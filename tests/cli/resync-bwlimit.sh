#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# --bwlimit holds over a run, both when pushing and when pulling; mistakes are said.
. "${0%/*}/lib.sh"
. "$top/tests/support/resync.sh"
two_sites
make_disk "$tmp/web01.img" 16M 1
vm=web01=$tmp/web01.img
seed "$vm"

# shellcheck disable=SC2046 # numbers
change "$tmp/web01.img" one $(seq 0 2 191)	# 6 MiB of noise
resync --bwlimit 3M "$vm"
is '1.7 < d["seconds"] < 60 and d["bytes_sent"] >= 6 << 20'
same web01 "$tmp/web01.img"
# shellcheck disable=SC2046
change "$tmp/web01.img" two $(seq 0 2 191)
summed vmseed --home "$dr" --json --progress=none resync --from "$hq" --bwlimit 3M web01
is '1.7 < d["seconds"] < 60 and d["bytes_received"] >= 6 << 20'
same web01 "$tmp/web01.img"
# Without a limit it is quicker than that.
# shellcheck disable=SC2046
change "$tmp/web01.img" three $(seq 0 2 191)
resync "$vm"
same web01 "$tmp/web01.img"

for rate in x -1 0 3Q '' 1e9; do
	refuses 2 'bwlimit' vmseed --home "$hq" resync --bwlimit "$rate" --to "$dr" "$vm"
done
