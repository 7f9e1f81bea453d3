#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Two VMs of one name are told apart in status, by the names that other commands take.
. "${0%/*}/lib.sh"
. "$top/tests/support/resync.sh"
two_sites
for n in 1 2; do
	make_disk "$tmp/web$n.img" 1M $n
	cat >"$tmp/web$n.xml" <<END
<domain type='kvm'><name>web</name><uuid>${n}1111111-1111-4111-8111-111111111111</uuid><devices>
<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='$tmp/web$n.img'/>
<target dev='vda' bus='virtio'/></disk></devices></domain>
END
done
seed "$tmp/web1.xml"
says '^web +seeded' vmseed --home "$dr" status
says '^web +source' vmseed --home "$hq" status
seed "$tmp/web2.xml"
folders=$(vmseed --home "$dr" status --json | json "' '.join(r['folder'] for r in d['replicas'])")
[ "$(echo "$folders" | wc -w)" = 2 ] || fail "replicas: $folders"
for folder in $folders; do
	says "^$folder +seeded" vmseed --home "$dr" status
	says "^$folder +source" vmseed --home "$hq" status
	run vmseed --home "$dr" verify --replica "$folder"
	run vmseed --home "$hq" resync --to "$dr" "$folder"
	says "^$folder +at dr" vmseed --home "$hq" status
done
