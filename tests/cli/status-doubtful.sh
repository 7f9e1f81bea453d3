#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# What status shows of a replica that is not simply right: a copy that promote refuses, a candidate, and a
# resync that is under way, which is not one that was interrupted.
. "${0%/*}/lib.sh"
. "$top/tests/support/resync.sh"
two_sites
make_disk "$tmp/web01.img" 8M 1
seed "web01=$tmp/web01.img"
yellow=$(printf '\033\\[[0-9;]*33m')
says 'web01 +seeded +1' vmseed --home "$dr" status
says '32m *seeded' vmseed --home "$dr" --color=always status

json=$(replica_folder web01)/replica.json
cp "$json" "$tmp/kept"
for captured in changed unproven; do
	sed 's/"captured": "[a-z]*"/"captured": "'$captured'"/' "$tmp/kept" >"$json"
	says "web01 +seeded \\($captured\\) +1" vmseed --home "$dr" status
	says "$yellow *seeded \\($captured\\)" vmseed --home "$dr" --color=always status
done
sed 's/"state": "seeded"/"state": "candidate"/' "$tmp/kept" >"$json"
says "$yellow *candidate" vmseed --home "$dr" --color=always status
cp "$tmp/kept" "$json"

# A link so slow that there is time to look.
# shellcheck disable=SC2046 # numbers
change "$tmp/web01.img" first $(seq 0 127)
link_through --stall-at 6000000 --dir out
vmseed --home "$hq" resync --retries 0 --to "$dest" "web01=$tmp/web01.img" >/dev/null 2>&1 &
sender=$!
tries=0
while [ "$(replica_of web01 'r["pending_bytes"]')" -lt 65536 ]; do
	tries=$((tries + 1))
	[ "$tries" -lt 100 ] || fail 'nothing arrives'
	sleep 0.2
done
says 'web01\..*a resync is under way' vmseed --home "$dr" status
[ "$(replica_of web01 'r["at_work"]')" = true ] || fail 'nobody is at work on it'
kill "$sender"
wait "$sender" || :
tries=0
while [ "$(replica_of web01 'r["at_work"]')" = true ]; do
	tries=$((tries + 1))
	[ "$tries" -lt 100 ] || fail 'the other end goes on'
	sleep 0.2
done
says 'web01\..*a resync was interrupted' vmseed --home "$dr" status
