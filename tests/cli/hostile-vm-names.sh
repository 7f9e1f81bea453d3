#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# What a VM is called is up to whoever made it: paths, control characters and equal names stay
# names, on both sides; one VM given twice is refused with both named.
. "${0%/*}/lib.sh"
two_sites
caddy=$tmp/caddy
make_medium "$caddy"
for i in 1 2 3 4; do
	make_disk "$tmp/disk$i.img" 700K "$i"
done
escape=$(printf 'vm\033[31mred\033[0m\nline2\ttab')

domain() { # FILE NAME UUID DISK
	cat >"$1" <<END
<domain type='kvm'><name>$2</name><uuid>$3</uuid><devices>
<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='$4'/>
<target dev='vda' bus='virtio'/></disk></devices></domain>
END
}
domain "$tmp/path.xml" '../../x' 11111111-2222-4333-8444-555555555501 "$tmp/disk1.img"
domain "$tmp/lines.xml" "$(printf 'a\nb&#10;c&#9;d')" 11111111-2222-4333-8444-555555555502 \
	"$tmp/disk2.img"
domain "$tmp/twin.xml" '../../x' 11111111-2222-4333-8444-555555555503 "$tmp/disk3.img"

nothing_raw() {
	if cat "$tmp/out" "$tmp/err" | grep -q '[^[:print:]	]'; then fail "raw: $1"; fi
}
run vmseed -q --home "$hq" export --media "$caddy" --plaintext "$tmp/path.xml" "$tmp/lines.xml" \
	"$tmp/twin.xml" "$escape=$tmp/disk4.img"
nothing_raw export
# No name of a VM is a name on the medium.
find "$caddy" | LC_ALL=C grep -E "$(printf '[^-a-zA-Z0-9._/]|vm.*red')" | grep -v "^$tmp/caddy$" &&
	fail 'a name of a VM is on the medium'
for command in verify import status; do
	case $command in
	status) run vmseed --home "$dr" status ;;
	*) run vmseed -q --home "$dr" $command --media "$caddy" ;;
	esac
	nothing_raw $command
done
[ ! -e "$tmp/x" ] && [ ! -e "$dr/x" ] || fail 'a name led out of the store'
[ "$(find "$dr/replicas" -mindepth 1 -maxdepth 1 -type d | wc -l)" = 4 ] || fail 'not four replicas'
find "$dr/replicas" -mindepth 1 -maxdepth 1 | sed 's|.*/||' |
	grep -Evx '[a-z0-9-]{1,32}\.[0-9a-f]{8}' && fail 'a folder is not what a replica is called'
vmseed --home "$dr" status --json >"$tmp/status"
for pair in 01:1 02:2 03:3; do
	disk=$(json "next(r['disks'][0]['path'] for r in d['replicas']
		if r['uuid'].endswith('${pair%:*}') and r['uuid'].startswith('1111'))" <"$tmp/status")
	cmp "$tmp/disk${pair#*:}.img" "$disk"
done
cmp "$tmp/disk4.img" "$(json "next(r['disks'][0]['path'] for r in d['replicas']
	if r['name'].startswith('vm'))" <"$tmp/status")"
[ "$(json "[r['name'] for r in d['replicas'] if r['name'].startswith('vm')]" <"$tmp/status")" = \
	'["vm\u001b[31mred\u001b[0m\nline2\ttab"]' ] || fail 'the name did not come over as it is'

# Two of one name: the name alone does not say which.
refuses 2 '2 VMs on the media have this name' \
	vmseed -q --home "$dr" import --media "$caddy" ../../x
run vmseed -q --home "$dr" import --media "$caddy" 11111111-2222-4333-8444-555555555503
refuses 2 '.' vmseed --home "$dr" verify --replica ../../x
refuses 2 'no such VM' vmseed -q --home "$dr" import --media "$caddy" "$escape-"

# One VM twice: by definition, by name, by both.
cp "$tmp/path.xml" "$tmp/copy.xml"
refuses 2 'path.xml.*copy.xml.* are one VM|copy.xml.*path.xml' \
	vmseed --home "$hq" export --media "$caddy" --plaintext "$tmp/path.xml" "$tmp/copy.xml"
refuses 2 'web01=.*web01=.* are one VM' vmseed --home "$hq" export --media "$caddy" --plaintext \
	"web01=$tmp/disk1.img" "web01=$tmp/disk2.img"
refuses 2 'are one VM' vmseed --home "$hq" export --media "$caddy" --plaintext \
	"$tmp/path.xml" "db01=$tmp/disk2.img" "$tmp/path.xml"
# Spelled otherwise, it is the same uuid.
sed 's/11111111-2222-4333-8444-555555555501/11111111222243338444555555555501/; s/x</y</' \
	"$tmp/path.xml" >"$tmp/copy.xml"
refuses 2 'are one VM' vmseed --home "$hq" export --media "$caddy" --plaintext \
	"$tmp/path.xml" "$tmp/copy.xml"

# Names that are none.
refuses 2 'name' vmseed --home "$hq" export --media "$caddy" --plaintext "=$tmp/disk1.img"
long=$(head -c 5000 /dev/zero | tr '\0' n)
refuses 2 'name|long' vmseed --home "$hq" export --media "$caddy" --plaintext \
	"$long=$tmp/disk1.img"
[ "$(find "$caddy" -path '*/commits/0000000?.json' | wc -l)" = 1 ] || fail 'a refused export made a commit'
