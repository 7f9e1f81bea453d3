#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# --paranoid reads at both ends, whichever of them was called: rot under a stamp that still holds is
# found and mended, where a resync without it goes by the stamp.
. "${0%/*}/lib.sh"
. "$top/tests/support/resync.sh"
two_sites
make_disk "$tmp/web01.img" 8M 1
make_disk "$tmp/db01.img" 2M 2
set -- "web01=$tmp/web01.img" "db01=$tmp/db01.img"
seed "$@"

# Bytes change and nobody wrote: the stamp is that of the file as it is now.
rot() { # DISK STAMP OFFSET...
	rot_disk=$1 rot_stamp=$2
	shift 2
	[ -f "$rot_stamp" ] || fail "there is no stamp $rot_stamp"
	for at; do
		flip_byte "$rot_disk" "$at"
	done
	python3 - "$rot_disk" "$rot_stamp" <<'PYTHON'
import json, os, sys, time
disk, path = sys.argv[1:]
with open(path) as file:
    stamp = json.load(file)
os.utime(disk, ns=(time.time_ns(), int(stamp['mtime_ns'])))
st = os.stat(disk)
assert (str(st.st_ino), str(st.st_mtime_ns)) == (stamp['inode'], stamp['mtime_ns'])
# As if the hours since had passed: a stamp does not prove what it saw a moment ago.
stamp |= {'ctime_ns': str(st.st_ctime_ns), 'recorded': str(int(time.time()) + 10)}
with open(path, 'w') as file:
    json.dump(stamp, file)
PYTHON
}
rot_replica() { # VM OFFSET...
	rot_vm=$1
	shift
	rot "$(replica_disk "$dr" "$rot_vm" vda)" "$(replica_folder "$rot_vm")/vda.stamp" "$@"
}
rot_source() { # VM OFFSET...
	rot_vm=$1
	shift
	rot "$tmp/$rot_vm.img" "$(kept_of "$rot_vm")/vda.stamp" "$@"
}
kept_of() {
	dirname "$(grep -l "\"$1\"" "$hq"/vms/*/vm.json)"
}
pull() {
	summed vmseed --home "$dr" --json --progress=none resync --from "$hq" "$@"
}
results() { # WEB01 DB01
	is "vm['web01']['result'] == '$1' and vm['db01']['result'] == '$2'"
}

# A replica rots, and its VM stays as it is.
rot_replica web01 70000 200000 200001
resync "$@"
results current current
! cmp -s "$tmp/web01.img" "$(replica_disk "$dr" web01 vda)" || fail 'nothing has rotten'
resync --paranoid "$@"
results synced current
is 'vm["web01"]["fetched_blocks"] == 2 and vm["web01"]["generation"] == 1'
same web01 "$tmp/web01.img"
replica_is web01 current
says '0 blocks differ' vmseed --home "$dr" verify --replica web01
resync "$@"
results current current

# It rots, and its VM goes on elsewhere, and in a rotten block.
rot_replica web01 70000 3000000
change "$tmp/web01.img" new 1 100
resync --paranoid "$@"
results synced current
is 'vm["web01"]["changed_blocks"] == 3 and vm["web01"]["generation"] == 2'
same web01 "$tmp/web01.img"
says '0 blocks differ' vmseed --home "$dr" verify --replica web01

# What somebody wrote is not rot: refused as without it.
flip_byte "$(replica_disk "$dr" db01 vda)" 5
resync_fails 3 'db01.*written to' --paranoid "$@"
run vmseed --home "$dr" adopt --discard-changes db01
resync "$@"
results current synced
same db01 "$tmp/db01.img"
settle
resync "$@"

# Fetched: the replica is read, and the disk at the site that is asked.
rot_replica db01 100
pull --paranoid web01 db01
results current synced
same db01 "$tmp/db01.img"
settle
pull web01 db01
rot_source web01 400000
pull web01 db01
results current current
! cmp -s "$tmp/web01.img" "$(replica_disk "$dr" web01 vda)" || fail 'the disk is what it was'
pull --paranoid web01 db01
results synced current
is 'vm["web01"]["fetched_blocks"] == 1'
same web01 "$tmp/web01.img"
