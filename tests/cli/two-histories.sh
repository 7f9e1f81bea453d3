#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# An exporter that forgot: its home was restored, or lost what it keeps of its VMs. Two seeds
# of one number, or of two histories, are never chosen from by chance.
. "${0%/*}/lib.sh"
two_sites
caddy=$tmp/caddy other=$tmp/other
make_medium "$caddy"
make_medium "$other"
make_disk "$tmp/web01.img" 2M 1
make_disk "$tmp/db01.img" 1M 2

export_to() { # MEDIUM
	run vmseed --home "$hq" export --media "$1" --for dr "web01=$tmp/web01.img"
}

export_to "$caddy"
cp -a "$hq" "$tmp/backup"
run vmseed --home "$hq" export --media "$caddy" --for dr "web01=$tmp/web01.img" "db01=$tmp/db01.img"

# The home of the day before signs generation 2 again, over another content.
rm -rf "$hq"
cp -a "$tmp/backup" "$hq"
flip_byte "$tmp/web01.img" 70000
export_to "$other"
fails_with 3 'web01 .* two seeds of generation 2 with different content' \
	vmseed --home "$dr" import --media "$caddy" --media "$other"
fails_with 3 'web01 .* two seeds of generation 2' \
	vmseed --home "$dr" import --media "$other" --media "$caddy"
refuses 6 'two seeds of generation 2' \
	vmseed --home "$dr" import --media "$other" --media "$caddy" web01
cmp "$tmp/db01.img" "$(replica_disk "$dr" db01 vda)"
[ "$(find "$dr" -name '*.raw' | wc -l)" = 1 ] || fail 'one of the two was imported'

# One more export settles it, whichever medium it is on.
flip_byte "$tmp/web01.img" 140000
export_to "$other"
run vmseed --home "$dr" import --media "$caddy" --media "$other"
cmp "$tmp/web01.img" "$(replica_disk "$dr" web01 vda)"

# Without its memory of the VM the home begins a new history, at 1.
rm -rf "$hq/vms" "$dr/replicas" "$dr/marks"
export_to "$other"
refuses 6 'two histories that have parted, one at generation [123] and one at [123]' \
	vmseed --home "$dr" import --media "$other"
[ -z "$(find "$dr" -name '*.raw')" ] || fail 'one of the two was imported'
