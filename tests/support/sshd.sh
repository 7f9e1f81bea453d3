# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=sh
# A real sshd for one story, on a free port of 127.0.0.1, as whoever runs it, with keys of its own;
# it ends with the story. Sourced behind cli/lib.sh, whose $tmp it lives in.
#
#   sshd_start              starts it; nobody may log in yet. Sets $ssh_port, $ssh_user, and
#                           $ssh_to, user@127.0.0.1:port; leaves its messages in $tmp/ssh/log
#   sshd_allow [COMMAND]    the key of the story may log in: for COMMAND alone, whatever is
#                           asked for, or (without) for anything
#   sshd_stop, sshd_again   end it; start it again on the same port
#   ssh_options             prints the options that reach it, one a line, each for ssh's -o
#   $ssh_config             the same as a file for ssh's -F
#   $ssh_program            an ssh that reads that file alone: for VMSEED_SSH
#
# What the far end runs finds vmseed in PATH as the story does.

sshd_requires() {
	requires ssh -V
	requires test -x /usr/sbin/sshd
	# sshd takes an account whose password field begins with "!" for locked.
	if [ "$(id -u)" = 0 ] && grep -q '^root:!' /etc/shadow; then
		echo 'this story requires: an account for ssh that is not locked'
		exit 77
	fi
}

sshd_free_port() {
	python3 -c 'import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])'
}

sshd_listens() {
	grep -q 'Server listening on 127.0.0.1' "$tmp/ssh/log" 2>/dev/null
}

# True when it listens. An hour is more than any story takes.
sshd_run() { # PORT
	: >"$tmp/ssh/log"
	timeout 3600 /usr/sbin/sshd -D -f "$tmp/ssh/sshd_config" -p "$1" -E "$tmp/ssh/log" &
	sshd_pid=$!
	sshd_tries=0
	until sshd_listens; do
		sshd_tries=$((sshd_tries + 1))
		if [ $sshd_tries -gt 100 ] || ! kill -0 "$sshd_pid" 2>/dev/null; then
			sshd_stop
			return 1
		fi
		sleep 0.1
	done
}

sshd_stop() {
	[ -z "${sshd_pid:-}" ] || kill "$sshd_pid" 2>/dev/null || :
	[ -z "${sshd_pid:-}" ] || wait "$sshd_pid" 2>/dev/null || :
	sshd_pid=
}

sshd_again() {
	sshd_run "$ssh_port" || fail "sshd does not come up again: $(cat "$tmp/ssh/log")"
}

sshd_configure() {
	cat >"$tmp/ssh/sshd_config" <<END
ListenAddress 127.0.0.1
HostKey $tmp/ssh/host
PidFile none
AuthorizedKeysFile $tmp/ssh/authorized_keys
AuthenticationMethods publickey
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
UseDNS no
MaxStartups 100
SetEnv PATH=$PATH
END
	cat >"$ssh_config" <<END
Host *
	User $ssh_user
	IdentityFile $tmp/ssh/user
	IdentitiesOnly yes
	IdentityAgent none
	UserKnownHostsFile $tmp/ssh/known_hosts
	GlobalKnownHostsFile /dev/null
	StrictHostKeyChecking yes
	ConnectTimeout 20
END
}

sshd_start() {
	sshd_requires
	mkdir -m 700 "$tmp/ssh"
	ssh_user=$(id -un) ssh_config=$tmp/ssh/config ssh_program=$tmp/ssh/ssh sshd_pid=
	ssh-keygen -q -t ed25519 -N '' -f "$tmp/ssh/host"
	ssh-keygen -q -t ed25519 -N '' -f "$tmp/ssh/user"
	sshd_configure
	: >"$tmp/ssh/authorized_keys"
	printf '#!/bin/sh\nexec ssh -F %s "$@"\n' "$ssh_config" >"$ssh_program"
	chmod 755 "$ssh_program"
	# Where root's sshd confines what speaks with strangers; made at boot elsewhere.
	[ "$(id -u)" != 0 ] || mkdir -p /run/sshd
	trap 'sshd_stop; chmod -R u+rwx "$tmp" 2>/dev/null || :; rm -rf "$tmp"' EXIT
	for _ in 1 2 3 4 5; do		# another program may be quicker to take a port
		ssh_port=$(sshd_free_port)
		! sshd_run "$ssh_port" || break
	done
	[ -n "$sshd_pid" ] || fail "sshd does not come up: $(cat "$tmp/ssh/log")"
	# shellcheck disable=SC2034 # for the stories
	ssh_to=$ssh_user@127.0.0.1:$ssh_port
	printf '[127.0.0.1]:%s %s\n' "$ssh_port" "$(cat "$tmp/ssh/host.pub")" >"$tmp/ssh/known_hosts"
}

sshd_allow() { # [COMMAND]
	if [ $# = 0 ]; then
		cat "$tmp/ssh/user.pub" >"$tmp/ssh/authorized_keys"
	else
		printf 'restrict,command="%s" %s\n' "$1" "$(cat "$tmp/ssh/user.pub")" \
			>"$tmp/ssh/authorized_keys"
	fi
}

ssh_options() {
	sed -n 's/^	\([A-Za-z]*\) /\1=/p' "$ssh_config"
}
