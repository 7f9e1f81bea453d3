#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# SWITCHING OVER in vmseed-resync(1), typed in as it stands: over to dr, back to hq, and on; then once more
# by the names that the VM has by now. The same with the side that fetches.
. "${0%/*}/lib.sh"
. "$top/tests/support/resync.sh"
two_sites
make_disk "$tmp/web01.img" 1M 1
cat >"$tmp/web01.xml" <<END
<domain type='kvm'><name>web01</name><uuid>226f4d67-53d3-4e2c-9c7b-678a9cd3052f</uuid><devices>
<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='$tmp/web01.img'/>
<target dev='vda' bus='virtio'/></disk></devices></domain>
END
cd "$tmp"
seed web01.xml
written() { # HOME: the VM works on there
	count=$((${count:-0} + 1))
	change "$(replica_disk "$1" web01 vda)" work $count
}
equal() {
	cmp "$(replica_disk "$hq" web01 vda)" "$(replica_disk "$dr" web01 vda)"
}

sed -n '/^\.Sh SWITCHING OVER/,/^\.Ss After a disaster/s/^\(..# vmseed .*\)/\1/p' \
	"$top/man/vmseed-resync.1" >"$tmp/typed"
[ "$(wc -l <"$tmp/typed")" = 8 ] || fail "not eight commands: $(cat "$tmp/typed")"
while read -r prompt command arguments; do
	home=$hq
	[ "$prompt" = 'hq#' ] || home=$dr
	arguments=$(echo "$arguments" | sed "s,ssh://hq,$hq,; s,ssh://dr,$dr,")
	# shellcheck disable=SC2086 # arguments are words
	run "$command" --home "$home" $arguments
	case $prompt$arguments in
	*promote*) written "$home" ;;
	'dr#resync'*) equal ;;
	esac
done <"$tmp/typed"
equal
replica_is web01 current

# And again, with what the page says of the next time.
run vmseed --home "$hq" resync --to "$dr" --final web01
run vmseed --home "$dr" promote web01
written "$dr"
run vmseed --home "$hq" adopt web01
# hq calls this time, by name and for all that follows dr.
says '^web01 .* synced' vmseed --home "$hq" resync --from "$dr" web01
equal
written "$dr"
says '^web01 .* synced' vmseed --home "$hq" resync --from "$dr" --all
equal

# Before its first resync a candidate is one of all, too.
run vmseed --home "$dr" resync --to "$hq" --final web01
run vmseed --home "$hq" promote web01
written "$hq"
run vmseed --home "$dr" adopt web01
says '^web01 would be resynced, if site hq is at ' vmseed --home "$dr" resync -n --from "$hq" --all
says '^web01 .* synced' vmseed --home "$dr" resync --from "$hq" --all
equal
