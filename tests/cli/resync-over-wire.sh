#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# A VM that no medium ever carried: refused, unless the whole of it is to cross the wire.
. "${0%/*}/lib.sh"
. "$top/tests/support/resync.sh"
two_sites
make_disk "$tmp/web01.img" 8M 1
make_disk "$tmp/data.img" 3000000 2
truncate -s 1M "$tmp/empty.img"
vm=web01=$tmp/web01.img,$tmp/data.img,$tmp/empty.img

resync_fails 1 'web01.*no replica.*--seed-over-wire' "$vm"
[ ! -d "$dr/replicas" ] || [ -z "$(ls -A "$dr/replicas")" ] || fail 'a refusal left something'

resync --seed-over-wire "$vm"
is 'vm["web01"]["result"] == "synced"'
# 8 of 16 blocks hold data.
is 'vm["web01"]["fetched_blocks"] == 64 + 24'
same web01 "$tmp/web01.img" vda
same web01 "$tmp/data.img" vdb
same web01 "$tmp/empty.img" vdc
replica_is web01 current
run vmseed --home "$dr" verify --replica web01
[ ! -e "$(replica_folder web01)/sync" ] || fail 'sync/ stayed behind'
# Holes are holes there too.
[ "$(du -k "$(replica_disk "$dr" web01 vdc)" | cut -f1)" -le 64 ] || fail 'zeroes were written'

settle
resync "$vm"
is 'vm["web01"]["result"] == "current"'
change "$tmp/data.img" new 5
resync "$vm"
is 'vm["web01"]["fetched_blocks"] == 1'
same web01 "$tmp/data.img" vdb

# A seed that begins over the wire and is cut goes on where it was, and is no replica until then.
make_disk "$tmp/db01.img" 16M 3
link_through --cut-at 2000000 --dir out
fails_with 1 'link|connection|ended|closed' vmseed --home "$hq" resync --retries 0 --to "$dest" \
	--seed-over-wire "db01=$tmp/db01.img"
no_link
vmseed --home "$dr" status --json >"$tmp/status"
[ "$(json "[r['state'] for r in d['replicas'] if r['name'] == 'db01']" <"$tmp/status")" = '["seeding"]' ] ||
	fail "after a cut: $(cat "$tmp/status")"
# What it was once told to do it finishes without being told again.
resync "db01=$tmp/db01.img"
is 'vm["db01"]["fetched_blocks"] < 120'
same db01 "$tmp/db01.img"
run vmseed --home "$dr" verify --replica db01
