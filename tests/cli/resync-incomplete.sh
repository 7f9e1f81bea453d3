#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# A replica that lacks blocks since a damaged pack: a resync brings just these, and what changed
# since.
. "${0%/*}/lib.sh"
. "$top/tests/support/resync.sh"
two_sites
caddy=$tmp/caddy
make_medium "$caddy"
make_disk "$tmp/web01.img" 8M 1
make_disk "$tmp/db01.img" 2M 2
set -- "web01=$tmp/web01.img" "db01=$tmp/db01.img"
run vmseed -q --home "$hq" export --media "$caddy" --for dr "$@"
pack=$(find "$caddy" -name '*.pack')
flip_byte "$pack" $(($(wc -c <"$pack") / 2))
settle

damaged_import() {
	rm -rf "$dr/replicas" "$dr/marks"
	try vmseed -q --home "$dr" import --media "$caddy"
	[ "$status" = 3 ] || fail "import of a damaged pack: exit $status"
	missing=$(vmseed --home "$dr" status --json |
		json 'sum(x["missing_blocks"] for r in d["replicas"] for x in r["disks"])')
	[ "$missing" -gt 0 ] || fail 'nothing is missing'
}

# The same seed: written into place.
damaged_import
resync "$@"
is 'sum(v["fetched_blocks"] + v["local_blocks"] for v in d["vms"]) == '"$missing"
is 'all(v["result"] in ("synced", "current") and v["generation"] == 1 for v in d["vms"])'
same web01 "$tmp/web01.img"
same db01 "$tmp/db01.img"
replica_is web01 current
run vmseed --home "$dr" status --check
run vmseed --home "$dr" verify --replica web01
run vmseed --home "$dr" verify --replica db01

# What was missing is not known any more: that costs reading, and no word at the other end.
damaged_import
for list in "$dr"/replicas/*/*.missing; do
	flip_byte "$list" 3
done
resync "$@"
is 'd["bytes_sent"] < 1500000'
same web01 "$tmp/web01.img"
same db01 "$tmp/db01.img"
replica_is web01 current
run vmseed --home "$dr" verify --replica web01

# Cut while it comes: what came stays, nothing is sent twice.
damaged_import
link_through --cut-at 120000 --dir out
try vmseed --home "$hq" resync --retries 0 --to "$dest" "$@"
[ "$status" != 0 ] || fail 'not cut'
no_link
left=$(vmseed --home "$dr" status --json |
	json 'sum(x["missing_blocks"] for r in d["replicas"] for x in r["disks"])')
resync "$@"
is 'sum(v["fetched_blocks"] + v["local_blocks"] for v in d["vms"]) <= '"$left"
same web01 "$tmp/web01.img"
same db01 "$tmp/db01.img"
run vmseed --home "$dr" verify --replica web01
run vmseed --home "$dr" verify --replica db01

# The source has moved on: what is missing and what is new, in one.
damaged_import
change "$tmp/web01.img" new 2 77
change "$tmp/db01.img" new 30
resync "$@"
is 'all(v["result"] == "synced" and v["generation"] == 2 for v in d["vms"])'
is 'sum(v["fetched_blocks"] for v in d["vms"]) <= 3 + '"$missing"
same web01 "$tmp/web01.img"
same db01 "$tmp/db01.img"
replica_is db01 current
run vmseed --home "$dr" verify --replica web01
run vmseed --home "$dr" verify --replica db01
run vmseed --home "$dr" status --check
