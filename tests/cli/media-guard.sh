#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# media prepare judges the disk under a folder: real mounts of loop devices, whose numbers umockdev
# gives to a USB disk, a disk that is built in, and the disk of the system.
. "${0%/*}/lib.sh"
if [ -z "${INSIDE:-}" ]; then
	requires unshare -m true
	requires umockdev-run --version
	requires mkfs.ext4 -V
	requires sh -c 'dev=$(losetup -f) && [ -b "$dev" ]'
	INSIDE=1 unshare -m "$0" && exit 0 || exit $?
fi
export ASAN_OPTIONS=verify_asan_link_order=0	# the preloaded library comes before its runtime
two_sites
disks=$top/tests/support/umockdev
caddy=$tmp/caddy
mkdir "$caddy"
truncate -s 24M "$tmp/fs.img"
mkfs.ext4 -q "$tmp/fs.img"
loop=$(losetup -f --show "$tmp/fs.img")
trap 'umount "$caddy" 2>/dev/null || :; losetup -d "$loop" || :; rm -rf "$tmp"' EXIT
mount "$loop" "$caddy"
number=$(stat -c '%Hr:%Lr' "$loop")

# as NAME OLD NEW: the description NAME, with the device number OLD exchanged for NEW.
as() {
	python3 - "$disks/$1.umockdev" "$2" "$3" >"$tmp/$1.umockdev" <<'END'
import sys
text, (old, new) = open(sys.argv[1]).read(), (n.split(':') for n in sys.argv[2:])
for form in ('E: MAJOR={}\nE: MINOR={}\n', 'A: dev={}:{}\n'):
    assert form.format(*old) in text
    text = text.replace(form.format(*old), form.format(*new))
sys.stdout.write(text)
END
}
with() { # NAME CMD...
	name=$1
	shift
	umockdev-run -d "$tmp/$name.umockdev" -- "$@"
}
as usb-sata-disk 8:33 "$number"
as sata-disk 8:1 "$number"

# What it is really on, and another place that is no disk.
fails_with 2 "is inside the file .*fs.img.*--allow-internal" vmseed --home "$hq" media prepare "$caddy"
mkdir "$tmp/ram"
mount -t tmpfs none "$tmp/ram"
fails_with 2 'is in memory .*--allow-internal' vmseed --home "$hq" media prepare "$tmp/ram"
umount "$tmp/ram"

# A disk that is built in: refused, asked for at a terminal, or meant.
fails_with 2 'on the disk sda \(ST2000DM008-2FR102, serial ZFL0A1B2\), which is built in' \
	with sata-disk vmseed --home "$hq" media prepare "$caddy"
[ ! -e "$caddy/vmseed" ] || fail 'something was written'
cat >"$tmp/answer" <<'END'
import os, pty, sys
pid, fd = pty.fork()
if pid == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
shown = b''
while True:
    try:
        got = os.read(fd, 4096)
    except OSError:
        break
    if not got:
        break
    shown += got
    if got.endswith(b'? '):
        os.write(fd, sys.argv[1].encode() + b'\n')
sys.stdout.buffer.write(shown)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
END
fails_with 2 'all the same' with sata-disk python3 "$tmp/answer" no \
	vmseed --home "$hq" media prepare "$caddy"
[ ! -e "$caddy/vmseed" ] || fail 'no was taken for yes'
says 'Prepared' with sata-disk python3 "$tmp/answer" yes \
	vmseed --home "$hq" media prepare "$caddy"
says 'prepared already' with sata-disk python3 "$tmp/answer" no \
	vmseed --home "$hq" media prepare "$caddy"
rm -r "$caddy/vmseed"
says 'Prepared' with sata-disk vmseed --home "$hq" media prepare -y "$caddy"
rm -r "$caddy/vmseed"

# The disk of the system, if it has a number of its own here: never by an answer.
root=$(awk '$5 == "/" { print $3 }' /proc/self/mountinfo | tail -n 1)
if [ "${root%%:*}" != 0 ] && [ -e /proc/swaps ]; then
	as system-luks-lvm 254:41 "$root"
	mkdir "$tmp/folder"
	printf 'Filename Type Size Used Priority\n/dev/dm-2 partition 9 0 -2\n' >"$tmp/swaps"
	mount --bind "$tmp/swaps" /proc/swaps
	says 'nvme0n1 .*backs "/".* and swap through LVM on LUKS' \
		with system-luks-lvm vmseed --home "$hq" media list -a
	if [ "$(findmnt -no TARGET -T "$tmp")" = / ]; then
		fails_with 2 'this system runs from it.*only --allow-internal' \
			with system-luks-lvm python3 "$tmp/answer" yes \
			vmseed --home "$hq" media prepare "$tmp/folder"
		fails_with 2 'this system runs from it.*only --allow-internal' \
			with system-luks-lvm vmseed --home "$hq" media prepare -y "$tmp/folder"
		says 'for trials alone' with system-luks-lvm \
			vmseed --home "$hq" media prepare --allow-internal "$tmp/folder"
		if grep -q e2label "$tmp/out"; then fail 'labelling a system disk was proposed'; fi
	fi
	umount /proc/swaps
fi

# A USB disk needs no option, and is known by its model and serial.
says 'e2label /dev/sdc1 .blue caddy.' \
	with usb-sata-disk vmseed --home "$hq" media prepare "$caddy" --label 'blue caddy'
says 'model +"WDC WD10JPVX"' vmseed --home "$dr" media show "$caddy"
says 'serial +"WD-WXA1E33"' vmseed --home "$dr" media show "$caddy"
says 'none yet' with usb-sata-disk vmseed --home "$dr" media list
make_disk "$tmp/web01.img" 1M
run vmseed --home "$hq" export --media "$caddy" --for dr "web01=$tmp/web01.img"
set_id=$(vmseed --home "$dr" media show --json "$caddy" | json 'd["sets"][0]["set"][:8]')
says "sdc1 +WDC WD10JPVX .* $set_id" with usb-sata-disk vmseed --home "$dr" media list
says 'read-only|MiB' with usb-sata-disk vmseed --home "$tmp/none" media list
[ "$(with usb-sata-disk vmseed --home "$dr" media list --json |
	json '[d["disks"][0]["file_systems"][0][k] for k in ("mounted_on", "read_only")]')" = \
	"[\"$caddy\", false]" ] || fail 'media list --json'
says '"blue caddy"' with usb-sata-disk vmseed --home "$dr" media list --json

python3 -c 'from jsonschema import Draft202012Validator' 2>/dev/null &&
	with usb-sata-disk vmseed --home "$dr" media list --json | python3 -c 'import json, sys
from jsonschema import Draft202012Validator
Draft202012Validator(json.load(open(sys.argv[1]))).validate(json.load(sys.stdin))
' "$top/manifests/output/media-list.schema.json"

# The file system's own label, by its own tool.
rm -r "$caddy/vmseed"
says 'labelled "red caddy"' vmseed --home "$hq" media prepare "$caddy" --allow-internal \
	--label 'red caddy' --set-label
umount "$caddy"
[ "$(e2label "$tmp/fs.img")" = 'red caddy' ] || fail 'the file system has another label'
mkdir "$tmp/plain"
fails_with 2 'set-label' vmseed --home "$hq" media prepare "$tmp/plain" --allow-internal --set-label
[ ! -e "$tmp/plain/vmseed" ] || fail 'something was written'
