#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# One medium with sets for two sites: each takes its own, says that there is another, and that
# is all done and no fault.
. "${0%/*}/lib.sh"
two_sites
third=$tmp/third caddy=$tmp/caddy
make_site "$third" third
exchange_cards "$hq" "$third"
make_medium "$caddy"
make_disk "$tmp/web01.img" 1M 1
make_disk "$tmp/db01.img" 1M 2
run vmseed --home "$hq" export --media "$caddy" --for dr "web01=$tmp/web01.img"
refuses 5 'sealed for another site' vmseed --home "$third" import --media "$caddy"
run vmseed --home "$hq" export --media "$caddy" --for third "db01=$tmp/db01.img"

says 'set [0-9a-f]+: sealed for another site' vmseed --home "$dr" import -n --media "$caddy"
says 'set [0-9a-f]+: sealed for another site' vmseed --home "$dr" import --media "$caddy"
run vmseed --home "$third" import --media "$caddy" db01
cmp "$tmp/web01.img" "$(replica_disk "$dr" web01 vda)"
cmp "$tmp/db01.img" "$(replica_disk "$third" db01 vda)"
[ "$(find "$dr" "$third" -name '*.raw' | wc -l)" = 2 ] || fail 'a VM of another site was imported'
run vmseed --home "$dr" verify --media "$caddy"

# A list that does not open is named once.
flip_byte "$(grep -l . "$caddy"/vmseed/*/seeds/*/list-0000-0001.sealed | head -n 1)" 100
flip_byte "$(grep -l . "$caddy"/vmseed/*/seeds/*/list-0000-0001.sealed | tail -n 1)" 100
rm -rf "$dr/replicas" "$dr/marks"
refuses 4 'disk vda: seeds/[0-9a-f]+/list-0000-0001.sealed: record' \
	vmseed --home "$dr" import --media "$caddy"
