#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Peers that speak garbage, another version, huge and empty frames, too slowly or without end, at
# either end: one named error, in time, and nothing at all is changed.
. "${0%/*}/lib.sh"
. "$top/tests/support/resync.sh"
two_sites
peer=$top/tests/support/bad_peer.py
make_disk "$tmp/web01.img" 1M 1
vm=web01=$tmp/web01.img
seed "$vm"
change "$tmp/web01.img" new 3
cp -a "$dr" "$tmp/dr-before"
cp -a "$hq" "$tmp/hq-before"

trap 'kill $(jobs -p) 2>/dev/null || :; rm -rf "$tmp"' EXIT

# Those that only a clock ends: all at once, each with homes of its own. A frame has a minute.
for kind in $("$peer" --slow); do
	cp -a "$hq" "$tmp/hq-$kind"
	cp -a "$dr" "$tmp/dr-$kind"
	(
		peer_is "$peer" "$kind"
		status=0
		timeout 110 vmseed --home "$tmp/hq-$kind" resync --retries 0 --to "$dest" "$vm" \
			>/dev/null 2>"$tmp/slow-err-$kind-resync" || status=$?
		echo $status >"$tmp/slow-$kind-resync"
	) &
	(
		status=0
		"$peer" "$kind" </dev/null | {
			timeout 110 vmseed --home "$tmp/dr-$kind" serve >/dev/null \
				2>"$tmp/slow-err-$kind-serve" || status=$?
			echo $status >"$tmp/slow-$kind-serve"
		}
	) &
done

for kind in $("$peer" --list); do
	peer_is "$peer" "$kind"
	start=$(date +%s)
	case $kind in
	hello-twice | proof-of-noise | empty-proof) wanted=5 ;;	# for the site that it says it is
	*) wanted=1 ;;
	esac
	refuses $wanted 'ssh://peer' timeout 60 vmseed --home "$hq" resync --retries 0 --to "$dest" "$vm"
	[ $(($(date +%s) - start)) -le 30 ] || fail "$kind took $(($(date +%s) - start)) s"
	case $kind in
	text) grep -q 'Last login' "$tmp/err" || fail "what the peer said is not shown: $(cat "$tmp/err")" ;;
	version-*) grep -q 'version' "$tmp/err" || fail "no word of versions: $(cat "$tmp/err")" ;;
	esac
	"$peer" "$kind" </dev/null >"$tmp/said" || :
	status=0
	timeout 60 vmseed --home "$dr" serve <"$tmp/said" >"$tmp/answer" 2>"$tmp/err" || status=$?
	case $kind-$status in
	nothing-*) [ "$status" != 124 ] || fail 'serve waits for a caller who has gone' ;;
	*-[1-9]) [ "$(grep -c '^vmseed: serve' "$tmp/err")" = 1 ] ||
		fail "$kind: serve does not name one error: $(cat "$tmp/err")" ;;
	*) fail "serve, of $kind: exit $status: $(cat "$tmp/err")" ;;
	esac
	[ "$(wc -c <"$tmp/answer")" -lt 10000 ] || fail "$kind: a stranger is told a lot"
done
no_link

# A terminal is no peer, and serve is for nobody's eyes.
fails_with '2' 'resync|stdin|terminal|caller' script -qec "vmseed --home '$dr' serve" /dev/null

wait
for kind in $("$peer" --slow); do
	for end in resync serve; do
		status=$(cat "$tmp/slow-$kind-$end")
		case $status in
		[1-9]) ;;
		*) fail "$end, of $kind: exit $status: $(cat "$tmp/slow-err-$kind-$end")" ;;
		esac
		[ -s "$tmp/slow-err-$kind-$end" ] || fail "$end, of $kind: no word"
	done
	rm -rf "$tmp/hq-$kind"
done

diff -r "$tmp/dr-before/replicas" "$dr/replicas" || fail 'a bad peer changed a replica'
diff -r "$tmp/hq-before/vms" "$hq/vms" || fail 'a bad peer changed what the source remembers'
resync "$vm"
same web01 "$tmp/web01.img"
