#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# A run of many VMs by night: a name that is wrong is a failed line and does not stop the others;
# NAME.ID is a name like any other; -n says beforehand what would be done, also for a pull of all; and the
# last line does not sound as if all went well.
. "${0%/*}/lib.sh"
. "$top/tests/support/resync.sh"
two_sites
make_disk "$tmp/web01.img" 1M 1
make_disk "$tmp/db01.img" 1M 2
seed "web01=$tmp/web01.img" "db01=$tmp/db01.img"
push() { # ARG...
	vmseed --home "$hq" --progress=none resync --to "$dr" "$@"
}
pull() { # ARG...
	vmseed --home "$dr" --progress=none resync --from "$hq" "$@"
}

# ---- pushed
change "$tmp/web01.img" new 1
fails_with 3 '^nosuch .*no such file' push nosuch "web01=$tmp/web01.img"
grep -Eq '^web01 .* synced$' "$tmp/out" || fail 'the good one was not synced'
grep -q '^1 of 2 VMs up to date\. It took .* sent' "$tmp/out" || fail "no sum: $(cat "$tmp/out")"
same web01 "$tmp/web01.img"
change "$tmp/web01.img" more 2
resync_fails 3 '1 of 2 VMs.*first is "nosuch": no such file' nosuch "web01=$tmp/web01.img"
is 'vm["web01"]["result"] == "synced" and vm["nosuch"]["result"] == "failed"'
same web01 "$tmp/web01.img"
# None is good: nobody is called.
refuses 2 'resync: "nosuch": no such file' push nosuch
fails_with 2 'Nothing was sent, and nobody was called' push nosuch "$tmp/nofile.xml"
# ---- fetched
change "$tmp/web01.img" fetched 3
fails_with 3 '^nosuch .*not a VM that hq serves' pull nosuch web01
same web01 "$tmp/web01.img"
fails_with 3 'is no VM.s name' pull '' web01

# ---- NAME.ID, as two VMs of one name are told apart
id=$(basename "$(replica_folder web01)")
change "$tmp/web01.img" by-id 4
says '^web01 .* synced' pull "$id"
same web01 "$tmp/web01.img"
says '^web01 .* current' push "$id"
refuses 5 'web01\.00000000' pull web01.00000000
# Another VM that is called web01 as well.
make_disk "$tmp/twin.img" 1M 3
cat >"$tmp/twin.xml" <<END
<domain type='kvm'><name>web01</name><uuid>226f4d67-53d3-4e2c-9c7b-678a9cd3052f</uuid><devices>
<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='$tmp/twin.img'/>
<target dev='vda' bus='virtio'/></disk></devices></domain>
END
says 'web01 .* synced' push --seed-over-wire "$tmp/twin.xml"
refuses 2 'several VMs have that name' pull web01
change "$tmp/web01.img" twins 5
change "$tmp/twin.img" twins 6
says '^web01 .* synced' pull "$id"
twin=$(vmseed --home "$dr" status --json | json 'next(r["folder"] for r in d["replicas"]
	if r["uuid"].startswith("226f4d67"))')
cmp "$tmp/web01.img" "$dr/replicas/$id/vda.raw"
says '^web01 .* synced' pull "$twin"
cmp "$tmp/twin.img" "$dr/replicas/$twin/vda.raw"

# The same for whom an end serves.
peer_is "$VMSEED" --home "$hq" serve --vm "$id"
says '^web01' vmseed --home "$dr" resync --from ssh://peer "$id"
refuses 5 'not a VM that hq serves' vmseed --home "$dr" resync --from ssh://peer "$twin"
peer_is "$VMSEED" --home "$dr" serve --vm "$twin"
says '^web01' vmseed --home "$hq" resync --to ssh://peer "$tmp/twin.xml"
refuses 5 'not one that this end serves' vmseed --home "$hq" resync --to ssh://peer \
	"web01=$tmp/web01.img"
no_link

# ---- what would be done
says '^db01 would be resynced, if site hq is at .*/hq": that is whom it follows\.$' pull -n --all
[ "$(grep -c '^web01 would be resynced' "$tmp/out")" = 2 ] || fail "not all: $(cat "$tmp/out")"
says '"result": "waiting"' vmseed --home "$dr" --json resync -n --from "$hq" --all
fails_with 3 '^nosuch would be left out: ' push -n "db01=$tmp/db01.img" nosuch
grep -q '^db01 would be resynced' "$tmp/out" || fail 'the good one is not shown'
refuses 2 'no replica here that follows' vmseed --home "$hq" resync -n --from "$dr" --all
run vmseed --home "$dr" promote db01
says '^web01' pull -n --all
! grep -q '^db01' "$tmp/out" || fail 'a promoted replica would be fetched'
