#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# --final of a VM whose disk somebody has open for writing is refused, pushed and pulled, also where
# nothing has changed and no manifest would be signed: the VM is not handed over.
. "${0%/*}/lib.sh"
. "$top/tests/support/resync.sh"
two_sites
make_disk "$tmp/web01.img" 1M 1
vm=web01=$tmp/web01.img
seed "$vm"
resync "$vm"

exec 7<>"$tmp/web01.img"
resync_fails 8 'shut it down' --final "$vm"
refuses 8 'shut it down' vmseed --home "$dr" resync --final --from "$hq" web01
change "$tmp/web01.img" new 3
resync_fails 8 'shut it down' --final "$vm"
exec 7>&-
resync "$vm"
is 'vm["web01"]["result"] == "synced"'

resync --final "$vm"
resync_fails 6 'handed over|final|adopt' "$vm"
