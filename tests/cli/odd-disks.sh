#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Disks of any size come over bit for bit: odd, tiny, empty, all zero, all hole, without any
# byte; also several to a VM, and formats that are none: raw stays raw.
. "${0%/*}/lib.sh"
two_sites
caddy=$tmp/caddy
make_medium "$caddy"
sizes='1 511 512 513 65535 65536 65537 131071 1000000 1048577 3000001'
set --
for size in $sizes; do
	make_disk "$tmp/$size.img" "$size" "$size"
	set -- "$@" "odd$size=$tmp/$size.img"
done
truncate -s 5M "$tmp/hole.img"
truncate -s 5000001 "$tmp/oddhole.img"
head -c 2000000 /dev/zero >"$tmp/zero.img"
: >"$tmp/none.img"
# A disk that its definition calls raw stays so, whatever its guest wrote at its start: here
# the header of a qcow2 with a backing file. Where nothing says so, it is not guessed.
printf 'QFI\373\0\0\0\3\0\0\0\0\0\0\0\160\0\0\0\013/etc/passwd' >"$tmp/disguised.img"
truncate -s 200K "$tmp/disguised.img"
cat >"$tmp/disguised.xml" <<END
<domain type='kvm'><name>disguised</name><uuid>11111111-2222-4333-8444-555555555501</uuid>
<devices><disk type='file' device='disk'><driver name='qemu' type='raw'/>
<source file='$tmp/disguised.img'/><target dev='vda'/></disk></devices></domain>
END
refuses 1 'disk vda is qcow2, and only raw images can be read' vmseed --home "$hq" export \
	--media "$caddy" --for dr "disguised=$tmp/disguised.img"
for kind in hole oddhole zero; do
	set -- "$@" "$kind=$tmp/$kind.img"
done
run vmseed -q --home "$hq" export --media "$caddy" --for dr "$@" \
	"$tmp/disguised.xml" "many=$tmp/513.img,$tmp/hole.img,$tmp/65537.img"
run vmseed -q --home "$dr" verify --media "$caddy"
run vmseed -q --home "$dr" import --media "$caddy"
vmseed --home "$dr" status --json >"$tmp/status"
same() { # VM SLOT FILE
	disk=$(json "next(k['path'] for r in d['replicas'] if r['name'] == '$1'
		for k in r['disks'] if k['slot'] == '$2')" <"$tmp/status")
	cmp "$tmp/$3.img" "$disk"
}
for size in $sizes; do
	same "odd$size" vda "$size"
done
for kind in hole oddhole zero disguised; do
	same $kind vda $kind
done
same many vda 513
same many vdb hole
same many vdc 65537
for kind in hole oddhole zero; do
	disk=$(json "next(r['disks'][0]['path'] for r in d['replicas'] if r['name'] == '$kind')" \
		<"$tmp/status")
	[ "$(stat -c %b "$disk")" = 0 ] || fail "$kind takes room at the destination"
done
run vmseed -q --home "$dr" verify --replica odd65537
run vmseed -q --home "$dr" verify --replica hole

# A disk without a byte is a disk; what is none is said.
run vmseed -q --home "$hq" export --media "$caddy" --for dr "none=$tmp/none.img"
run vmseed -q --home "$dr" import --media "$caddy" none
cmp "$tmp/none.img" "$(replica_disk "$dr" none vda)"
refuses 1 'none.such.*No such file' vmseed --home "$hq" export --media "$caddy" --for dr \
	"x=$tmp/none.such"
refuses 1 'neither a file nor a block device' vmseed --home "$hq" export --media "$caddy" --for dr \
	"x=$tmp"
mkfifo "$tmp/fifo"
refuses 1 'neither a file nor a block device' timeout 20 vmseed --home "$hq" export \
	--media "$caddy" --for dr "x=$tmp/fifo"
refuses 1 'neither a file nor a block device' vmseed --home "$hq" export --media "$caddy" --for dr \
	x=/dev/zero
# One of several: the others are exported, and the run says that not all were.
refuses 3 '1 of 2 VMs were not exported, the first is .?x.?: .*none.such' \
	vmseed -q --home "$hq" export --media "$caddy" --for dr "x=$tmp/none.such" \
	"last=$tmp/513.img"
run vmseed -q --home "$dr" import --media "$caddy" last
