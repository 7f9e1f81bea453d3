#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# fleet.sh: real Debian guests from one site to another, compared bit for bit, and one started.
#
# tests/support/make-fleet builds the guests once (as root, about 3 minutes and 9 GiB) in FLEET,
# by default $TMPDIR/vmseed-fleet, outside the source tree. The four guests travel sealed from
# one home to another; then the same guests "some work later" are resynced over a real ssh, and
# travel once more on the same medium, which must grow by little; web01's replica boots to its
# login prompt. At last db01's replica is promoted, works on, and is resynced back to the old
# primary.
# shellcheck source=tests/cli/lib.sh
. "${0%/*}/cli/lib.sh"
# shellcheck source=tests/support/sshd.sh
. "$top/tests/support/sshd.sh"

fleet=$(realpath -m "${FLEET:-${TMPDIR:-/var/tmp}/vmseed-fleet}")
guests='web01 web02 db01 app01'
medium=$tmp/caddy
passed=0 failed=0 skipped=0
finish() {
	local status=$?
	[ $status = 0 ] || [ $failed -gt 0 ] || failed=1
	# shellcheck disable=SC2046 # none, one or more
	kill $(jobs -p) 2>/dev/null || true
	rm -rf "$tmp"
	echo "$passed passed, $failed failed, $skipped skipped"
	exit $((failed > 0))
}
trap finish EXIT

# What a step prints stays hidden unless it fails; what follows a failed step is pointless.
step() { # TEXT CMD...
	local text=$1 start=$EPOCHREALTIME
	shift
	if ! "$@" >"$tmp/step" 2>&1; then
		failed=$((failed + 1))
		sed 's/^/    | /' "$tmp/step"
		echo "FAILED   $text"
		exit 1
	fi
	passed=$((passed + 1))
	awk -v t="$text" -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "ok       %s (%.1f s)\n", t, b - a }'
}

stored_bytes() {
	find "$medium" -type f -printf '%s\n' | awk '{ n += $1 } END { printf "%d\n", n }'
}

build_fleet() {
	case $fleet/ in
	"$top"/*) echo "the fleet does not belong in the source tree: $fleet"; return 1 ;;
	esac
	"$top/tests/support/make-fleet" "$fleet"
}

definitions() { # SUFFIX: the guests' XML in $tmp/xml, naming NAME$1.img
	local name
	mkdir -p "$tmp/xml"
	for name in $guests; do
		sed "s|file='[^']*/$name\\.img'|file='$fleet/$name$1.img'|" "$fleet/$name.xml" \
			>"$tmp/xml/$name.xml" || return
		grep -q "'$fleet/$name$1.img'" "$tmp/xml/$name.xml" || return
	done
}

