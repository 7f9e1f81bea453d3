# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=sh
# What the stories share. Sourced first: . "${0%/*}/lib.sh"
#
#   $top      the source tree            $tmp      a folder of this story, gone when it ends
#   run CMD...                       CMD must exit 0; its output is shown if it does not
#   fails_with STATUS REGEX CMD...   CMD must exit STATUS and say a line that matches REGEX
#   refuses STATUS REGEX CMD...      as fails_with, and the last line of stderr, where the error
#                                    stands, is the one that matches; nothing raw is shown
#   says REGEX CMD...                CMD must exit 0 and say a line that matches REGEX
#   requires CMD...                  the story is skipped where CMD does not work
#   make_disk PATH SIZE [SEED]       a disk of data, zeroes and holes; same arguments, same bytes
#   flip_byte FILE OFFSET            one byte of FILE becomes another
#   make_site HOME NAME              a home with a key
#   two_sites                        $hq and $dr: two homes that trust each other
#   make_medium DIR                  a folder prepared as a medium
#   replica_disk HOME VM SLOT        where the replica of VM keeps that disk
#   json EXPRESSION                  what the Python EXPRESSION over d, read from stdin, gives
#
# Both run and fails_with leave the command's output in $tmp/out (stdout) and $tmp/err.

set -eu
umask 022
export LC_ALL=C.UTF-8
unset VMSEED_HOME XDG_DATA_HOME XDG_CONFIG_HOME NO_COLOR VMSEED_PASSPHRASE_COMMAND

top=$(cd "${0%/*}" && while [ ! -e libseed/LAYERS ] && [ "$PWD" != / ]; do cd ..; done && pwd)
VMSEED=${VMSEED:-$top/build/vmseed}
export VMSEED
PATH=${VMSEED%/*}:$PATH

tmp=$(mktemp -d "${TMPDIR:-/var/tmp}/vmseed-story.XXXXXX")
trap 'chmod -R u+rwx "$tmp" 2>/dev/null || :; rm -rf "$tmp"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
export HOME="$tmp"		# nothing of the person who runs this is read or written

show_last() {
	sed 's/^/  stdout: /' "$tmp/out" >&2
	sed 's/^/  stderr: /' "$tmp/err" >&2
}

try() { # CMD...: sets $status, $tmp/out, $tmp/err
	status=0
	"$@" >"$tmp/out" 2>"$tmp/err" || status=$?
}

fail() {
	echo "$0: $*" >&2
	exit 1
}

run() {
	try "$@"
	[ "$status" = 0 ] && return
	echo "$0: exit $status from: $*" >&2
	show_last
	exit 1
}

fails_with() {
	expected=$1 regex=$2
	shift 2
	try "$@"
	if [ "$status" != "$expected" ]; then
		echo "$0: exit $status instead of $expected from: $*" >&2
		show_last
		exit 1
	fi
	if ! cat "$tmp/out" "$tmp/err" | grep -Eq -- "$regex"; then
		echo "$0: nothing like \"$regex\" from: $*" >&2
		show_last
		exit 1
	fi
}

refuses() {
	fails_with "$@"
	if ! tail -n 1 "$tmp/err" | grep -Eq -- "^vmseed: .*($2)"; then
		echo "$0: the error does not say \"$2\"" >&2
		show_last
		exit 1
	fi
	if cat "$tmp/out" "$tmp/err" | grep -q '[^[:print:]	]'; then
		echo "$0: raw bytes are shown" >&2
		show_last
		exit 1
	fi
}

says() {
	regex=$1
	shift
	fails_with 0 "$regex" "$@"
}

requires() {
	"$@" >/dev/null 2>&1 && return
	echo "this story requires: $*"
	exit 77
}

# Megabytes of repeatable noise and text in turn, with zeroes written and holes left between
# them, over the whole length: in each 16 blocks of 64 KiB about 4 of noise, 4 of text, 2 of
# written zeroes, 6 of hole. SIZE takes what truncate takes (64M, 1000000).
make_disk() {
	python3 - "$1" "$2" "${3:-1}" <<'END'
import hashlib, os, re, sys
path, size, seed = sys.argv[1:]
number, unit = re.fullmatch(r'(\d+)([KMGT]?)', size).groups()
size = int(number) << {'': 0, 'K': 10, 'M': 20, 'G': 30, 'T': 40}[unit]
block = 65536
with open(path, 'wb') as disk:
    disk.truncate(size)
    for index in range(0, (size + block - 1) // block):
        kind, length = index % 16, min(block, size - index * block)
        name = f'{seed} {index}'
        if kind < 4:
            data = hashlib.shake_128(name.encode()).digest(length)
        elif kind < 8:
            data = (f'block {name} of a disk made for a test\n' * (length // 30 + 1)).encode()[:length]
        elif kind < 10:
            data = bytes(length)
        else:
            continue
        disk.seek(index * block)
        disk.write(data)
END
}

flip_byte() {
	python3 - "$1" "$2" <<'END'
import sys
with open(sys.argv[1], 'r+b') as file:
    file.seek(int(sys.argv[2]))
    byte = file.read(1)
    file.seek(int(sys.argv[2]))
    file.write(bytes([byte[0] ^ 0x5a]))
END
}

json() {
	python3 -c 'import json, sys
d = json.load(sys.stdin)
value = eval(sys.argv[1])
print(value if isinstance(value, str) else json.dumps(value))' "$1"
}

make_site() {
	run vmseed --home "$1" key new "$2"
}

# Each home's card goes to the other, with the fingerprint that its own site reads out.
two_sites() {
	hq=$tmp/hq dr=$tmp/dr
	make_site "$hq" hq
	make_site "$dr" dr
	exchange_cards "$hq" "$dr"
}

exchange_cards() { # HOME HOME
	for pair in "$1 $2" "$2 $1"; do
		from=${pair% *} to=${pair#* }
		vmseed -q --home "$from" key card >"$tmp/card"
		print=$(vmseed --home "$from" key card --json | json 'd["fingerprint"]')
		run vmseed --home "$to" key trust "$tmp/card" --fingerprint "$print"
	done
}

make_medium() {
	mkdir -p "$1"
	run vmseed --home "${hq:-$tmp/hq}" media prepare "$1" --allow-internal
}

replica_disk() {
	vmseed --home "$1" status --json | json "next(disk['path'] for replica in d['replicas']
		if replica['name'] == '$2' for disk in replica['disks'] if disk['slot'] == '$3')"
}
