#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# bare.sh [COMMAND...]: what the README promises, in a Debian 12 that has only git, gcc and make.
#
# mmdebstrap makes the chroot from this machine's own apt configuration (sources, proxy);
# what is committed here is cloned into it; `make demo` and `make check` run there, or each
# COMMAND given ("make demo"). Needs root. About 3 GiB in BARE_DIR (by default a folder made in
# $TMPDIR and removed).
set -u
cd "${0%/*}/.." || exit 1
[ "$(id -u)" = 0 ] || { echo 'bare.sh: needs root, for a chroot' >&2; exit 1; }
tests/support/setup.sh bare || exit 1
[ $# -gt 0 ] || set -- 'make demo' 'make check'

work=${BARE_DIR:-$(mktemp -d "${TMPDIR:-/var/tmp}/vmseed-bare.XXXXXX")}
root=$work/root
passed=0 failed=0
mkdir -p "$work"
finish() {
	local at
	# Nothing is removed as long as something is mounted in it.
	awk -v r="$(realpath "$root")/" 'index($2 "/", r) == 1 { print $2 }' /proc/self/mounts | sort -r |
		while read -r at; do umount "$at" || umount -l "$at"; done
	if grep -q " $(realpath "$root")[/ ]" /proc/self/mounts; then
		echo "bare.sh: left as it is, something is mounted in it: $work" >&2
	else
		rm -rf --one-file-system "$work"
	fi
	echo "$passed passed, $failed failed, 0 skipped"
	[ "$failed" = 0 ]
}
trap finish EXIT
trap 'exit 130' INT TERM

step() { # TEXT CMD...
	local text=$1 status=0
	shift
	echo "== $text"
	"$@" || status=$?
	if [ $status != 0 ]; then
		failed=$((failed + 1))
		echo "FAILED   $text (exit $status)"
		exit 1
	fi
	passed=$((passed + 1))
}

# mmdebstrap leaves in the chroot what it used itself: Debian's sources as this machine has them
# (its default where there are none), and how apt reaches them.
bootstrap() {
	local conf=$work/apt.conf file sources=()
	apt-config dump | grep -E '^Acquire::https?::.* ".+";$' >"$conf"
	for file in /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list; do
		if [ -s "$file" ] && grep -q '^[^#].*bookworm' "$file"; then
			sources=("$file")
			break
		fi
	done
	mmdebstrap --quiet --variant=apt --include=git,gcc,make,libc6-dev,ca-certificates \
		--aptopt="$conf" bookworm "$root" "${sources[@]}" 2>"$work/log" ||
		{ tail -n 20 "$work/log"; return 1; }
}

# The root is a mount of its own, as on a machine: unshare asks for that.
mounts() {
	mount --bind "$root" "$root" && mount --make-private "$root" && mount -t proc proc "$root/proc" && mount --rbind /dev "$root/dev" &&
		mount --make-rslave "$root/dev" && mount -t sysfs -o ro sysfs "$root/sys"
}

clone() {
	local here
	here=$(git rev-parse --show-toplevel) || return
	git clone -q --no-local --bare "$here" "$work/origin.git" &&
		mkdir -p "$root/mnt" "$root/root" && cp -R "$work/origin.git" "$root/mnt/origin.git" &&
		inside 'git clone -q /mnt/origin.git vmseed'
}

# A login at a new machine: nothing of our environment but the proxy.
inside() { # COMMAND
	env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb \
		${http_proxy:+http_proxy="$http_proxy"} \
		${https_proxy:+https_proxy="$https_proxy"} \
		chroot "$root" /bin/sh -c "cd /root && $1" </dev/null
}

step 'a bare Debian 12 with git, gcc and make' bootstrap
step 'proc, dev and sys in it' mounts
step 'git clone' clone
for command; do
	step "$command" inside "cd vmseed && $command"
done
