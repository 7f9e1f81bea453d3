#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# A second trip adds to packs that nobody has looked at since; --reverify looks at them first.
. "${0%/*}/lib.sh"

two_sites
caddy=$tmp/caddy
make_medium "$caddy"
make_disk "$tmp/a.img" 8M a1
to_caddy() {
	vmseed --home "$hq" export --media "$caddy" --for dr "$@" "a=$tmp/a.img"
}
run to_caddy
! grep -q 'earlier runs' "$tmp/out" || fail "a first run has no earlier ones"
make_disk "$tmp/a.img" 8M a2
says "earlier runs were last read on $(date +%Y-%m-%d)" to_caddy

# What nobody knows, nobody makes up: a home that remembers an older day says so.
record=$(echo "$hq"/sets/*.json)
sed -i 's/"last_full_read": *[0-9]*/"last_full_read": 86400/' "$record"
says 'earlier runs were last read on 1970-01-0[12]' to_caddy
says "earlier runs were last read on $(date +%Y-%m-%d)" to_caddy --reverify
says "earlier runs were last read on $(date +%Y-%m-%d)" to_caddy

# A pack that has rotten is met before anything is added, and not without --reverify.
flip_byte "$caddy/vmseed/"*/packs/00000001.pack 5000
before=$(find "$caddy" -type f | sort)
make_disk "$tmp/a.img" 8M a3
refuses 4 'medium .*packs/00000001.pack' to_caddy --reverify
[ "$before" = "$(find "$caddy" -type f | sort)" ] || fail "something was added to a damaged set"
run to_caddy
