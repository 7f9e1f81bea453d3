#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# --window: only then; outside it nothing begins, and at its end a run stops in good order and goes
# on another time with what had arrived.
. "${0%/*}/lib.sh"
. "$top/tests/support/resync.sh"
two_sites
make_disk "$tmp/web01.img" 16M 1
vm=web01=$tmp/web01.img
seed "$vm"
change "$tmp/web01.img" one 1
at() { # SECONDS from now: HH:MM
	date -d "@$(($(date +%s) + $1))" +%H:%M
}

# Open now, also over midnight.
resync --window "$(at -3600)-$(at 3600)" "$vm"
is 'vm["web01"]["result"] == "synced"'
same web01 "$tmp/web01.img"
change "$tmp/web01.img" two 1
resync --window "$(at 7200)-$(at 3600)" "$vm"
same web01 "$tmp/web01.img"

# Not open: nothing is begun, by waiting or by saying so.
cp "$tmp/web01.img" "$tmp/old"
change "$tmp/web01.img" three 1
peer_is /usr/bin/touch "$tmp/ran"
status=0
timeout 3 vmseed --home "$hq" resync --window "$(at 7200)-$(at 10800)" --to "$dest" "$vm" \
	>"$tmp/out" 2>"$tmp/err" || status=$?
[ $status != 0 ] || fail 'a run outside its window is done'
[ ! -e "$tmp/ran" ] || fail 'a connection was made outside the window'
grep -q 'window' "$tmp/err" || fail "no word of the window: $(cat "$tmp/err")"
no_link
same web01 "$tmp/old"

for window in 'x' '12:00' '24:00-25:00' '12:60-13:00' '12:00-12:00' '12:00-13:00-14:00' '-12:00' ''; do
	refuses 2 'window' vmseed --home "$hq" resync --window "$window" --to "$dr" "$vm"
done

# It closes while blocks flow. Slow enough not to be done by then, whenever the minute began.
# shellcheck disable=SC2046 # numbers
change "$tmp/web01.img" four $(seq 0 255)
[ "$(date +%S)" -lt 55 ] || sleep 6
status=0
timeout 150 vmseed --home "$hq" --json --progress=none resync --bwlimit 150K \
	--window "$(at -60)-$(at 60)" --to "$dr" "$vm" >"$tmp/out" 2>"$tmp/err" || status=$?
case $status in
1|3) ;;
*) fail "at the end of the window: exit $status: $(cat "$tmp/err")" ;;
esac
grep -q 'window' "$tmp/err" "$tmp/out" || fail "no word of the window: $(cat "$tmp/err")"
same web01 "$tmp/old"
resync "$vm"
is 'vm["web01"]["journal_blocks"] > 0'
same web01 "$tmp/web01.img"
