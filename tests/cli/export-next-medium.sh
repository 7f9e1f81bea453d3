#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Where the next medium comes from: asked for on a terminal, waited for with --wait; and a medium that
# is changed under a run, or filled up by somebody else, costs nothing that was safe.
. "${0%/*}/lib.sh"
if [ -z "${INSIDE:-}" ]; then
	requires unshare -m true
	requires unshare -m sh -c "mount -t tmpfs -o size=64k none '$tmp'"
	INSIDE=1 unshare -m "$0" && exit 0 || exit $?
fi
two_sites
trap 'umount -l "$tmp"/m* "$tmp/slot" 2>/dev/null || :; rm -rf "$tmp"' EXIT
medium() { # NAME SIZE: a small prepared medium, mounted in $tmp/NAME
	mkdir -p "$tmp/$1"
	mount -t tmpfs -o "size=$2" none "$tmp/$1"
	run vmseed --home "$hq" media prepare "$tmp/$1" --allow-internal --label "caddy-$1"
}
unmount() {
	for name in "$tmp"/m?; do
		umount "$name"
		rmdir "$name"
	done
}
imports_from() { # MEDIUM...: into an empty home of the other site, and the disk is as it was
	media=
	for name in "$@"; do
		media="$media --media $tmp/$name"
	done
	rm -rf "$dr/replicas" "$dr/marks" "$dr"/catalogue*
	# shellcheck disable=SC2086 # words
	run vmseed --home "$dr" -q import $media
	cmp "$tmp/web01.img" "$(replica_disk "$dr" web01 vda)"
}
openssl enc -aes-128-ctr -pass pass:1 -nosalt -pbkdf2 </dev/zero 2>/dev/null |
	head -c 30M >"$tmp/web01.img"
sleep 3		# a file that was written within the clock's step proves nothing
export="--home $hq export --for dr web01=$tmp/web01.img"

# On a terminal: answers that do not serve are told why, and asked for again; none ends it.
medium m1 16M
medium m2 16M
medium m3 16M
mkdir "$tmp/bare"
cat >"$tmp/terminal.py" <<'END2'
import os, pty, sys
answers, argv = sys.argv[1].split(','), sys.argv[2:]
pid, fd = pty.fork()
if pid == 0:
    os.execvp(argv[0], argv)
seen, asked = b'', 0
while True:
    try:
        got = os.read(fd, 65536)
    except OSError:
        break
    if not got:
        break
    seen += got
    if seen.count(b'(none: stop here): ') > asked:
        os.write(fd, answers[asked].encode() + b'\n')
        asked += 1
sys.stdout.buffer.write(seen)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
END2
# shellcheck disable=SC2086 # words
run python3 "$tmp/terminal.py" "$tmp/bare,$tmp/m1,$tmp/m2,$tmp/m3" "$VMSEED" $export --media "$tmp/m1"
for line in 'medium "caddy-m1" is full: .* of this run are safe on it' \
	'Mount the next prepared medium and type its folder' 'Not this one: .*not a prepared medium' \
	'Not this one: it is full: volume 1 of this set is on it' 'caddy-m3: volume 3 of 3'; do
	grep -Eq -- "$line" "$tmp/out" || { show_last; fail "the terminal does not show: $line"; }
done
imports_from m1 m2 m3
unmount
medium m1 16M
# shellcheck disable=SC2086
fails_with 7 'is full: .* run the same command with one more --media' \
	python3 "$tmp/terminal.py" , "$VMSEED" $export --media "$tmp/m1"
unmount

