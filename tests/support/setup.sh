#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# setup.sh GROUP...: install the Debian 12 packages that a job needs and that are missing.
#
#   build   to compile libseed and the vmseed command
#   check   to run `make check`
#   deep    to run the sanitizer, clang, valgrind, interop and crash checks
#   fleet   to build real guests, carry them over and boot one
#   bench   to measure against other people's programs
#   bare    to try everything in a bare Debian
#
# Says what it installs; says nothing when nothing is missing. Root, or sudo.
set -eu

packages() {
	case $1 in
	build) echo gcc libc6-dev make pkgconf libssl-dev libzstd-dev libxxhash-dev libjansson-dev \
		libxml2-dev libudev-dev libpopt-dev libsmartcols-dev ;;
	check) echo libcmocka-dev bsdutils e2fsprogs libumockdev-dev libxxhash0 mandoc \
		minisign mount openssh-client openssh-server openssl perl-base python3 \
		python3-cryptography python3-jsonschema qemu-utils umockdev xfsprogs ;;
	deep) echo clang libclang-rt-dev valgrind strace zstd jq python3-zstandard ;;
	fleet) echo mmdebstrap fdisk dosfstools e2fsprogs qemu-system-x86 python3 openssh-server openssh-client ;;
	bench) echo borgbackup restic rsync qemu-utils tar zstd python3 openssh-server openssh-client ;;
	bare) echo mmdebstrap git ;;
	*) echo "setup.sh: no group $1" >&2; exit 2 ;;
	esac
}

[ $# -gt 0 ] || { echo "usage: setup.sh build|check|deep|fleet|bench|bare ..." >&2; exit 2; }
wanted=
for group in "$@"; do
	list=$(packages "$group")
	wanted="$wanted $list"
done

if ! command -v dpkg-query >/dev/null; then
	echo "setup.sh: this is not Debian; provide what these packages hold, or go on at" >&2
	echo "setup.sh: your own risk:$wanted" >&2
	exit 0
fi
missing=
for package in $wanted; do
	case " $missing " in *" $package "*) continue ;; esac
	state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
	[ "$state" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
	as_root=sudo
	command -v sudo >/dev/null || {
		echo "setup.sh: missing:$missing" >&2
		echo "setup.sh: neither root nor sudo here; as root: apt-get install$missing" >&2
		exit 1
	}
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "setup.sh: installing with apt-get what $* needs and is missing:$missing"
# shellcheck disable=SC2086 # word splitting is how the lists are made
if ! { $as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq &&
	$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
		--no-install-recommends $missing; } >"$log" 2>&1; then
	tail -n 20 "$log" >&2
	echo "setup.sh: apt-get failed; above are its last lines" >&2
	exit 1
fi
echo "setup.sh: installed"
