#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Who may touch web01 alone does not reach db01 by calling it web01: a scope, and serve --vm, look at the
# name that the replica has here as well.
. "${0%/*}/lib.sh"
. "$top/tests/support/resync.sh"
two_sites
make_disk "$tmp/web01.img" 1M 1
make_disk "$tmp/db01.img" 1M 2
seed "web01=$tmp/web01.img" "db01=$tmp/db01.img"
cp "$(replica_disk "$dr" db01 vda)" "$tmp/db01.old"
db01=$(replica_of db01 'r["uuid"]')
cat >"$tmp/liar.xml" <<END
<domain type='kvm'><name>web01</name><uuid>$db01</uuid><devices>
<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='$tmp/web01.img'/>
<target dev='vda' bus='virtio'/></disk></devices></domain>
END

peer_is "$VMSEED" --home "$dr" serve --peer hq --vm web01
fails_with 5 'db01.*not one that this end serves' vmseed --home "$hq" resync --to "$dest" "$tmp/liar.xml"
cmp "$tmp/db01.old" "$(replica_disk "$dr" db01 vda)"
replica_is db01 seeded
change "$tmp/web01.img" own 1
resync "web01=$tmp/web01.img"
same web01 "$tmp/web01.img"
no_link

# The same by the scope of a card.
vmseed -q --home "$hq" key card >"$tmp/card"
print=$(vmseed --home "$hq" key card --json | json 'd["fingerprint"]')
run vmseed --home "$dr" key trust "$tmp/card" --fingerprint "$print" --scope web01
fails_with 5 'db01.*scope' vmseed --home "$hq" resync --to "$dr" "$tmp/liar.xml"
cmp "$tmp/db01.old" "$(replica_disk "$dr" db01 vda)"