# --wait: one place to mount, and the media come one after the other.
medium m1 16M
medium m2 16M
medium m3 16M
mkdir "$tmp/slot"
mount --bind "$tmp/m1" "$tmp/slot"
: >"$tmp/wait-err"
# shellcheck disable=SC2086
vmseed $export --wait --media "$tmp/slot" >"$tmp/out" 2>"$tmp/wait-err" </dev/null &
waiting=$!
for next in m2 m3; do
	wanted=$((${next#m} - 1))
	tries=0
	while [ "$(grep -c 'waiting for another' "$tmp/wait-err" || :)" -lt $wanted ]; do
		sleep 0.1
		tries=$((tries + 1))
		[ $tries -lt 600 ] || { cat "$tmp/wait-err" >&2; fail 'it does not wait'; }
	done
	umount "$tmp/slot" || fail 'a medium that is full is still held open'
	sleep 0.3
	mount --bind "$tmp/$next" "$tmp/slot"
done
wait $waiting || { cat "$tmp/wait-err" >&2; fail 'exit status of an export that waited'; }
grep -q 'caddy-m3: volume 3 of 3' "$tmp/out" || fail 'the third volume is not told of'
umount "$tmp/slot"
imports_from m1 m2 m3
# Being stopped while it waits is no failure of what is safe.
unmount
medium m1 16M
python3 - "$VMSEED" "$tmp" "$hq" <<'END2' || fail 'stopped while it waits'
import signal, subprocess, sys, time
vmseed, tmp, hq = sys.argv[1:]
run = subprocess.Popen([vmseed, '--home', hq, 'export', '--wait', '--media', f'{tmp}/m1', '--for',
                        'dr', f'web01={tmp}/web01.img'], stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
for line in run.stderr:
    if 'waiting' in line:
        run.send_signal(signal.SIGINT)
sys.exit(0 if run.wait() == 130 else 1)
END2
[ -n "$(find "$tmp/m1" -path '*/commits/*.json')" ] || fail 'nothing is safe on the first medium'

# Another file system is mounted over a medium before its turn: noticed, and not written to.
medium m2 16M
medium m3 16M
python3 - "$VMSEED" "$tmp" "$hq" <<'END2' || fail 'a medium changed under a run'
import pathlib, subprocess, sys, time
vmseed, tmp, hq = sys.argv[1:]
run = subprocess.Popen([vmseed, '--home', hq, '-q', 'export', '--media', f'{tmp}/m1', '--media',
                        f'{tmp}/m2', '--media', f'{tmp}/m3', '--for', 'dr',
                        f'web01={tmp}/web01.img'], stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
while run.poll() is None and not list(pathlib.Path(f'{tmp}/m2').rglob('*.pack')):
    time.sleep(0.002)
subprocess.run(['mount', '--bind', f'{tmp}/bare', f'{tmp}/m2'], check=True)
said = run.communicate()[1]
subprocess.run(['umount', f'{tmp}/m2'], check=True)
if run.returncode != 7 or 'another file system is mounted at' not in said:
    sys.exit(f'exit {run.returncode}: {said}')
END2
[ -z "$(ls "$tmp/bare")" ] || fail 'what was mounted over the medium was written to'
# shellcheck disable=SC2086
run vmseed -q $export --media "$tmp/m1" --media "$tmp/m2" --media "$tmp/m3"
imports_from m1 m2 m3
unmount

# Somebody else fills the medium up: what was read back stays, the rest goes to the next one.
medium m1 48M
medium m2 48M
python3 - "$VMSEED" "$tmp" "$hq" <<'END2' || fail 'a medium that somebody else fills up'
import os, pathlib, subprocess, sys, time
vmseed, tmp, hq = sys.argv[1:]
run = subprocess.Popen([vmseed, '--home', hq, 'export', '--media', f'{tmp}/m1', '--media',
                        f'{tmp}/m2', '--for', 'dr', f'web01={tmp}/web01.img'],
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                       text=True)
while run.poll() is None and not list(pathlib.Path(f'{tmp}/m1').rglob('*.pack')):
    time.sleep(0.001)
with open(f'{tmp}/m1/filler', 'wb', buffering=0) as filler:
    try:
        while True:
            filler.write(bytes(1 << 20))
    except OSError:
        pass
said = run.communicate()[1]
if run.returncode != 0 or 'filled up too early' not in said:
    sys.exit(f'exit {run.returncode}: {said}')
END2
imports_from m1 m2
rm "$tmp/m1/filler"
# shellcheck disable=SC2086
run vmseed -q $export --media "$tmp/m1" --media "$tmp/m2" --json
[ "$(json 'd["blocks_stored"]' <"$tmp/out")" = 0 ] || fail 'blocks are stored twice'
