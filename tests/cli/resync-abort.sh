#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# resync --abort: what arrived is thrown away and the old replica is all there is; not while a run
# is at it, and no harm where there is nothing.
. "${0%/*}/lib.sh"
. "$top/tests/support/resync.sh"
two_sites
make_disk "$tmp/web01.img" 16M 1
make_disk "$tmp/db01.img" 1M 2
vm=web01=$tmp/web01.img
seed "$vm" "db01=$tmp/db01.img"
cp "$tmp/web01.img" "$tmp/old"
# shellcheck disable=SC2046 # numbers
change "$tmp/web01.img" new $(seq 0 99)
truncate -s 20M "$tmp/web01.img"
folder=$(replica_folder web01)
find "$folder" -type f | sort >"$tmp/files"

link_through --cut-at 3000000 --dir out
fails_with 1 . vmseed --home "$hq" resync --retries 0 --to "$dest" "$vm"
no_link
[ -s "$folder/sync/journal" ] || fail 'nothing arrived'
says 'web01' vmseed --home "$dr" status

# A dry run says what would go, and nothing goes; it is the same in JSON.
contents() {
	(cd "$folder" && find . -type f -exec sha256sum {} + | sort)
}
contents >"$tmp/before"
blocks=$(python3 -c 'import sys
print(open(sys.argv[1], "rb").read().count(b"VSRE"))' "$folder/sync/journal")
says "^web01\..*: what had arrived would be thrown away: $blocks blocks, .*iB; .*generation 1\.$" \
	vmseed --home "$dr" -n resync --abort web01
run vmseed --home "$dr" -n --json resync --abort web01
json '[d["dry_run"]] + [[r["result"], r["blocks"]] for r in d["replicas"]]' <"$tmp/out" |
	grep -qxF "[true, [\"thrown-away\", $blocks]]" || fail "not that: $(cat "$tmp/out")"
contents | cmp - "$tmp/before" || fail 'a dry run changed something'

run vmseed --home "$dr" resync --abort web01
[ ! -e "$folder/sync" ] || fail 'sync/ is still there'
find "$folder" -type f | sort | cmp - "$tmp/files"
same web01 "$tmp/old"
run vmseed --home "$dr" verify --replica web01
resync "$vm"
is 'vm["web01"]["journal_blocks"] == 0 and vm["web01"]["fetched_blocks"] == 100'
same web01 "$tmp/web01.img"

# Nothing to throw away; two at once; no such replica; not together with a destination.
run vmseed --home "$dr" resync --abort web01 db01
says 'nothing had arrived' vmseed --home "$dr" -n resync --abort web01
refuses 2 'nosuch' vmseed --home "$dr" resync --abort nosuch
refuses 2 'no replicas here' vmseed --home "$hq" resync --abort web01
refuses 2 'abort' vmseed --home "$hq" resync --abort --to "$dr" "$vm"
refuses 2 '.' vmseed --home "$dr" resync --abort

# A journal that is none: refused, and the way on that is shown is one.
mkdir "$folder/sync"
head -c 500 /dev/zero | tr '\0' '?' >"$folder/sync/journal"
change "$tmp/web01.img" damaged 7
resync_fails 1 "not a journal.*'vmseed resync --abort ${folder##*/}'" "$vm"
run vmseed --home "$dr" resync --abort "${folder##*/}"
resync "$vm"
same web01 "$tmp/web01.img"

# While it runs.
cp "$tmp/web01.img" "$tmp/old"
# shellcheck disable=SC2046 # numbers
change "$tmp/web01.img" slow $(seq 0 99)
peer_is "$proxy" --rate 8e6 -- "$VMSEED" --home "$dr" serve
vmseed -q --home "$hq" resync --to "$dest" "$vm" >"$tmp/run-out" 2>"$tmp/run-err" &
runner=$!
tries=0
until [ -s "$folder/sync/journal" ]; do
	tries=$((tries + 1))
	[ $tries -lt 300 ] || fail 'nothing arrives'
	sleep 0.02
done
refuses 9 'web01.*(locked|another)' vmseed --home "$dr" resync --abort web01
wait "$runner" || fail "the run that was not aborted: $(cat "$tmp/run-err")"
no_link
same web01 "$tmp/web01.img"
