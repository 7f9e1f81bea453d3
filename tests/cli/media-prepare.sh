#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# A medium is enrolled once, shown to whoever asks, and never formatted or written over.
. "${0%/*}/lib.sh"
two_sites
caddy=$tmp/caddy
mkdir "$caddy"
echo holiday >"$caddy/photo.jpg"

# A slip of the hand: not a removable disk, no such folder, a strange label, no keys, -n.
fails_with 2 'allow-internal' vmseed --home "$hq" media prepare "$caddy"
fails_with 7 'gone' vmseed --home "$hq" media prepare "$tmp/gone" --allow-internal
fails_with 7 'not a folder' vmseed --home "$hq" media prepare "$caddy/photo.jpg" --allow-internal
for label in '' ' x' 'a/b' "$(printf 'a\nb')" "$(printf '\033[31mred')" "$(printf '%033d' 0)"; do
	fails_with 2 'a label is' \
		vmseed --home "$hq" media prepare "$caddy" --allow-internal --label "$label"
done
if grep -q "$(printf '\033')" "$tmp/out" "$tmp/err"; then fail 'an escape sequence was repeated'; fi
fails_with 2 'DIR|argument' vmseed --home "$hq" media prepare --allow-internal
mkdir -m 700 "$tmp/empty"
fails_with 2 'key new' vmseed --home "$tmp/empty" media prepare "$caddy" --allow-internal
says 'Would prepare' vmseed --home "$hq" media prepare -n "$caddy" --allow-internal
[ "$(vmseed --home "$hq" media prepare -n --json "$caddy" --allow-internal |
	json 'd["dry_run"], d["made"]')" = '[true, false]' ] || fail 'prepare -n --json'
[ ! -e "$caddy/vmseed" ] || fail 'something was written'
fails_with 7 'not a prepared medium' vmseed --home "$hq" media show "$caddy"

# Once, with a label; again by whoever knows it; nothing changes.
says 'Prepared .*blue caddy' \
	vmseed --home "$hq" media prepare "$caddy" --allow-internal --label 'blue caddy'
cp -r "$caddy/vmseed" "$tmp/before"
says 'prepared already' vmseed --home "$hq" media prepare "$caddy"
says 'prepared already' vmseed --home "$dr" media prepare "$caddy" --label 'blue caddy'
fails_with 2 'never changed' vmseed --home "$hq" media prepare "$caddy" --label 'red caddy'
make_site "$tmp/stranger" stranger
fails_with 7 'not trusted here' \
	vmseed --home "$tmp/stranger" media prepare "$caddy" --allow-internal
diff -r "$tmp/before" "$caddy/vmseed"
[ "$(cat "$caddy/photo.jpg")" = holiday ] || fail 'another file was touched'

# minisign alone accepts the label.
if command -v minisign >/dev/null; then
	key=$(vmseed --home "$hq" key list --json | json "d['sites'][0]['key']")
	run minisign -Vm "$caddy/vmseed/medium.json" -P "$key"
fi

# Shown at both sites; elsewhere by its path.
for home in "$hq" "$dr"; do
	says 'medium +"blue caddy"' vmseed --home "$home" media show "$caddy"
	says 'prepared by +hq' vmseed --home "$home" media show "$caddy"
done
says 'prepared by +unknown' vmseed --home "$tmp/stranger" media show "$caddy"
if grep -q 'blue caddy' "$tmp/out"; then fail 'unsigned words were shown'; fi
[ "$(vmseed --home "$tmp/stranger" media show --json "$caddy" |
	json "d['schema'], d['known'], d['label'], d['sets']")" = \
	'["vmseed-medium", false, null, []]' ] || fail 'media show --json'

# An attempt that was cut short, at any byte of either file, is finished by the next.
for file in medium.json medium.json.minisig; do
	for length in 0 1 50 200; do
		truncate -s $length "$caddy/vmseed/$file"
		says 'Prepared' vmseed --home "$hq" media prepare "$caddy" --allow-internal --label again
		says '"again"' vmseed --home "$hq" media show "$caddy"
	done
done
rm "$caddy/vmseed/medium.json.minisig"
says 'Prepared' vmseed --home "$hq" media prepare "$caddy" --allow-internal
