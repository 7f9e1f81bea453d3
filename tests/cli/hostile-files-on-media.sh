#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every file of a medium replaced by a link, fifo, folder, nothing, ten megabytes of JSON or of
# noise, or a file that never ends: import and verify neither hang nor grow nor follow, say which
# file it is, and the other set on the medium is imported all the same.
. "${0%/*}/lib.sh"
two_sites
caddy=$tmp/caddy
make_medium "$caddy"
make_disk "$tmp/web01.img" 700K 1
make_disk "$tmp/db01.img" 700K 2
run vmseed -q --home "$hq" export --media "$caddy" --for dr "web01=$tmp/web01.img"
run vmseed -q --home "$hq" export --media "$caddy" --plaintext "db01=$tmp/db01.img"
cp -a "$caddy" "$tmp/good"
set=$(dirname "$(grep -l '"sealed": true' "$caddy"/vmseed/*/volume.json)")
set=${set##*/}
echo 'untouched' >"$tmp/victim"
cp -a "$dr" "$tmp/fresh"
python3 -c 'print("{" + ",".join(f"\"k{i}\": [[[[{i}]]]]" for i in range(500000)) + "}")' >"$tmp/big"
head -c 10000000 /dev/urandom >"$tmp/noise"
[ "$(wc -c <"$tmp/big")" -gt 10000000 ] || fail 'the JSON is too small'
python3 -c 'print("[" * 5000000)' >"$tmp/deep"
truncate -s 1T "$tmp/endless" 2>/dev/null || truncate -s 4G "$tmp/endless"

# The sanitizers' own memory is not ours.
limit=256
if grep -q __asan_init "$VMSEED"; then limit=2048; fi
bounded() { # CMD...: as CMD, but 124 after 60 seconds and 125 with too much memory
	python3 - "$limit" "$@" <<'END'
import resource, subprocess, sys
try:
    status = subprocess.run(sys.argv[2:], timeout=60).returncode
except subprocess.TimeoutExpired:
    sys.exit(124)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
sys.exit(125 if peak > int(sys.argv[1]) << 10 else status if status >= 0 else 128 - status)
END
}

plant() { # KIND PATH
	case $1 in
	link) ln -s "$tmp/victim" "$2" ;;
	far-link) ln -s /dev/zero "$2" ;;
	loop) ln -s "${2##*/}" "$2" ;;
	same) ln -s "$tmp/good/${2#"$caddy"/}" "$2" ;;
	fifo) mkfifo "$2" ;;
	folder) mkdir "$2" ;;
	empty) : >"$2" ;;
	device) mknod "$2" c 1 5 2>/dev/null || mkfifo "$2" ;;
	*) cp --sparse=always "$tmp/$1" "$2" ;;
	esac
}

tried=0
for name in volume.json volume.json.minisig commits/00000001.json commits/00000001.json.minisig \
	packs/00000001.pack 'seeds/*/manifest.sealed' 'seeds/*/list-0000-0001.sealed'; do
	# What is read last is read as what is read first: a few kinds will do.
	kinds='same fifo folder big'
	case $name in
	volume.json|commits/00000001.json|packs/*)
		kinds='link far-link loop same fifo folder empty device big deep noise endless' ;;
	esac
	for kind in $kinds; do
		# Seeds have random names.
		file=$(find "$caddy/vmseed/$set" -path "$caddy/vmseed/$set/$name")
		mv "$file" "$tmp/kept"
		plant "$kind" "$file"
		for command in verify import; do
			rm -rf "$dr"
			cp -a "$tmp/fresh" "$dr"
			try bounded vmseed -q --home "$dr" $command --media "$caddy"
			case $status in
			3|4|5|7) ;;
			*) show_last; fail "$command with a $kind for $name: exit $status" ;;
			esac
			if cat "$tmp/out" "$tmp/err" | grep -q '[^[:print:]	]'; then
				fail "$command with a $kind for $name shows raw bytes"
			fi
			word=${name##*/} word=${word%.minisig}
			case $name in
			packs/*) word='pack 00000001' ;;
			esac
			cat "$tmp/out" "$tmp/err" | grep -q -- "$word" || {
				show_last
				fail "$command with a $kind for $name does not name it"
			}
			tried=$((tried + 1))
		done
		cmp "$tmp/db01.img" "$dr"/replicas/db01.*/vda.raw
		[ "$(cat "$tmp/victim")" = untouched ] || fail "$kind for $name: written through a link"
		rm -rf "$file"
		mv "$tmp/kept" "$file"
	done
done
[ "$tried" = 104 ] || fail "$tried runs instead of 104"

# Folders that are links, or files.
for name in packs seeds commits; do
	for kind in same empty fifo; do
		mv "$caddy/vmseed/$set/$name" "$tmp/kept"
		plant $kind "$caddy/vmseed/$set/$name"
		for command in verify import; do
			rm -rf "$dr"
			cp -a "$tmp/fresh" "$dr"
			try bounded vmseed -q --home "$dr" $command --media "$caddy"
			case $status in
			3|4|5|7) ;;
			*) show_last; fail "$command with a $kind for $name: exit $status" ;;
			esac
		done
		cmp "$tmp/db01.img" "$dr"/replicas/db01.*/vda.raw
		rm -rf "$caddy/vmseed/$set/$name"
		mv "$tmp/kept" "$caddy/vmseed/$set/$name"
	done
done
rm -rf "$dr"
cp -a "$tmp/fresh" "$dr"
run vmseed -q --home "$dr" verify --media "$caddy"
run vmseed -q --home "$dr" import --media "$caddy"
