#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Old seeds leave a medium with the packs that only they needed; what stays can be imported whole.
. "${0%/*}/lib.sh"

two_sites
caddy=$tmp/caddy
make_medium "$caddy"
make_disk "$tmp/a.img" 8M a1
make_disk "$tmp/b.img" 4M b
export_all() { run vmseed --home "$hq" export --media "$caddy" --for dr "a=$tmp/a.img" "b=$tmp/b.img"; }
packs() { find "$caddy" -name '*.pack' | wc -l; }

fails_with 7 'no set of this site' vmseed --home "$hq" media prune "$caddy"
export_all
says 'Nothing to prune' vmseed --home "$hq" media prune "$caddy"
make_disk "$tmp/a.img" 8M a2		# all of it is new; b stays, and needs the first pack
export_all
make_disk "$tmp/a.img" 8M a3
export_all
[ "$(packs)" = 3 ] || fail "$(packs) packs instead of 3"

# A dry run changes nothing.
before=$(find "$caddy" -type f -printf '%P %s\n' | sort)
says 'a +1 .* would go' vmseed --home "$hq" media prune -n "$caddy"
[ "$before" = "$(find "$caddy" -type f -printf '%P %s\n' | sort)" ] || fail "a dry run wrote"

# Two of each stay; then one. The first pack holds b, the third a as it is now.
says 'a +1 .* gone' vmseed --home "$hq" media prune --keep 2 "$caddy"
grep -Eq 'a +2 .* stays' "$tmp/out" || fail "the second generation does not stay"
[ "$(packs)" = 3 ] || fail "$(packs) packs instead of 3"
says '1 of 3 packs gone' vmseed --home "$hq" media prune "$caddy"
[ "$(packs)" = 2 ] || fail "$(packs) packs instead of 2"
[ ! -e "$caddy/vmseed/"*/packs/00000002.pack ] || fail "the pack of the second generation is still there"
run vmseed --home "$dr" verify --media "$caddy"
says 'Nothing to prune' vmseed --home "$hq" media prune "$caddy"

# The next generation takes no number that was used before.
make_disk "$tmp/a.img" 8M a4
export_all
vmseed --home "$hq" media prune "$caddy" >/dev/null
make_disk "$tmp/a.img" 8M a5
export_all
[ -e "$caddy/vmseed/"*/packs/00000005.pack ] || fail "a pack's number was used again"
run vmseed --home "$dr" import --media "$caddy"
cmp "$tmp/a.img" "$(replica_disk "$dr" a vda)"
cmp "$tmp/b.img" "$(replica_disk "$dr" b vda)"

# Only its exporter prunes a set; damage is named, and nothing goes.
fails_with 7 'no set of this site' vmseed --home "$dr" media prune "$caddy"
flip_byte "$(find "$caddy" -name '*.pack' | sort | head -n 1)" 100
export_all
before=$(find "$caddy" -type f -printf '%P %s\n' | sort)
truncate -s -1 "$(find "$caddy" -name '*.pack' | sort | tail -n 1)"
fails_with 4 'set .*pack' vmseed --home "$hq" media prune "$caddy"
[ "$(find "$caddy" -type f | wc -l)" = "$(echo "$before" | wc -l)" ] || fail "something of a damaged set went"
