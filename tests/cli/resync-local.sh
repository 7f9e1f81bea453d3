#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# To another home on this machine: what changed crosses and the replica is the disk; nothing
# changed, and nothing is read, little is said, and no generation is used up.
. "${0%/*}/lib.sh"
. "$top/tests/support/resync.sh"
two_sites
make_disk "$tmp/web01.img" 24M 1
make_disk "$tmp/db01.img" 3000000 2
set -- "web01=$tmp/web01.img" "db01=$tmp/db01.img"
seed "$@"

# Unchanged since the export: known without reading, in two roundtrips.
link_through --record "$tmp/record"
resync "$@"
is '[v["result"] for v in d["vms"]] == ["current", "current"]'
is 'd["bytes_sent"] + d["bytes_received"] - d["hello_bytes"] <= 2 * 1024'
is 'd["bytes_sent"] == '"$(wc -c <"$tmp/record.out")"
is 'd["bytes_received"] == '"$(wc -c <"$tmp/record.in")"
is 'vm["web01"]["changed_blocks"] == vm["web01"]["fetched_blocks"] == 0'
is 'vm["web01"]["generation"] == 1'
python3 - "$tmp/record" <<'END' || fail "more than two roundtrips: $(cat "$tmp/record")"
import sys
lines = [line.split() for line in open(sys.argv[1])]
turns = ''.join(line[0][0] for line in lines if line[3] in ('block', 'frame', 'preamble'))
# Preambles and hello (a nonce each way, then the proof) aside: how often who speaks changes.
changes = sum(a != b for a, b in zip(turns, turns[1:]))
sys.exit(changes > 2 * (2 + 3))
END
no_link
replica_is web01 current

# Changed: only what did crosses; a block that was there already, or is zero, does not.
change "$tmp/web01.img" new 3 40 41 42 200 383
change "$tmp/db01.img" new 45
dd if="$tmp/web01.img" of="$tmp/web01.img" bs=64K skip=2 seek=300 count=1 conv=notrunc status=none
dd if=/dev/zero of="$tmp/web01.img" bs=64K seek=16 count=1 conv=notrunc status=none
resync "$@"
is 'all(v["result"] == "synced" and v["generation"] == 2 for v in d["vms"])'
is 'vm["web01"]["changed_blocks"] == 8 and vm["web01"]["fetched_blocks"] == 6'
is 'vm["web01"]["local_blocks"] == 1 and vm["web01"]["journal_blocks"] == 0'
is 'vm["db01"]["changed_blocks"] == vm["db01"]["fetched_blocks"] == 1'
is '7 * 65536 * .95 < d["bytes_sent"] < 7 * 65536 + 30000 and d["bytes_received"] < 30000'
same web01 "$tmp/web01.img"
same db01 "$tmp/db01.img"
replica_is web01 current
[ ! -e "$(replica_folder web01)/sync" ] || fail 'sync/ stayed behind'
run vmseed --home "$dr" verify --replica web01
run vmseed --home "$dr" verify --replica db01
run vmseed --home "$dr" status --check

# A few bytes of a block: its 4 KiB pieces cross, not all of it.
settle
resync "$@"
is 'all(v["result"] == "current" and v["generation"] == 2 for v in d["vms"])'
for at in 100000 150000 9000000 20000000; do
	flip_byte "$tmp/web01.img" $at
done
resync "$@"
is 'vm["web01"]["result"] == "synced" and vm["db01"]["result"] == "current"'
is 'vm["web01"]["changed_blocks"] == 4 and d["bytes_sent"] < 4 * 12288'
same web01 "$tmp/web01.img"

# All zero, and all new: more than before, less than all.
dd if=/dev/zero of="$tmp/web01.img" bs=1M count=24 conv=notrunc status=none
resync "$@"
is 'd["bytes_sent"] < 8192 and vm["web01"]["fetched_blocks"] == 0'
same web01 "$tmp/web01.img"
# shellcheck disable=SC2046 # numbers
change "$tmp/web01.img" all $(seq 0 383)
resync "$@"
is 'vm["web01"]["fetched_blocks"] == 384'
same web01 "$tmp/web01.img"
run vmseed --home "$dr" verify --replica web01

# Touched but not changed: read, found equal, and no new generation.
generation=$(summary 'vm["web01"]["generation"]')
touch "$tmp/web01.img"
resync "$@"
is 'vm["web01"]["result"] == "current"'
[ "$(summary 'vm["web01"]["generation"]')" = "$generation" ] || fail 'a generation for nothing'

# -n says what would be done and does nothing. --paranoid reads all, and finds the same.
change "$tmp/web01.img" dry 7
cp -a "$dr" "$tmp/before"
run vmseed -n --home "$hq" resync --to "$dr" "$@"
diff -r "$tmp/before/replicas" "$dr/replicas" || fail 'a dry run changed a replica'
resync -v --paranoid "$@"
grep -q 'web01: 1 block differed; ' "$tmp/err" || fail "not one block: $(cat "$tmp/err")"
is 'vm["web01"]["fetched_blocks"] == 1 and vm["db01"]["result"] == "current"'
same web01 "$tmp/web01.img"

# Mistakes.
refuses 2 '--to|--from' vmseed --home "$hq" resync "$@"
refuses 2 'argument' vmseed --home "$hq" resync --to "$dr"
refuses 2 'both|--from' vmseed --home "$hq" resync --to "$dr" --from "$dr" "$@"
refuses 2 'no home at .*/nowhere' vmseed --home "$hq" resync --to "$tmp/nowhere" "$@"
refuses 2 'no home at .*web01.img' vmseed --home "$hq" resync --to "$tmp/web01.img" "$@"
mkdir "$tmp/folder"
refuses 2 '/folder. is no home of vmseed' vmseed --home "$hq" resync --to "$tmp/folder" "$@"
refuses 2 '/folder. is no home of vmseed' vmseed --home "$dr" resync -n --from "$tmp/folder" --all
[ -z "$(ls -A "$tmp/folder")" ] || fail 'something was written where no home is'
# What the other end does not serve: whether it knows the name, it does not say.
refuses 5 'typo.* is not a VM that hq serves' vmseed --home "$dr" resync --from "$hq" typo
refuses 2 'ftp' vmseed --home "$hq" resync --to ftp://host/ "$@"
