#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# One writer to a medium, and one to a replica: the second run says who is at it (exit 9), and both
# are right afterwards.
. "${0%/*}/lib.sh"
two_sites
caddy=$tmp/caddy
make_medium "$caddy"
make_disk "$tmp/web01.img" 2M 1
make_disk "$tmp/db01.img" 2M 2
run vmseed -q --home "$hq" export --media "$caddy" --for dr "web01=$tmp/web01.img"

# Somebody holds the medium.
flock -o "$caddy/vmseed" sh -c 'echo $$ >"$1/pid"; sleep 60 & echo $! >"$1/sleep"; wait' - "$tmp" &
tries=0
until [ -s "$tmp/sleep" ]; do
	tries=$((tries + 1))
	[ $tries -lt 100 ] || fail 'flock does not come up'
	sleep 0.1
done
refuses 9 'medium .* is locked by .?flock.? \(pid [0-9]+\)' vmseed -q --home "$hq" export \
	--media "$caddy" --for dr "db01=$tmp/db01.img"
[ "$(wc -l <"$tmp/err")" = 1 ] || fail 'not one line of error'
run vmseed -q --home "$dr" verify --media "$caddy"
kill "$(cat "$tmp/sleep")"
wait
run vmseed -q --home "$hq" export --media "$caddy" --for dr "db01=$tmp/db01.img"

# Many at once: each is done or says 9, nothing else, and what there is afterwards is sound.
many() { # COMMAND-WITH-$i...
	rm -f "$tmp"/many-*
	for i in 1 2 3 4 5 6; do
		(
			status=0
			sh -c "$1" - "$i" >"$tmp/many-out-$i" 2>&1 || status=$?
			echo "$status" >"$tmp/many-$i"
		) &
	done
	wait
	if cat "$tmp"/many-[0-9] | grep -Ev "^($2)$"; then
		cat "$tmp"/many-out-* >&2
		fail "exit statuses of many at once: $(cat "$tmp"/many-[0-9] | tr '\n' ' ')"
	fi
}
export hq dr caddy tmp
many 'vmseed -q --home "$hq" export --media "$caddy" --for dr "vm$1=$tmp/web01.img"' '0|9'
grep -qx 0 "$tmp"/many-[0-9] || fail 'none of many exports came through'
run vmseed -q --home "$dr" verify --media "$caddy"
# A replica is held by whoever is at it; each run may have got another one.
many 'vmseed -q --home "$dr" import --media "$caddy"' '0|3|8|9'
run vmseed -q --home "$dr" import --media "$caddy"
cmp "$tmp/web01.img" "$(replica_disk "$dr" web01 vda)"
cmp "$tmp/db01.img" "$(replica_disk "$dr" db01 vda)"
run vmseed -q --home "$dr" status --check
for vm in $(vmseed --home "$dr" status --json | json '" ".join(r["name"] for r in d["replicas"])'); do
	run vmseed -q --home "$dr" verify --replica "$vm"
done
