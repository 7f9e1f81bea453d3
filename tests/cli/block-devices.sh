#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# A block device is a disk like any other; one that is mounted is refused, and by what it is held.
. "${0%/*}/lib.sh"
if [ -z "${INSIDE:-}" ]; then
	requires unshare -m true
	requires mkfs.ext4 -V
	requires sh -c 'dev=$(losetup -f) && [ -b "$dev" ]'
	INSIDE=1 unshare -m "$0" && exit 0 || exit $?
fi
two_sites
caddy=$tmp/caddy
make_medium "$caddy"
make_disk "$tmp/web01.img" 3M 1
truncate -s 8M "$tmp/fs.img"
mkfs.ext4 -q "$tmp/fs.img"
first=$(losetup -f --show "$tmp/web01.img")
second=$(losetup -f --show "$tmp/fs.img")
trap 'umount "$tmp/mnt" 2>/dev/null || :; losetup -d "$first" "$second" || :; rm -rf "$tmp"' EXIT

run vmseed -q --home "$hq" export --media "$caddy" --for dr "web01=$first"
grep -q offline "$tmp/out" || fail 'a device that was held is not called offline'
run vmseed -q --home "$dr" import --media "$caddy"
cmp "$tmp/web01.img" "$(replica_disk "$dr" web01 vda)"

mkdir "$tmp/mnt"
mount "$second" "$tmp/mnt"
refuses 8 "${second}: mounted on .*mnt" vmseed --home "$hq" export --media "$caddy" --for dr \
	"fs=$second"
umount "$tmp/mnt"
run vmseed -q --home "$hq" export --media "$caddy" --for dr "fs=$second"
run vmseed -q --home "$dr" import --media "$caddy"
cmp "$tmp/fs.img" "$(replica_disk "$dr" fs vda)"
