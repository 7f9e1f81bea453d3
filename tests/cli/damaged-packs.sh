#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# A pack that is cut, flipped, gone or another one's: verify names it, import brings all that is
# sound and lists what is missing, and an undamaged medium brings just that.
. "${0%/*}/lib.sh"
two_sites
caddy=$tmp/caddy
make_disk "$tmp/web01.img" 4M 1
make_disk "$tmp/db01.img" 2M 2

# How: the disk that is whole, or wrong only where its missing list says so.
right_or_missing() { # VM
	python3 - "$tmp/$1.img" "$dr" "$1" <<'END'
import json, pathlib, struct, sys
source = open(sys.argv[1], 'rb').read()
for folder in pathlib.Path(sys.argv[2], 'replicas').glob(sys.argv[3] + '.*'):
    state = json.loads((folder / 'replica.json').read_text())
    lost, path = set(), folder / 'vda.missing'
    if path.exists():
        for start, count in struct.iter_unpack('<QQ', path.read_bytes()[16:]):
            lost |= set(range(start, start + count))
    disk = (folder / 'vda.raw').read_bytes()
    assert len(disk) == len(source)
    assert (state['state'] == 'incomplete') == bool(lost), state
    wrong = {at // 65536 for at in range(0, len(source), 65536)
             if disk[at:at + 65536] != source[at:at + 65536]}
    assert wrong <= lost, (wrong, lost)
    sys.exit(0)
sys.exit('no replica')
END
}

damaged() { # VERIFY-REGEX
	fails_with 4 "$1" vmseed --home "$dr" verify --media "$caddy"
	rm -rf "$dr/replicas" "$dr/marks"
	try vmseed --home "$dr" import --media "$caddy"
	[ "$status" = 3 ] || fail "import of a damaged pack: exit $status"
	grep -q 'incomplete' "$tmp/out" || fail 'no verdict says incomplete'
	for vm in web01 db01; do
		right_or_missing $vm
	done
	fails_with 3 'not complete|incomplete' vmseed --home "$dr" status --check
	run vmseed --home "$dr" import --media "$tmp/good"
	for vm in web01 db01; do
		cmp "$tmp/$vm.img" "$(replica_disk "$dr" $vm vda)"
	done
	run vmseed --home "$dr" status --check
	rm -rf "$caddy"
	cp -a "$tmp/good" "$caddy"
}

for how in '--for dr' '--plaintext'; do
	rm -rf "$caddy" "$tmp/good"
	make_medium "$caddy"
	# shellcheck disable=SC2086 # words
	run vmseed --home "$hq" export --media "$caddy" $how "web01=$tmp/web01.img" \
		"db01=$tmp/db01.img"
	cp -a "$caddy" "$tmp/good"
	pack=$(find "$caddy" -name '*.pack')
	size=$(wc -c <"$pack")
	for cut in 0 1 63 64 65 4096 $((size / 3)) $((size / 2)) $((size - 5000)) $((size - 200)); do
		truncate -s "$cut" "$pack"
		fails_with 4 'pack 00000001' vmseed --home "$dr" verify --media "$caddy"
		rm -rf "$dr/replicas" "$dr/marks"
		try vmseed --home "$dr" import --media "$caddy"
		case $status in
		0|3) for vm in web01 db01; do right_or_missing $vm; done ;;
		*) fail "import of a pack cut at $cut: exit $status" ;;
		esac
		rm -rf "$caddy"
		cp -a "$tmp/good" "$caddy"
	done
	truncate -s $((size / 2)) "$pack"
	damaged 'pack 00000001'
	flip_byte "$pack" $((size / 2))
	damaged 'pack 00000001: record|problems'
	rm "$pack"
	damaged 'pack 00000001'
	head -c "$size" /dev/urandom >"$pack"
	damaged 'pack 00000001'
	truncate -s 1G "$pack"
	fails_with 4 'pack 00000001' vmseed --home "$dr" verify --media "$caddy"
	rm -rf "$caddy"
	cp -a "$tmp/good" "$caddy"
	# Only its end: everything is still there, and import finds it.
	flip_byte "$pack" $((size - 10))
	fails_with 4 'pack 00000001' vmseed --home "$dr" verify --media "$caddy"
	rm -rf "$dr/replicas" "$dr/marks"
	run vmseed --home "$dr" import --media "$caddy"
	cmp "$tmp/web01.img" "$(replica_disk "$dr" web01 vda)"
	# A replica that lost blocks after it was whole.
	flip_byte "$(replica_disk "$dr" db01 vda)" 70000
	fails_with 4 'block 1 differs' vmseed --home "$dr" verify --replica db01
	run vmseed --home "$dr" verify --replica web01
done

# The same number of another set: refused block by block.
other=$tmp/other
make_medium "$other"
run vmseed --home "$hq" export --media "$other" --for dr "db01=$tmp/db01.img"
rm -rf "$caddy" "$tmp/good"
make_medium "$caddy"
run vmseed --home "$hq" export --media "$caddy" --for dr "web01=$tmp/web01.img" "db01=$tmp/db01.img"
cp -a "$caddy" "$tmp/good"
cp "$(find "$other" -name '*.pack')" "$(find "$caddy" -name '*.pack')"
damaged 'pack 00000001'
