# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=sh
# What the stories about resync share. Sourced behind cli/lib.sh.
#
#   seed VM=DISK...           exported at $hq and imported at $dr by way of a medium, then a pause,
#                             after which what nobody writes to proves itself unchanged
#   settle                    that pause
#   change DISK NAME INDEX... these blocks of 64 KiB become noise; same NAME, same bytes
#   resync ARG...             must exit 0; its JSON is the summary; messages in $tmp/err
#   summed CMD...             the same of a command that prints such JSON
#   resync_fails STATUS REGEX ARG...  as refuses; the summary is kept as well
#   summary EXPRESSION        Python over d, the last summary, and vm, its VMs by name
#   is EXPRESSION             the same must be true
#   same VM DISK [SLOT]       the replica's disk at $dr equals DISK
#   replica_is VM STATE       as status has it
#   replica_folder VM         its folder at $dr
#   link_through OPTION...    from now on "ssh" is a link through proxy.py to `vmseed serve` at $dr
#   peer_is PROGRAM [ARG...]  from now on "ssh" is that program
#   no_link                   the real ssh again
#
# All of these resync from $hq to $dest, by default the folder $dr.

dest=
proxy=$top/tests/support/proxy.py

settle() {
	sleep 3
}

seed() {
	rm -rf "$tmp/caddy"
	make_medium "$tmp/caddy"
	run vmseed -q --home "$hq" export --media "$tmp/caddy" --for dr "$@"
	run vmseed -q --home "$dr" import --media "$tmp/caddy"
	settle
}

change() {
	python3 - "$@" <<'END'
import hashlib, os, sys
path, name, *indexes = sys.argv[1:]
with open(path, 'r+b') as disk:
    size = os.fstat(disk.fileno()).st_size
    for index in map(int, indexes):
        length = min(65536, size - index * 65536)
        disk.seek(index * 65536)
        disk.write(hashlib.shake_128(f'{name} {index}'.encode()).digest(length))
END
}

resync() {
	summed vmseed --home "$hq" --json --progress=none resync --to "${dest:-$dr}" "$@"
}

summed() {
	run "$@"
	cp "$tmp/out" "$tmp/summary"
}

resync_fails() {
	resync_status=$1 resync_regex=$2
	shift 2
	refuses "$resync_status" "$resync_regex" vmseed --home "$hq" --json --progress=none resync \
		--to "${dest:-$dr}" "$@"
	cp "$tmp/out" "$tmp/summary"
}

summary() {
	python3 - "$tmp/summary" "$1" <<'END'
import json, sys
with open(sys.argv[1]) as file:
    d = json.load(file)
vm = {each['name']: each for each in d['vms']}
value = eval(sys.argv[2])
print(value if isinstance(value, str) else json.dumps(value))
END
}

is() {
	[ "$(summary "$1")" = true ] || fail "not so: $1, in $(cat "$tmp/summary")"
}

same() { # VM DISK [SLOT]
	cmp "$2" "$(replica_disk "$dr" "$1" "${3:-vda}")" || fail "the replica of $1 is not $2"
}

replica_of() { # VM EXPRESSION over r
	vmseed --home "$dr" status --json | json "next($2 for r in d['replicas'] if r['name'] == '$1')"
}

replica_is() { # VM STATE
	[ "$(replica_of "$1" 'r["state"]')" = "$2" ] ||
		fail "the replica of $1 is $(replica_of "$1" 'r["state"]'), not $2"
}

replica_folder() { # VM
	replica_of "$1" 'r["path"]'
}

peer_is() { # PROGRAM [ARG...]
	{
		echo '#!/bin/sh'
		printf 'exec'
		printf " '%s'" "$@"
		echo
	} >"$tmp/peer"
	chmod 755 "$tmp/peer"
	export VMSEED_SSH="$tmp/peer"
	dest=ssh://peer
}

link_through() {
	peer_is "$proxy" "$@" -- "$VMSEED" --home "$dr" serve
}

no_link() {
	unset VMSEED_SSH
	dest=
}
