#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# fleet.sh: real Debian guests from one site to another, compared bit for bit, and one started.
#
# tests/support/make-fleet builds the guests once (as root, about 3 minutes and 9 GiB) in FLEET,
# by default $TMPDIR/vmseed-fleet, outside the source tree. The four guests travel sealed from
# one home to another; then the same guests "some work later" travel on the same medium, which
# must grow by little; then web01's replica boots to its login prompt.
# shellcheck source=tests/cli/lib.sh
. "${0%/*}/cli/lib.sh"

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
step 'exported again to the same medium' export_all
second=$(($(stored_bytes) - first))
step 'that added little' is_little "$second" "$first"
step 'medium verified again' vmseed --home "$dr" verify --media "$medium"
step 'imported beside the first' vmseed --home "$dr" import --media "$medium"
step 'every replica equals its source some work later' compare_all .after
step 'replicas verified' vmseed --home "$dr" verify --replica web01 --replica db01

step 'web01 boots to its login prompt' boot web01

data=0
for name in $guests; do
	data=$((data + $(stat -c %b "$fleet/$name.img") * 512))
done
echo "data in the four disks: $(mib $data); on the medium: $(mib "$first")"
echo "added by the second export: $(mib "$second")"
