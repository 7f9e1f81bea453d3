#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# A disk that nobody wrote to is not read a second time; one that was written to is, and blocks that
# another medium lacks are.
. "${0%/*}/lib.sh"
two_sites
make_medium "$tmp/blue"
make_medium "$tmp/red"
make_disk "$tmp/web01.img" 8M 1
make_disk "$tmp/db01.img" 3000000 2
sleep 3		# a file that was written within the clock's step proves nothing

export_to() { # MEDIUM [OPTION...]: leaves the summary in $tmp/out
	medium=$1
	shift
	run vmseed --home "$hq" -q export --json --media "$tmp/$medium" "$@" "web01=$tmp/web01.img" \
		"db01=$tmp/db01.img"
}

summary() { # KEY
	json "d['$1']" <"$tmp/out"
}

export_to blue --for dr
[ "$(summary bytes_read)" = "$(summary data_bytes)" ] || fail 'the first export read less than all'
roots=$(json '[v["disks"][0]["root"] for v in d["vms"]]' <"$tmp/out")
stored=$(summary blocks_stored)

export_to blue --for dr
[ "$(summary bytes_read)" = 0 ] || fail "$(summary bytes_read) bytes of unchanged disks were read"
[ "$(summary blocks_stored)" = 0 ] || fail 'blocks were stored twice'
[ "$(summary blocks_held)" = "$stored" ] || fail 'not all blocks were found in the set'
[ "$(json '[v["disks"][0]["root"] for v in d["vms"]]' <"$tmp/out")" = "$roots" ] ||
	fail 'the roots changed though the disks did not'
[ "$(json '[v["generation"] for v in d["vms"]]' <"$tmp/out")" = '[2, 2]' ] ||
	fail 'a second export is not generation 2'

# Digests alone need no reading either; another medium, or another set, holds nothing yet.
export_to red --for dr --no-data
[ "$(summary bytes_read)" = 0 ] || fail 'an order form read the disks again'
export_to red --for dr
[ "$(summary blocks_stored)" = "$stored" ] || fail 'the second medium did not get all blocks'
export_to blue --plaintext
[ "$(summary blocks_stored)" = "$stored" ] || fail 'the plaintext set did not get all blocks'

# One block of one disk: all of that disk, nothing of the other, one block more on the medium.
printf changed | dd of="$tmp/web01.img" bs=1 seek=100000 conv=notrunc status=none
export_to blue --for dr
[ "$(json 'd["vms"][1]["disks"][0]["bytes_read"]' <"$tmp/out")" = 0 ] || fail 'db01 was read again'
[ "$(json 'd["vms"][0]["disks"][0]["bytes_read"]' <"$tmp/out")" -ge 4000000 ] ||
	fail 'web01 was not read again'
[ "$(summary blocks_stored)" = 1 ] || fail "$(summary blocks_stored) blocks stored for one change"

# Written with its times put back is still a write: the change of the inode shows it.
touch -r "$tmp/web01.img" "$tmp/times"
printf CHANGED | dd of="$tmp/web01.img" bs=1 seek=100000 conv=notrunc status=none
touch -r "$tmp/times" "$tmp/web01.img"
export_to blue --for dr
[ "$(summary blocks_stored)" = 1 ] || fail 'a write with its time put back was not noticed'

run vmseed --home "$dr" -q import --media "$tmp/blue"
for vm in web01 db01; do
	cmp "$tmp/$vm.img" "$(replica_disk "$dr" $vm vda)"
done

# A damaged list of a VM that is not part of the run is said, and no more.
export_to blue --for dr
other=$(find "$hq/vms" -name vda.list | head -n 1)
truncate -s 33 "$other"
case $(dirname "$other") in
*/$(json 'd["vms"][0]["uuid"]' <"$tmp/out")) vm=db01 ;;
*) vm=web01 ;;
esac
run vmseed --home "$hq" export --media "$tmp/blue" --for dr "$vm=$tmp/$vm.img"
grep -q 'warning: vms/.*vda.list: not compared' "$tmp/err" || fail 'a damaged list is not mentioned'
export_to blue --for dr

# Junk of the highest number among the commits is swept and uses up nothing.
commits=$(dirname "$(find "$tmp/red" -path '*/commits/00000001.json')")
echo '{}' >"$commits/99999999.json"
export_to red --for dr
export_to red --for dr
[ ! -e "$commits/99999999.json" ] || fail 'junk was left among the commits'
[ "$(summary commit)" -lt 10 ] || fail "commit $(summary commit) after a handful of exports"
