#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Destinations that are options, commands or nonsense; an ssh that greets, dies, asks, or finds no
# vmseed: one line of error each, nothing run, nobody waited for.
. "${0%/*}/lib.sh"
. "$top/tests/support/sshd.sh"
. "$top/tests/support/resync.sh"
sshd_requires
two_sites
make_disk "$tmp/web01.img" 1M 1
vm=web01=$tmp/web01.img
seed "$vm"
sshd_start
ran=$tmp/ran

refused() { # STATUS REGEX DEST [OPTION...]
	refused_status=$1 refused_regex=$2 dest=$3
	shift 3
	refuses "$refused_status" "$refused_regex" timeout 60 vmseed --home "$hq" resync --retries 0 \
		--to "$dest" "$@" "$vm" </dev/null
	[ "$(grep -c '^vmseed: ' "$tmp/err")" = 1 ] || fail "not one line of error: $(cat "$tmp/err")"
	[ ! -e "$ran" ] || fail "a command was run for $dest"
}

peer_is /usr/bin/touch "$ran"		# whoever starts ssh for one of these is found out
for name in "ssh://-oProxyCommand=touch $ran" "ssh://-oProxyCommand=touch%20$ran/" \
	"ssh://-oProxyCommand=touch@host" "ssh://-l" "ssh://user@-oProxyCommand=x" \
	"ssh://host;touch $ran" "ssh://host\$(touch $ran)" 'ssh://ho st' 'ssh://' 'ssh://@host' \
	'ssh://user:secret@host' 'ssh://host:port' 'ssh://host:99999' 'ssh://host:0' 'ssh://host:' \
	'ssh://::1' 'ssh://[::1' "ssh://host/home;touch $ran" "ssh://host/\$(touch $ran)" \
	"ssh://host/home with space" "ssh://host/-x'y" "$(printf 'ssh://ho\nst')" 'http://host/' \
	'rsync://host' "ssh://$(printf '%01000d' 0)"; do
	refused 2 '.' "$name"
	if grep -q secret "$tmp/err"; then fail 'a password is shown'; fi
done
refused 2 'remote program' ssh://host --remote-program "vmseed; touch $ran"

# ssh that greets, says nonsense, dies, is not there.
peer_is sh -c 'echo Welcome to dr; echo Please behave; sleep 30'
refused 1 'Welcome to dr' ssh://host
peer_is sh -c 'exit 255'
refused 1 '255' ssh://host
peer_is sh -c 'echo "ssh: Could not resolve hostname dr: Name or service not known" >&2; exit 255'
refused 1 'Could not resolve hostname dr' ssh://host
peer_is sh -c 'kill -9 $$'
refused 1 'signal|killed' ssh://host
peer_is sh -c 'printf "\033[2Jscreen\007" >&2; exit 1'
refused 1 '.' ssh://host
peer_is sh -c 'yes x | head -c 100000000 >&2; exit 3'
refused 1 '.' ssh://host
VMSEED_SSH=$tmp/nosuch refused 1 'nosuch' ssh://host
VMSEED_SSH=$tmp/web01.img refused 1 'web01.img' ssh://host
no_link
refuses 1 'ssh' env PATH="$tmp/nowhere" "$VMSEED" --home "$hq" resync --retries 0 --to ssh://host "$vm"

# The real one: nobody listens, the wrong key, a password wanted, the wrong host, no vmseed there.
export VMSEED_SSH="$ssh_program"
refused 1 'denied' "ssh://$ssh_to"
sshd_stop
refused 1 'refused' "ssh://$ssh_to"
sed -i 's/^PasswordAuthentication no/PasswordAuthentication yes/
	s/^AuthenticationMethods.*/AuthenticationMethods password/' "$tmp/ssh/sshd_config"
sshd_again
refused 1 'denied' "ssh://$ssh_to"
sshd_stop
sshd_configure
sshd_again
sshd_allow
refused 1 'not installed there, or not in PATH' "ssh://$ssh_to$dr" --remote-program nosuch
refused 1 '.' "ssh://$ssh_to$dr" --remote-program true
refused 1 'no home' "ssh://$ssh_to$tmp/nowhere"
sshd_allow 'echo This account is not available.; exit 1'
refused 1 'This account is not available' "ssh://$ssh_to$dr"
ssh-keygen -q -t ed25519 -N '' -f "$tmp/ssh/another"
printf '[127.0.0.1]:%s %s\n' "$ssh_port" "$(cat "$tmp/ssh/another.pub")" >"$tmp/ssh/known_hosts"
refused 1 'Host key verification failed' "ssh://$ssh_to$dr"
