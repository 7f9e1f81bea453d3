#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# A set that one medium cannot hold goes on over the next ones; whatever stops it, the same command
# goes on where it was, and what comes out of all media together is every disk, bit for bit.
. "${0%/*}/lib.sh"
if [ -z "${INSIDE:-}" ]; then
	requires unshare -m true
	requires unshare -m sh -c "mount -t tmpfs -o size=64k none '$tmp'"
	INSIDE=1 unshare -m "$0" && exit 0 || exit $?
fi
two_sites
trap 'umount -l "$tmp"/m* 2>/dev/null || :; rm -rf "$tmp"' EXIT
medium() { # NAME SIZE: a small prepared medium, mounted in $tmp/NAME
	mkdir -p "$tmp/$1"
	mount -t tmpfs -o "size=$2" none "$tmp/$1"
	run vmseed --home "$hq" media prepare "$tmp/$1" --allow-internal --label "caddy-$1"
}
unmount() { # all media
	for name in "$tmp"/m?; do
		umount "$name"
		rmdir "$name"
	done
}
noise() { # FILE MEBIBYTES SEED: nothing in it compresses
	openssl enc -aes-128-ctr -pass "pass:$3" -nosalt -pbkdf2 </dev/zero 2>/dev/null |
		head -c "$2M" >"$1"
}
summary() { # KEY
	json "d['$1']" <"$tmp/out"
}
export_to() { # MEDIUM... : both disks; the summary in $tmp/out
	media=
	for name in "$@"; do
		media="$media --media $tmp/$name"
	done
	# shellcheck disable=SC2086 # words
	try vmseed --home "$hq" -q export --json $media --for dr "web01=$tmp/web01.img" \
		"db01=$tmp/db01.img" </dev/null
}
exported_to() {
	export_to "$@"
	[ "$status" = 0 ] || { show_last; fail "exit $status from an export to $*"; }
}
imports_from() { # MEDIUM...: into an empty home of the other site, and all is as it was
	media=
	for name in "$@"; do
		media="$media --media $tmp/$name"
	done
	rm -rf "$dr/replicas" "$dr/marks" "$dr"/catalogue*
	# shellcheck disable=SC2086 # words
	run vmseed --home "$dr" -q import $media
	for vm in web01 db01; do
		cmp "$tmp/$vm.img" "$(replica_disk "$dr" $vm vda)"
	done
}
packs_on() { # MEDIUM
	find "$tmp/$1" -name '*.pack' | wc -l
}
noise "$tmp/web01.img" 42 1
noise "$tmp/db01.img" 17 2
total=$((59 * 16))
sleep 3		# a file that was written within the clock's step proves nothing

# Five volumes, two of which share web01 with another one; the sixth is not needed.
for i in 1 2 3 4 5 6; do
	medium m$i 16M
done
exported_to m1 m2 m3 m4 m5 m6
[ "$(summary blocks_stored)" = $total ] || fail "$(summary blocks_stored) blocks stored, not $total"
[ "$(json '[v["volume"] for v in d["volumes"]]' <"$tmp/out")" = '[1, 2, 3, 4, 5]' ] ||
	fail "volumes: $(summary volumes)"
for i in 1 2 3 4 5; do
	[ "$(packs_on m$i)" -gt 0 ] || fail "no pack on m$i"
