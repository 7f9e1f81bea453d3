#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Many VMs with few descriptors: the soft limit is raised, and under a hard one the import takes
# them some at a time.
. "${0%/*}/lib.sh"
two_sites
make_medium "$tmp/caddy"
vms=
for i in $(seq 24); do
	head -c 200000 /dev/urandom >"$tmp/vm$i.img"
	vms="$vms vm$i=$tmp/vm$i.img"
done

(
	ulimit -Sn 40
	# shellcheck disable=SC2086 # words
	run vmseed --home "$hq" -q export --media "$tmp/caddy" --for dr $vms
)
(
	ulimit -n 84
	run vmseed --home "$dr" -q import --media "$tmp/caddy"
)
run vmseed --home "$dr" status --json
json '"\n".join(r["name"] + " " + d["path"] for r in d["replicas"] if r["state"] == "seeded"
	for d in r["disks"])' <"$tmp/out" >"$tmp/disks"
[ "$(wc -l <"$tmp/disks")" = 24 ] || fail "$(wc -l <"$tmp/disks") of 24 VMs are seeded"
while read -r name disk; do
	cmp "$tmp/$name.img" "$disk"
done <"$tmp/disks"
(
	ulimit -Sn 40
	run vmseed --home "$dr" -q verify --media "$tmp/caddy"
)
