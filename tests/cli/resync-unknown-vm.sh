#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# A VM that is mistyped, or that nobody took, is not known from then on: neither status nor --all names it.
. "${0%/*}/lib.sh"
. "$top/tests/support/resync.sh"
two_sites
make_disk "$tmp/web01.img" 1M 1
make_disk "$tmp/new.img" 1M 2
seed "web01=$tmp/web01.img"

sources() { # HOME
	vmseed --home "$1" status --json | json "' '.join(sorted(s['name'] for s in d['sources']))"
}

fails_with 1 'nosuch' vmseed --home "$hq" resync --to "$dr" "q=$tmp/nosuch.img"
[ "$(sources "$hq")" = web01 ] || fail "a mistyped VM is listed: $(sources "$hq")"
[ "$(find "$hq/vms" -mindepth 1 -maxdepth 1 | wc -l)" = 1 ] || fail 'a mistyped VM has a folder'
resync_fails 1 'no replica.*--seed-over-wire' "new=$tmp/new.img"
[ "$(sources "$hq")" = web01 ] || fail "a refused VM is listed: $(sources "$hq")"
resync --all
is '[v["name"] for v in d["vms"]] == ["web01"]'

# The site that has the replica sends what is none of its VMs.
web01=$(replica_of web01 'r["uuid"]')
cat >"$tmp/web01.xml" <<END
<domain type='kvm'><name>web01</name><uuid>$web01</uuid><devices>
<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='$tmp/new.img'/>
<target dev='vda' bus='virtio'/></disk></devices></domain>
END
fails_with 1 'replica' vmseed --home "$dr" resync --to "$hq" "$tmp/web01.xml"
[ -z "$(sources "$dr")" ] || fail "the replica's site lists a source: $(sources "$dr")"

# Nor does an export that could not read it.
try vmseed --home "$hq" export --media "$tmp/caddy" --for dr "q=$tmp/nosuch.img"
[ "$status" != 0 ] || fail 'a disk that is not there was exported'
[ "$(sources "$hq")" = web01 ] || fail "what was not exported is listed: $(sources "$hq")"

# Once it was taken it is one of them.
resync --seed-over-wire "new=$tmp/new.img"
[ "$(sources "$hq")" = 'new web01' ] || fail "after its seed: $(sources "$hq")"
same new "$tmp/new.img"
