#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# demo.sh: two small VMs travel from one site to another on a folder that stands for a disk
# caddy. Both sites are homes on this machine. Needs vmseed (VMSEED=PATH, or on the PATH), no
# root, and 300 MiB in TMPDIR (/var/tmp) for as long as it runs.
set -eu
umask 022
unset VMSEED_HOME XDG_DATA_HOME
[ -z "${VMSEED:-}" ] || PATH=${VMSEED%/*}:$PATH

work=$(mktemp -d "${TMPDIR:-/var/tmp}/vmseed-demo.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
cd "$work"

say() { printf '\n== %s\n' "$*"; }

# at SITE CMD...: show the command as it is typed at that site, and run it there.
at() {
	site=$1
	shift
	printf '%s# %s\n' "$site" "$*"
	VMSEED_HOME=$work/$site-home "$@"
}

# card SITE: its card in SITE.card and its fingerprint, as its operator would read it out.
card() {
	printf '%s# vmseed key card > %s.card\n' "$1" "$1"
	VMSEED_HOME=$work/$1-home vmseed key card >"$1.card"
	fingerprint=$(VMSEED_HOME=$work/$1-home vmseed key card --json |
		sed -n 's/.*"fingerprint": *"\([^"]*\)".*/\1/p')
}

say 'Two VMs at hq: web01, and app01, which was cloned from the same template'
truncate -s 128M web01.img app01.img
head -c 24M /dev/urandom >template
dd if=template of=web01.img bs=1M seek=1 conv=notrunc status=none
dd if=template of=app01.img bs=1M seek=1 conv=notrunc status=none
head -c 2M /dev/urandom | dd of=app01.img bs=1M seek=40 conv=notrunc status=none
seq 1000000 | dd of=web01.img bs=1M seek=60 conv=notrunc status=none
rm template
ls -lsh web01.img app01.img

say 'Once per site: a key, and a card to show to others'
at hq vmseed key new hq
at dr vmseed key new dr

say 'Each site trusts the card of the other, by the fingerprint read out over the phone'
card dr
at hq vmseed key trust dr.card --fingerprint "$fingerprint"
card hq
at dr vmseed key trust hq.card --fingerprint "$fingerprint"

say 'The medium is enrolled and the VMs are exported to it, sealed for dr'
mkdir caddy
at hq vmseed media prepare caddy --allow-internal
at hq vmseed export --media caddy --for dr web01=web01.img app01=app01.img
du -sh caddy

say 'The medium has travelled. Believe nothing on it, then import every VM'
at dr vmseed verify --media caddy
at dr vmseed import --media caddy
at dr vmseed status

say 'The replicas are what was exported, bit for bit'
for vm in web01 app01; do
	printf 'dr# cmp %s.img %s\n' "$vm" "$(echo dr-home/replicas/$vm.*/vda.raw)"
	cmp "$vm.img" dr-home/replicas/"$vm".*/vda.raw
done

say 'Damage on the medium does not get past verify'
pack=$(find caddy -name 00000001.pack)
printf 'hq# (a few bytes in the middle of %s change)\n' "${pack##*/}"
printf 'not what was here' | dd of="$pack" bs=1 seek=5000000 conv=notrunc status=none
if at dr vmseed verify --media caddy; then
	echo 'demo.sh: damage was not noticed' >&2
	exit 1
else
	echo "(exit status $?: data differs from its digest)"
fi
say 'Done'
