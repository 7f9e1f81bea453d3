#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# A newcomer's first import -n shows the plan and makes nothing, not even the store.
. "${0%/*}/lib.sh"

two_sites
make_medium "$tmp/caddy"
make_disk "$tmp/web01.img" 2M
run vmseed -q --home "$hq" export --media "$tmp/caddy" --for dr "web01=$tmp/web01.img"

fails_with 2 'no replicas here' vmseed --home "$dr" verify --replica web01
before=$(find "$dr" | sort)
run vmseed -q --home "$dr" import -n --media "$tmp/caddy"
grep -q 'web01 .*would be created' "$tmp/out" || fail "the plan does not name web01"
[ "$before" = "$(find "$dr" | sort)" ] || fail "a dry run changed the home"

run vmseed -q --home "$dr" import --media "$tmp/caddy"
run vmseed -q --home "$dr" import -n --media "$tmp/caddy"
grep -q 'web01 .*is here already' "$tmp/out" || fail "the second plan does not say that it is here"
