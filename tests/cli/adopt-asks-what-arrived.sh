#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Three ways to lose a VM's work between two sites, and how each is stopped: a reading that reached nobody
# is no sync; what a last resync gave away is not taken back by chance; and a candidate follows the
# site that it was adopted for and no other.
. "${0%/*}/lib.sh"
. "$top/tests/support/resync.sh"
two_sites
make_disk "$tmp/web01.img" 2M 1
vm=web01=$tmp/web01.img
seed "$vm"
run vmseed --home "$dr" promote web01

# dr goes on; hq writes, and its nightly resync is refused. What it wrote is nowhere else.
change "$tmp/web01.img" lost 3 4 5
resync_fails 6 'promoted' "$vm"
resync_fails 6 'promoted' "$vm"
cp "$tmp/web01.img" "$tmp/kept"
refuses 6 'discard-changes' vmseed --home "$hq" adopt -n "$vm"
refuses 6 'discard-changes' vmseed --home "$hq" adopt --in-place "$vm"
cmp "$tmp/kept" "$tmp/web01.img"
[ -z "$(vmseed --home "$hq" status --json | json '"".join(r["state"] for r in d["replicas"])')" ] ||
	fail 'a candidate was made all the same'

# A third site, trusted for its own VMs, with a fork that it made up.
xx=$tmp/xx
make_site "$xx" xx
exchange_cards "$hq" "$xx"
refuses 2 '--follow' vmseed --home "$hq" adopt --discard-changes "$vm"
run vmseed --home "$hq" adopt --discard-changes --follow dr "$vm"
uuid=$(vmseed --home "$hq" status --json | json 'd["replicas"][0]["uuid"]')
make_disk "$tmp/other.img" 2M 9
cat >"$tmp/other.xml" <<END
<domain type='kvm'><name>web01</name><uuid>$uuid</uuid><devices>
<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='$tmp/other.img'/>
<target dev='vda' bus='virtio'/></disk></devices></domain>
END
mkdir "$tmp/stick"
run vmseed --home "$xx" media prepare "$tmp/stick" --allow-internal
run vmseed -q --home "$xx" export --media "$tmp/stick" --plaintext "$tmp/other.xml"
python3 - "$xx/vms/$uuid/vm.json" "$hq/vms/$uuid/vm.json" "$(vmseed --home "$xx" key list --json |
	json 'next(k["site"] for k in d["sites"] if k["name"] == "xx")')" <<'END'
import json, sys
own, theirs = (json.load(open(path)) for path in sys.argv[1:3])
first = theirs['lineage'][0]
own['origin'] = first['writer']
own['lineage'] = [first, {'id': 'ab' * 16, 'writer': sys.argv[3], 'forked_from': {
    'id': first['id'], 'generation': theirs['generation']}}]
own['generation'] = theirs['generation']
json.dump(own, open(sys.argv[1], 'w'))
END
refuses 5 'adopted at hq to follow another site than xx' vmseed --home "$xx" resync --to "$hq" \
	"$tmp/other.xml"

# dr may, and what hq gave up is replaced.
run vmseed --home "$dr" resync --to "$hq" web01
cmp "$(replica_disk "$hq" web01 vda)" "$(replica_disk "$dr" web01 vda)"

# A last resync the other way: whoever got it goes on, and promote does not take it back by chance.
run vmseed --home "$dr" resync --final --to "$hq" web01
run vmseed --home "$hq" promote web01
refuses 6 'last resync.*adopt' vmseed --home "$dr" promote web01
refuses 6 'handed over' vmseed --home "$dr" resync --to "$hq" web01
run vmseed --home "$dr" adopt --follow hq web01
run vmseed --home "$hq" resync --to "$dr" web01
cmp "$(replica_disk "$hq" web01 vda)" "$(replica_disk "$dr" web01 vda)"

# What lies on a medium that nobody acknowledged is not known to have arrived, and is given up in so
# many words alone.
make_disk "$tmp/m3.img" 2M 7
m3=m3=$tmp/m3.img
seed "$m3"
change "$tmp/m3.img" first 2
resync "$m3"
run vmseed --home "$dr" promote m3
change "$tmp/m3.img" later 3 4 5
mkdir "$tmp/drawer"
run vmseed --home "$hq" media prepare "$tmp/drawer" --allow-internal
run vmseed -q --home "$hq" export --media "$tmp/drawer" --for dr "$m3"
for n in '' -n; do
	refuses 6 'not known to have arrived: .* acknowledged is generation 2 of 3' \
		vmseed --home "$hq" adopt $n --follow dr "$m3"
done
cp -a "$hq" "$tmp/hq.then"
says 'signed of it .* given up: generation 3' \
	vmseed --home "$hq" adopt --follow dr --discard-changes "$m3"
grep -q 'exported after generation 2' "$tmp/out" || fail 'what is given up is not said'
tail -n 1 "$hq/history.chain" | grep -q '"discard": *true' || fail 'it is not in the history'

# Nobody acknowledged anything: it cannot be known here. Split brain then, and only
# --discard-changes lets the other history replace it, in words and in the signed history.
rm -rf "$hq"
cp -a "$tmp/hq.then" "$hq"
rm -rf "$(grep -l '"m3"' "$hq"/vms/*/vm.json | xargs dirname)/receipts"
says 'No receipt says whether' vmseed --home "$hq" adopt --follow dr "$m3"
change "$(replica_disk "$dr" m3 vda)" there 9
cp "$(replica_disk "$hq" m3 vda)" "$tmp/m3.then"
refuses 6 'split brain' vmseed --home "$dr" resync --to "$hq" m3
run vmseed --home "$hq" adopt "$m3"
refuses 6 'split brain' vmseed --home "$dr" resync --to "$hq" m3
cmp "$tmp/m3.then" "$(replica_disk "$hq" m3 vda)"
tail -n 1 "$hq/history.chain" | grep -q '"discard": *false' || fail 'nobody gave anything up yet'
says 'signed of it .* given up' vmseed --home "$hq" adopt --discard-changes m3
tail -n 1 "$hq/history.chain" | grep -q '"discard": *true' || fail 'it is not in the history'
run vmseed --home "$dr" resync --to "$hq" m3
cmp "$(replica_disk "$hq" m3 vda)" "$(replica_disk "$dr" m3 vda)"
