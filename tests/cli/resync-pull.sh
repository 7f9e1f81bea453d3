#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The destination fetches: the same exchange with the ends changed over, over a folder and ssh.
. "${0%/*}/lib.sh"
. "$top/tests/support/sshd.sh"
. "$top/tests/support/resync.sh"
sshd_requires
two_sites
make_disk "$tmp/web01.img" 8M 1
make_disk "$tmp/db01.img" 2M 2
seed "web01=$tmp/web01.img" "db01=$tmp/db01.img"

pull() {
	summed vmseed --home "$dr" --json --progress=none resync --from "$@"
}

pull "$hq" web01 db01
is '[v["result"] for v in d["vms"]] == ["current", "current"]'
change "$tmp/web01.img" new 1 2 70
pull "$hq" web01
is 'vm["web01"]["result"] == "synced" and vm["web01"]["fetched_blocks"] == 3'
same web01 "$tmp/web01.img"
# All that the destination holds of that site.
change "$tmp/web01.img" all 9
change "$tmp/db01.img" all 10
pull "$hq" --all
is 'len(d["vms"]) == 2 and all(v["result"] == "synced" for v in d["vms"])'
same web01 "$tmp/web01.img"
same db01 "$tmp/db01.img"

# Over ssh, where the source site lets dr have web01 and nothing else.
sshd_start
export VMSEED_SSH="$ssh_program"
sshd_allow "vmseed --home $hq serve --peer dr --vm web01"
change "$tmp/web01.img" ssh 3
change "$tmp/db01.img" ssh 3
cp "$(replica_disk "$dr" db01 vda)" "$tmp/db01.old"
pull "ssh://$ssh_to" web01
same web01 "$tmp/web01.img"
refuses 5 'db01' vmseed --home "$dr" resync --from "ssh://$ssh_to" db01
same db01 "$tmp/db01.old"
fails_with 3 'db01' vmseed --home "$dr" resync --from "ssh://$ssh_to" --all
refuses 5 'nosuch.*not a VM that hq serves' vmseed --home "$dr" resync --from "ssh://$ssh_to" nosuch
run vmseed --home "$dr" verify --replica web01
run vmseed --home "$dr" verify --replica db01

# Whoever asks must be the site that the manifests are for.
make_site "$tmp/third" third
exchange_cards "$tmp/third" "$hq"
try vmseed --home "$tmp/third" resync --from "$hq" web01
[ "$status" != 0 ] || fail 'another site was given a disk without its wanting a replica'
[ ! -e "$tmp/third/replicas" ] || [ -z "$(ls -A "$tmp/third/replicas")" ] ||
	fail 'another site has a replica now'