export_all() {
	vmseed --home "$hq" export --media "$medium" --for dr "$tmp"/xml/*.xml
}

# What crossed goes to $tmp/NAME.json.
resync() { # NAME HOME DEST ARG...
	local out=$tmp/$1.json home=$2 dest=$3
	shift 3
	VMSEED_SSH=$ssh_program vmseed --home "$home" --json resync --to "$dest" "$@" >"$out"
}

crossed() { # NAME
	json 'd["bytes_sent"] + d["bytes_received"]' <"$tmp/$1.json"
}

count() { # NAME KEY: over all VMs
	json "sum(vm['$2'] for vm in d['vms'])" <"$tmp/$1.json"
}

work_on() { # DISK: 24 MiB of new data at three places, as a running guest would write
	local at
	for at in 1000 3000 5000; do
		dd if=/dev/urandom of="$1" bs=1M count=8 seek=$at conv=notrunc status=none || return
	done
}

# The old primary: a disk as db01 left it behind, which its definition now names.
old_primary() {
	cp --sparse=always "$fleet/db01.after.img" "$tmp/db01.old.img" || return
	sed -i "s|$fleet/db01.after.img|$tmp/db01.old.img|" "$tmp/xml/db01.xml"
}

compare_all() { # SUFFIX
	local name disk pid comparing=() result=0
	for name in $guests; do
		disk=$(replica_disk "$dr" "$name" vda) || return
		echo "$disk"
		cmp "$fleet/$name$1.img" "$disk" &
		comparing+=($!)
	done
	for pid in "${comparing[@]}"; do
		wait "$pid" || result=1
	done
	return $result
}

boot() { # NAME: until its console asks for a login; a replica is never written to
	local disk console=$tmp/console pid i
	disk=$(replica_disk "$dr" "$1" vda) || return
	: >"$console"
	timeout 600 qemu-system-x86_64 -accel tcg -m 1024 -display none -monitor none -nic none \
		-no-reboot -serial "file:$console" -kernel "$fleet/vmlinuz" -initrd "$fleet/initrd" \
		-append 'root=/dev/vda2 ro console=ttyS0' \
		-drive "file=$disk,format=raw,if=virtio,snapshot=on" &
	pid=$!
	for ((i = 0; i < 600; i++)); do
		grep -q "$1 login:" "$console" && break
		kill -0 $pid 2>/dev/null || break
		sleep 1
	done
	kill $pid 2>/dev/null
	wait $pid 2>/dev/null
	grep -a "$1 login:" "$console" || { tail -n 40 "$console"; return 1; }
}

is_little() { # ADDED FIRST
	[ "$1" -lt $(($2 * 40 / 100)) ] || { echo "$1 bytes added to $2"; return 1; }
}

mib() {
	awk -v n="$1" 'BEGIN { printf "%.1f MiB", n / 1048576 }'
}

step "four guests in $fleet" build_fleet
two_sites
make_medium "$medium"

step 'definitions of the guests' definitions ''
step 'exported, sealed' export_all
first=$(stored_bytes)
step 'medium verified at the destination' vmseed --home "$dr" verify --media "$medium"
step 'imported' vmseed --home "$dr" import --media "$medium"
step 'every replica equals its source' compare_all ''

step 'definitions of the guests some work later' definitions .after
step 'an sshd' sshd_start
trap finish EXIT
sshd_allow "vmseed --home $dr serve --peer hq"
step 'resynced over ssh' resync forth "$hq" "ssh://$ssh_to" "$tmp"/xml/*.xml
step 'every replica equals its source some work later' compare_all .after
step 'that sent little' is_little "$(crossed forth)" "$first"
step 'web01 verified' vmseed --home "$dr" verify --replica web01
step 'db01 verified' vmseed --home "$dr" verify --replica db01
step 'resynced again: nothing changed' resync again "$hq" "ssh://$ssh_to" "$tmp"/xml/*.xml
step 'and next to nothing sent' [ "$(crossed again)" -lt 16384 ]

step 'exported again to the same medium' export_all
second=$(($(stored_bytes) - first))
step 'that added little' is_little "$second" "$first"
step 'medium verified again' vmseed --home "$dr" verify --media "$medium"
step 'imported over the resynced replicas' vmseed --home "$dr" import --media "$medium"
step 'every replica still equals its source' compare_all .after
step 'web01 verified again' vmseed --home "$dr" verify --replica web01
step 'db01 verified again' vmseed --home "$dr" verify --replica db01

step 'web01 boots to its login prompt' boot web01

disk=$(replica_disk "$dr" db01 vda)
step 'db01 promoted' vmseed --home "$dr" promote db01
step 'db01 works on' work_on "$disk"
step 'the old primary of db01' old_primary
step 'adopted where it came from' vmseed --home "$hq" adopt --in-place "$tmp/xml/db01.xml"
sshd_allow "vmseed --home $hq serve --peer dr --vm db01"
step 'resynced back over ssh' resync back "$dr" "ssh://$ssh_to" db01
step 'the old primary equals what was promoted' cmp "$disk" "$(replica_disk "$hq" db01 vda)"

data=0
for name in $guests; do
	data=$((data + $(stat -c %b "$fleet/$name.img") * 512))
done
echo "data in the four disks: $(mib $data); on the medium: $(mib "$first")"
echo "added by the second export: $(mib "$second")"
for run in forth back; do
	echo "resync $run: $(mib "$(crossed $run)") on the wire, $(count $run changed_blocks) blocks" \
		"changed, $(count $run fetched_blocks) sent"
done