done
[ ! -e "$tmp/m6/vmseed/$(summary set)" ] || fail 'a volume was begun that is not needed'
manifests=$(find "$tmp"/m? -name 'manifest.sealed')
case $manifests in
*/m[1234]/*) fail 'manifests on a volume that is not the last' ;;
esac
doc=$(find "$tmp/m5" -path '*/sets/*.json')
[ "$(json '[(v["volume"], v["label"], v["sha256"] is None) for v in d["volumes"]]' <"$doc")" = \
	"$(python3 -c 'import json; print(json.dumps([(i, f"caddy-m{i}", i == 5)
		for i in range(1, 6)]))')" ] || fail 'the set document does not name the volumes'
for i in 1 2 3 4; do
	commit=$(find "$tmp/m$i" -path '*/commits/*.json' | sort | tail -n 1)
	[ "$(json "d['volumes'][$i - 1]['sha256']" <"$doc")" = \
		"$(sha256sum "$commit" | cut -d ' ' -f 1)" ] || fail "volume $i: not its last commit"
done
imports_from m3 m5 m1 m2 m4

# The same command: nothing is read, nothing stored. Without two of the media as well: then what they
# hold is stored again, and one line names each that is missing.
exported_to m1 m2 m3 m4 m5 m6
[ "$(summary bytes_read)" = 0 ] || fail "$(summary bytes_read) bytes read in a rerun"
[ "$(summary blocks_stored)" = 0 ] || fail 'blocks stored in a rerun'
[ ! -e "$tmp/m6/vmseed/$(summary set)" ] || fail 'a rerun begins a volume'
set=$(summary set)
says 'volume 2 of set .*"caddy-m2", was not given' vmseed --home "$hq" export --media "$tmp/m1" \
	--media "$tmp/m3" --media "$tmp/m4" --media "$tmp/m5" --media "$tmp/m6" --for dr \
	"web01=$tmp/web01.img" "db01=$tmp/db01.img"
grep -q '^  caddy-m6: volume 6 of 6, set ' "$tmp/out" || fail 'the labels are not told'
grep -q '^  caddy-m2: volume 2 of 6, set .*not given' "$tmp/out" || fail 'm2 is not named'
imports_from m1 m3 m4 m5 m6
doc=$(find "$tmp/m6" -path '*/sets/*.json' | sort | tail -n 1)
[ "$(json '[v["volume"] for v in d["volumes"]]' <"$doc")" = '[1, 2, 3, 4, 5, 6]' ] ||
	fail 'the set document forgets a volume that was not given'
# Two sets are not gone on with at once.
medium m7 16M
run vmseed -q --home "$hq" export --media "$tmp/m7" --for dr --no-data "web01=$tmp/web01.img"
refuses 2 '"caddy-m1" has volume 1 of set .* "caddy-m7" volume 1 of set' vmseed -q --home "$hq" export \
	--media "$tmp/m1" --media "$tmp/m7" --for dr "web01=$tmp/web01.img"
unmount

# Full, and no next medium: exit 7 and the way on. What was committed is not read again.
rm -rf "$hq/vms"
medium m1 24M
medium m2 24M
medium m3 24M
refuses 7 'medium "caddy-m1" is full: .* of this run are safe on it; to go on, run the same command with one more --media DIR' \
	vmseed --home "$hq" -q export --media "$tmp/m1" --for dr "web01=$tmp/web01.img" \
	"db01=$tmp/db01.img" </dev/null
safe=$(find "$tmp/m1" -path '*/commits/*.json' -exec cat {} + | json 'd["packs"][0]["blocks"]')
[ "$safe" -gt 300 ] || fail "$safe blocks on a medium of 24 MiB"
export_to m1 m2
[ "$status" = 7 ] || fail "exit $status from an export to two media of which three are needed"
[ "$(summary bytes_read)" -lt $((total * 65536)) ] || fail 'what was safe was read again'
exported_to m1 m2 m3
[ "$(summary blocks_stored)" -lt $((total - 2 * safe + 40)) ] || fail 'safe blocks were stored again'
[ "$(summary bytes_read)" -le $(((total - 2 * safe + 40) * 65536)) ] ||
	fail "$(summary bytes_read) bytes read for $(summary blocks_stored) blocks"
imports_from m1 m2 m3
unmount

# Killed while the second volume is written to, and gone on with by the same command.
medium m1 24M
medium m2 24M
medium m3 24M
python3 - "$VMSEED" "$tmp" "$hq" <<'END2'
import pathlib, signal, subprocess, sys, time
vmseed, tmp, hq = sys.argv[1:]
run = subprocess.Popen([vmseed, '--home', hq, '-q', 'export', '--media', f'{tmp}/m1', '--media',
                        f'{tmp}/m2', '--media', f'{tmp}/m3', '--for', 'dr',
                        f'web01={tmp}/web01.img', f'db01={tmp}/db01.img'],
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
while run.poll() is None and not list(pathlib.Path(f'{tmp}/m2').rglob('*.pack')):
    time.sleep(0.002)
run.send_signal(signal.SIGKILL)
sys.exit(0 if run.wait() == -9 else 1)
END2
exported_to m1 m2 m3
[ "$(summary blocks_held)" -ge "$safe" ] || fail "only $(summary blocks_held) blocks were kept"
imports_from m2 m3 m1
unmount
