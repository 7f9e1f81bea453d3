#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Disks added, removed, grown and shrunk, to odd sizes and to nothing, and a VM that has another name
# now.
. "${0%/*}/lib.sh"
. "$top/tests/support/resync.sh"
two_sites
make_disk "$tmp/a.img" 4M 1
make_disk "$tmp/b.img" 2M 2
make_disk "$tmp/c.img" 1500000 3
uuid=5a0b9a52-7a5e-4c5e-9a53-1d2c0de1f007

definition() { # NAME FILE...
	name=$1
	shift
	echo "<domain type='kvm'><name>$name</name><uuid>$uuid</uuid><os><type>hvm</type></os><devices>"
	for letter in a b c d; do
		[ $# = 0 ] || [ "$1" = - ] ||
			echo "<disk type='file' device='disk'><source file='$1'/><target dev='vd$letter'/></disk>"
		[ $# = 0 ] || shift
	done
	echo '</devices></domain>'
}
vm() { # NAME FILE...
	definition "$@" >"$tmp/vm.xml"
}
replicas() {
	vmseed --home "$dr" status --json | json 'len(d["replicas"])'
}

vm web01 "$tmp/a.img" "$tmp/b.img"
seed "$tmp/vm.xml"
resync "$tmp/vm.xml"

# Added: another in between, too.
vm web01 "$tmp/a.img" "$tmp/c.img" - "$tmp/b.img"
resync "$tmp/vm.xml"
same web01 "$tmp/a.img" vda
same web01 "$tmp/c.img" vdb
same web01 "$tmp/b.img" vdd
# b.img's blocks were there already, as another disk's.
is 'vm["web01"]["fetched_blocks"] == 15 and vm["web01"]["local_blocks"] == 16'
run vmseed --home "$dr" verify --replica web01

# Removed: kept, and said.
folder=$(replica_folder web01)
before=$(find "$folder" -name '*.raw' | wc -l)
vm web01 "$tmp/a.img"
resync "$tmp/vm.xml"
grep -Eq 'vdb|vdd' "$tmp/err" || fail 'nothing is said about disks that are gone'
[ "$(find "$folder" -name '*.raw' | wc -l)" = "$before" ] || fail 'a removed disk was deleted'
[ "$(replica_of web01 '[x["slot"] for x in r["disks"]]')" = '["vda"]' ] || fail 'disks of status'
run vmseed --home "$dr" verify --replica web01
# And back again.
vm web01 "$tmp/a.img" - "$tmp/b.img"
resync "$tmp/vm.xml"
same web01 "$tmp/b.img" vdc
run vmseed --home "$dr" verify --replica web01

# Grown and shrunk, also within a block, with and without other changes.
for size in 4M 6M 6291457 4000001 4000000 65536 65535 1 0 512 3M; do
	truncate -s "$size" "$tmp/a.img"
	resync "$tmp/vm.xml"
	same web01 "$tmp/a.img" vda
	same web01 "$tmp/b.img" vdc
done
run vmseed --home "$dr" verify --replica web01
make_disk "$tmp/a.img" 5000000 7
resync "$tmp/vm.xml"
same web01 "$tmp/a.img" vda
run vmseed --home "$dr" verify --replica web01

# Another name: the same replica.
settle
generation=$(summary 'vm["web01"]["generation"]')
vm web02 "$tmp/a.img" - "$tmp/b.img"
change "$tmp/a.img" renamed 5
resync "$tmp/vm.xml"
is 'vm["web02"]["generation"] == '"$((generation + 1))"
is 'vm["web02"]["fetched_blocks"] == 1'
[ "$(replicas)" = 1 ] || fail 'a new name made a new replica'
same web02 "$tmp/a.img" vda

# NVRAM and the definition go with it.
head -c 3000 /dev/urandom >"$tmp/nvram"
sed -i "s|hvm</type>|&<nvram>$tmp/nvram</nvram>|" "$tmp/vm.xml"
resync "$tmp/vm.xml"
cmp "$tmp/nvram" "$(replica_folder web02)/nvram"
head -c 3000 /dev/urandom >"$tmp/nvram"
resync "$tmp/vm.xml"
is 'vm["web02"]["result"] == "synced" and vm["web02"]["fetched_blocks"] == 0'
cmp "$tmp/nvram" "$(replica_folder web02)/nvram"
