#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The disks that may serve as media, told from those that may not, over disks that umockdev plays.
. "${0%/*}/lib.sh"
requires umockdev-run --version
export ASAN_OPTIONS=verify_asan_link_order=0	# the preloaded library comes before its runtime

disks=$top/tests/support/umockdev
with() { # "NAME..." CMD...: the command sees these disks and no others
	plugged=
	for name in $1; do
		plugged="$plugged -d $disks/$name.umockdev"
	done
	shift
	# shellcheck disable=SC2086 # words
	umockdev-run $plugged -- "$@"
}

# Nothing: one line, and what to do. No home is needed.
says 'plug one in and mount it; .list -a. shows the others' with 'sata-disk' vmseed media list
[ "$(wc -l <"$tmp/out")" = 1 ] || fail 'more than one line'
says 'sda +ST2000DM008-2FR102 +ZFL0A1B2 +1.8 TiB sata +is built in' \
	with 'sata-disk' vmseed media list -a
[ "$(with 'sata-disk' vmseed media list --json | json 'd["disks"]')" = '[]' ] || fail '--json'
fails_with 2 'argument' vmseed media list /dev/sdb

# What can be taken away, whatever ID_BUS and `removable` say.
external='usb-stick usb-sata-disk usb-nvme-enclosure thunderbolt-nvme sd-card firewire-disk twins'
run with "$external emmc sata-disk" vmseed media list
for line in 'sdb1 +Ultra Fit +4C530001230612110383 +28.6 GiB usb +vfat +CADDY' \
	'sdc1 +WDC WD10JPVX +WD-WXA1E33 +931.5 GiB usb +ext4 +blue caddy' \
	'sdd1 .* usb +exfat +TRAVEL' 'nvme1n1p1 +Samsung SSD 970 EVO +S466NX0M .* nvme +xfs +tb3' \
	'mmcblk0p1 +SC32G .* sd +exfat +CARD' 'sdm +LaCie +FW01 .* firewire +- ' \
	'sde1 +Expansion +NA8F0001 ' 'sdf1 +Expansion +NA8F0002 '; do
	grep -Eq "^$line" "$tmp/out" || fail "not listed: $line"
done
if grep -Eq '^(sda|mmcblk1)' "$tmp/out"; then fail 'a disk that is built in is listed'; fi
run with "$external emmc sata-disk" vmseed media list -a
grep -Eq '^mmcblk1 +DF4032 .* mmc +is built in' "$tmp/out" || fail 'eMMC'
if grep -q 'boot0' "$tmp/out"; then fail 'the boot area of an eMMC is no disk'; fi

# The same stick under another name.
one=$(with usb-stick vmseed media list --json |
	json '[(x["serial"], x["verdict"]) for x in d["disks"]]')
other=$(with usb-stick-again vmseed media list --json |
	json '[(x["serial"], x["verdict"]) for x in d["disks"]]')
[ "$one" = '[["4C530001230612110383", "fit"]]' ] || fail "one stick: $one"
[ "$one" = "$other" ] || fail "the stick under another name: $other"

# What others use.
run with 'usb-zfs usb-lvm usb-btrfs-pair usb-empty-reader usb-luks' vmseed media list -a
for line in 'sdh .*part of a ZFS pool' 'sdi .*in use by LVM \("vms-images"\)' \
	'sde .*btrfs file system on several disks' 'sdf .*btrfs file system on several disks' \
	'sdk .*no card in it' 'luks-caddy .* ext4 +secret'; do
	grep -Eq "^$line" "$tmp/out" || fail "not told: $line"
done

# Words of a device that would steer a terminal.
run with 'usb-hostile' vmseed media list
if LC_ALL=C grep -q "$(printf '[\001-\010\013-\037\177]')" "$tmp/out"; then
	fail 'control characters were repeated'
fi
grep -q '?\[31mred' "$tmp/out" || fail 'the model is not shown'
with 'usb-hostile' vmseed media list --json | json 'd["schema"]' >/dev/null || fail 'no JSON'

# On 80 columns nothing is broken.
requires python3 -c 'import pty'
cat >"$tmp/columns" <<'END'
import fcntl, os, pty, re, struct, sys, termios
pid, fd = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack('4H', 24, 80, 0, 0))
    os.execvp(sys.argv[1], sys.argv[1:])
raw = b''
while True:
    try:
        got = os.read(fd, 65536)
    except OSError:
        break
    if not got:
        break
    raw += got
os.waitpid(pid, 0)
lines = re.sub(r'\x1b\[[0-9;]*m', '', raw.decode()).splitlines()
sys.stdout.write('\n'.join(lines))
sys.exit(max(map(len, lines)) > 80)
END
run with "$external emmc usb-luks usb-zfs" python3 "$tmp/columns" "$VMSEED" media list -a
