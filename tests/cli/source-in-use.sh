#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# A disk that a running QEMU holds is not exported, and the holder is named; one that it reads
# only, or has let go, is.
. "${0%/*}/lib.sh"
requires qemu-io --version
two_sites
caddy=$tmp/caddy
make_medium "$caddy"
make_disk "$tmp/web01.img" 2M 1
make_disk "$tmp/db01.img" 2M 2

# Holds until its stdin closes.
mkfifo "$tmp/commands"
hold() { # OPTION...
	qemu-io -f raw "$@" "$tmp/web01.img" <"$tmp/commands" >"$tmp/qemu" 2>&1 &
	holder=$!
	exec 9>"$tmp/commands"
	echo 'read 0 512' >&9
	tries=0
	until grep -q 'read 512/512' "$tmp/qemu"; do
		tries=$((tries + 1))
		[ $tries -lt 200 ] || fail "qemu-io does not come up: $(cat "$tmp/qemu")"
		sleep 0.1
	done
}
let_go() {
	exec 9>&-
	wait "$holder" || true
}

hold
refuses 8 "web01.img: in use by .?qemu-io.? \(pid $holder\)" \
	vmseed --home "$hq" export --media "$caddy" --for dr "web01=$tmp/web01.img"
refuses 3 '1 of 2 VMs' vmseed -q --home "$hq" export --media "$caddy" --for dr \
	"web01=$tmp/web01.img" "db01=$tmp/db01.img"
grep -q "in use by .*qemu-io.*pid $holder" "$tmp/out" || fail 'the verdict does not name the holder'
refuses 8 'in use' vmseed --home "$hq" export -n --media "$caddy" --for dr "web01=$tmp/web01.img"
let_go
run vmseed -q --home "$hq" export --media "$caddy" --for dr "web01=$tmp/web01.img"
hold -r
run vmseed -q --home "$hq" export --media "$caddy" --for dr "web01=$tmp/web01.img"
let_go

run vmseed -q --home "$dr" import --media "$caddy"
cmp "$tmp/web01.img" "$(replica_disk "$dr" web01 vda)"

# Somebody who has it open for writing without a lock: exported, and said.
exec 8>>"$tmp/web01.img"
says 'web01 could not be held' vmseed -q --home "$hq" export --media "$caddy" --for dr \
	"web01=$tmp/web01.img"
grep -q unproven "$tmp/out" || fail 'not recorded as unproven'
exec 8>&-
