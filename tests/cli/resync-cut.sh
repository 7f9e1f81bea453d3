#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# A link that dies at some places: the old replica stands, what arrived is not sent again even where
# the source has moved on, and with retries one run goes through it.
. "${0%/*}/lib.sh"
. "$top/tests/support/resync.sh"
two_sites
make_disk "$tmp/web01.img" 24M 1
make_disk "$tmp/db01.img" 2M 2
set -- "web01=$tmp/web01.img" "db01=$tmp/db01.img"
seed "$@"
cp "$tmp/web01.img" "$tmp/old"
# shellcheck disable=SC2046 # numbers
change "$tmp/web01.img" first $(seq 0 3 299)
cp -a "$dr" "$tmp/dr-first"

again() {
	rm -rf "$dr"
	cp -a "$tmp/dr-first" "$dr"
}

old_still() {
	cmp "$tmp/old" "$(replica_disk "$dr" web01 vda)" || fail 'the replica is not the old one'
	run vmseed --home "$dr" verify --replica web01
	run vmseed --home "$dr" verify --replica db01
}

for cut in 'out 0' 'out 20' 'in 300' 'out 1500' 'out 1000000' 'out 5000000' 'in 4000'; do
	again
	link_through --cut-at "${cut#* }" --dir "${cut% *}"
	fails_with 1 'link|connection|ended|closed|broke' vmseed --home "$hq" resync --retries 0 \
		--to "$dest" "$@"
	old_still
	no_link
	resync "$@"
	is 'vm["web01"]["fetched_blocks"] + vm["web01"]["journal_blocks"] == 100'
	case $cut in
	'out 1000000') is 'vm["web01"]["journal_blocks"] >= 8' ;;
	'out 5000000') is 'vm["web01"]["journal_blocks"] >= 60' ;;
	esac
	same web01 "$tmp/web01.img"
	same db01 "$tmp/db01.img"
	[ ! -e "$(replica_folder web01)/sync" ] || fail 'sync/ stayed behind'
	# The manifest that was signed for it has used up generation 2, or a later one.
	is 'vm["web01"]["generation"] >= 2'
done

# What arrived stays of use when the disk changes meanwhile.
again
link_through --cut-at 5000000 --dir out
fails_with 1 . vmseed --home "$hq" resync --retries 0 --to "$dest" "$@"
no_link
cp "$tmp/web01.img" "$tmp/web01.first"
# shellcheck disable=SC2046 # numbers
change "$tmp/web01.img" second $(seq 1 3 60)
change "$tmp/web01.img" second 0 3
resync "$@"
is 'vm["web01"]["journal_blocks"] >= 55 and vm["web01"]["fetched_blocks"] <= 22 + 45'
same web01 "$tmp/web01.img"
run vmseed --home "$dr" verify --replica web01

# With retries it goes on by itself: cut twice, later each time, and whole the third time.
again
cp "$tmp/web01.first" "$tmp/web01.img"
cat >"$tmp/flaky" <<END
#!/bin/sh
n=\$(cat "$tmp/calls" 2>/dev/null || echo 0)
echo \$((n + 1)) >"$tmp/calls"
if [ "\$n" -lt 2 ]; then
	exec "$proxy" --cut-at \$((1000000 * (n + 1))) --dir out -- "$VMSEED" --home "$dr" serve
fi
exec "$VMSEED" --home "$dr" serve
END
chmod 755 "$tmp/flaky"
export VMSEED_SSH="$tmp/flaky"
dest=ssh://peer
resync "$@"
is 'd["attempts"] == 3 and vm["web01"]["result"] == "synced"'
is 'd["bytes_sent"] < 100 * 65536 + 1500000'
same web01 "$tmp/web01.img"

# And gives up when that never ends: exit 1, after as many times as it was told.
change "$tmp/web01.img" third 9
rm "$tmp/calls"
sed -i 's/-lt 2/-lt 2000/; s/1000000/400/' "$tmp/flaky"
fails_with 1 . vmseed --home "$hq" resync --retries 1 --to "$dest" "$@"
[ "$(cat "$tmp/calls")" = 2 ] || fail "$(cat "$tmp/calls") attempts with one retry"
no_link

# The sender is gone in the middle, and the receiver is: killed, not cut.
for who in sender receiver; do
	again
	peer_is "$proxy" --rate 16e6 -- sh -c "echo \$\$ >'$tmp/pid'; exec '$VMSEED' --home '$dr' serve"
	vmseed --home "$hq" resync --retries 0 --to "$dest" "$@" >"$tmp/out" 2>"$tmp/err" &
	sender=$!
	tries=0
	until [ "$(find "$dr/replicas" -path '*/sync/journal' -size +1000k | wc -l)" = 1 ]; do
		tries=$((tries + 1))
		[ $tries -lt 300 ] || fail 'nothing arrives'
		sleep 0.02
	done
	receiver=$(cat "$tmp/pid")
	[ $who = receiver ] || kill -9 "$sender"
	[ $who = sender ] || kill -9 "$receiver"
	status=0
	wait "$sender" 2>/dev/null || status=$?
	[ "$status" != 0 ] || fail "the $who was killed and all is well"
	tries=0
	while kill -0 "$receiver" 2>/dev/null; do
		tries=$((tries + 1))
		[ $tries -lt 200 ] || fail "the receiver stays when the $who is gone"
		sleep 0.1
	done
	old_still
	no_link
	resync "$@"
	is 'vm["web01"]["journal_blocks"] >= 15'
	same web01 "$tmp/web01.img"
done
