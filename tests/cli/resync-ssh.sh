#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Over a real sshd whose forced command serves one VM for one site: that works, and nothing else
# does.
. "${0%/*}/lib.sh"
. "$top/tests/support/sshd.sh"
. "$top/tests/support/resync.sh"
sshd_requires
two_sites
make_disk "$tmp/web01.img" 8M 1
make_disk "$tmp/db01.img" 2M 2
seed "web01=$tmp/web01.img" "db01=$tmp/db01.img"
sshd_start
dest=ssh://$ssh_to
ssh_options >"$tmp/options"
set --
while read -r option; do
	set -- "$@" --ssh-option "$option"
done <"$tmp/options"

sshd_allow "vmseed --home $dr serve --peer hq --vm web01"
change "$tmp/web01.img" new 1 70
resync "$@" "web01=$tmp/web01.img"
is 'vm["web01"]["result"] == "synced" and vm["web01"]["fetched_blocks"] == 2'
same web01 "$tmp/web01.img"

# The home in the URL does not matter to a forced command.
mkdir "$tmp/other"
change "$tmp/web01.img" url 2
dest=ssh://$ssh_to$tmp/other
resync "$@" "web01=$tmp/web01.img"
dest=ssh://$ssh_to
same web01 "$tmp/web01.img"
[ -z "$(ls -A "$tmp/other")" ] || fail 'a URL led a forced command elsewhere'

# Another VM, on its own and among others.
change "$tmp/db01.img" new 3
change "$tmp/web01.img" both 4
cp "$(replica_disk "$dr" db01 vda)" "$tmp/db01.old"
resync_fails 5 'db01' "$@" "db01=$tmp/db01.img"
same db01 "$tmp/db01.old"
resync_fails 3 '1 of 2 VMs are not up to date.*db01' "$@" "db01=$tmp/db01.img" "web01=$tmp/web01.img"
is 'vm["db01"]["result"] == "failed" and vm["web01"]["result"] == "synced"'
same web01 "$tmp/web01.img"
same db01 "$tmp/db01.old"

# Another site that dr trusts as well, with the same ssh key.
make_site "$tmp/third" third
exchange_cards "$tmp/third" "$dr"
refuses 5 'third|peer|trust' vmseed --home "$tmp/third" resync --to "$dest" "$@" "web01=$tmp/web01.img"
same web01 "$tmp/web01.img"
# And one that it does not know at all.
make_site "$tmp/stranger" stranger
refuses 5 'trust' vmseed --home "$tmp/stranger" resync --to "$dest" "$@" "web01=$tmp/web01.img"

# What else a shell would do, or an older program would ask for.
for command in true 'touch /var/tmp/vmseed-forced' 'vmseed status' \
	"vmseed --home $dr serve --vm db01" 'scp -t /' ''; do
	status=0
	"$ssh_program" -p "$ssh_port" 127.0.0.1 "$command" </dev/null >"$tmp/out" 2>"$tmp/err" ||
		status=$?
	[ "$status" != 0 ] || fail "a forced command let through: $command"
	[ ! -e /var/tmp/vmseed-forced ] || fail 'a shell command was run'
done

# A key for anything: the far end's own program, with the home that the URL names.
sshd_allow
dest=ssh://$ssh_to$dr
resync "$@" --remote-program "$VMSEED" "db01=$tmp/db01.img"
is 'vm["db01"]["result"] == "synced"'
same db01 "$tmp/db01.img"
# vmseed is found by the far shell; ssh's port, user and address stand in the URL.
change "$tmp/db01.img" path 5
resync "$@" "db01=$tmp/db01.img"
same db01 "$tmp/db01.img"
