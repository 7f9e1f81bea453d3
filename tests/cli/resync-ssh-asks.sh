#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# An ssh that wants a password: without a terminal nobody is asked and nobody is waited for, and its
# own words say why; on a terminal it is asked and answered. A banner is no error.
. "${0%/*}/lib.sh"
. "$top/tests/support/resync.sh"
requires setsid -w true
two_sites
make_disk "$tmp/web01.img" 1M 1
vm=web01=$tmp/web01.img
seed "$vm"
at_terminal() { python3 "$top/tests/support/at_terminal.py" "$@"; }
resync_web01="vmseed --home $hq resync --retries 0 --to ssh://root@dr $vm"

ssh_is() { # the script on stdin
	{
		echo '#!/bin/sh'
		cat
	} >"$tmp/ssh"
	chmod 755 "$tmp/ssh"
	export VMSEED_SSH="$tmp/ssh"
}

# As ssh does: the banner of the far host, the question on the terminal unless it may not ask.
asking() {
	ssh_is <<END
echo 'Authorised use only: all is logged.' >&2
denied() {
	echo 'root@dr: Permission denied (publickey,password).' >&2
	exit 255
}
case " \$* " in *' BatchMode=yes '*) echo "not asked" >>"$tmp/asked"; denied ;; esac
echo asked >>"$tmp/asked"
stty -echo </dev/tty
printf "%s" "root@dr's password: " >/dev/tty
read -r answer </dev/tty
stty echo </dev/tty
echo >/dev/tty
[ "\$answer" = 'open sesame' ] || denied
exec "$VMSEED" --home "$dr" serve
END
}

asked_is() { # WORDS of all runs since the last look
	[ "$(cat "$tmp/asked")" = "$1" ] || fail "not $1, but: $(cat "$tmp/asked")"
	rm "$tmp/asked"
}

one_line() {
	[ "$(grep -c '^vmseed: ' "$tmp/err")" = 1 ] || fail "not one line of error: $(cat "$tmp/err")"
}

quickly() { # CMD... without any terminal, and with nobody to ask
	timeout -k 1 20 setsid -w "$@" </dev/null
}

# Nobody there.
change "$tmp/web01.img" first 3
cp "$(replica_disk "$dr" web01 vda)" "$tmp/before"
denied='Permission denied \(publickey,password\)\.$'
asking
# shellcheck disable=SC2086 # words
refuses 1 "ssh://root@dr: .*$denied" quickly $resync_web01
one_line
asked_is 'not asked'
# One that asks all the same, as an askpass or an old ssh would: there is nothing to read from.
ssh_is <<END
echo asked >>"$tmp/asked"
read -r answer </dev/tty || echo 'root@dr: Permission denied (publickey,password).' >&2
exit 255
END
# shellcheck disable=SC2086
refuses 1 "$denied" quickly $resync_web01
one_line
asked_is asked
cmp "$tmp/before" "$(replica_disk "$dr" web01 vda)"
# A second try is for a connection that stood; a refusal is said at once.
asking
# shellcheck disable=SC2086
refuses 1 "$denied" quickly ${resync_web01%%--retries*} --to ssh://root@dr "$vm"
asked_is 'not asked'

# A terminal whose errors go elsewhere: nobody would see the question.
# shellcheck disable=SC2086
fails_with 1 'not here' at_terminal -- sh -c '"$@" 2>"$0" || { echo not here; exit 1; }' "$tmp/log" \
	$resync_web01
grep -Eq "$denied" "$tmp/log" || fail "no word of ssh: $(cat "$tmp/log")"
asked_is 'not asked'

# Somebody there: the banner and the question are seen, the answer is not, and it goes on.
# shellcheck disable=SC2086
fails_with 0 "^root@dr's password: " at_terminal 'open sesame' -- $resync_web01
asked_is asked
grep -q 'Authorised use only' "$tmp/out" || fail 'the banner is not shown'
grep -q 'synced' "$tmp/out" || fail "no result: $(cat "$tmp/out")"
if grep -q 'sesame' "$tmp/out"; then fail 'the password is shown'; fi
if grep -q 'vmseed: ' "$tmp/out"; then fail "an error: $(cat "$tmp/out")"; fi
same web01 "$tmp/web01.img"
change "$tmp/web01.img" second 4
cp "$(replica_disk "$dr" web01 vda)" "$tmp/before"
# shellcheck disable=SC2086
fails_with 1 'vmseed: .*ssh://root@dr: .*exited with 255' at_terminal guessed -- $resync_web01
grep -Eq '^root@dr: Permission denied' "$tmp/out" || fail 'the words of ssh are not shown'
asked_is asked
# shellcheck disable=SC2086
fails_with 130 'stopped by signal 2' at_terminal ^C -- $resync_web01
asked_is asked
cmp "$tmp/before" "$(replica_disk "$dr" web01 vda)"

# A banner, and nobody at a terminal: no error by itself, ...
ssh_is <<END
echo 'Authorised use only: all is logged.' >&2
exec "$VMSEED" --home "$dr" serve
END
# shellcheck disable=SC2086
run quickly $resync_web01
if grep -q 'vmseed: ' "$tmp/err"; then fail "a banner is an error: $(cat "$tmp/err")"; fi
same web01 "$tmp/web01.img"
# ... the only words that there are where nothing else was said, ...
ssh_is <<END
echo 'Authorised use only: all is logged.' >&2
exit 255
END
# shellcheck disable=SC2086
refuses 1 'Authorised use only' quickly $resync_web01
one_line
# ... and not the reason why a connection that stood breaks.
change "$tmp/web01.img" third 5
ssh_is <<END
echo 'Authorised use only: all is logged.' >&2
"$proxy" --cut-at 66000 --dir out -- "$VMSEED" --home "$dr" serve 2>/dev/null
exit 255
END
# shellcheck disable=SC2086
refuses 1 'ssh exited with 255' quickly $resync_web01
one_line
if grep -q 'Authorised' "$tmp/err"; then fail "the banner is blamed: $(cat "$tmp/err")"; fi
