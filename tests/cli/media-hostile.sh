#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Whatever lies on a medium: links, fifos, edits, exchanged files and heaps of names are refused
# or passed over, told by name, and cost no set that is sound.
. "${0%/*}/lib.sh"
two_sites
caddy=$tmp/caddy
make_medium "$caddy"
make_disk "$tmp/web01.img" 2M 1
make_disk "$tmp/db01.img" 2M 2
run vmseed --home "$hq" export --media "$caddy" --for dr "web01=$tmp/web01.img"
run vmseed --home "$hq" export --media "$caddy" --plaintext "db01=$tmp/db01.img"
says '2 +ok|ok' vmseed --home "$dr" media show "$caddy"
vmseed --home "$dr" media show --json "$caddy" >"$tmp/show"
sealed=$(json "next(s['set'] for s in d['sets'] if s['sealed'])" <"$tmp/show")
plain=$(json "next(s['set'] for s in d['sets'] if not s['sealed'])" <"$tmp/show")
cp -r "$caddy/vmseed" "$tmp/good"
restore() {
	rm -rf "$caddy/vmseed"
	cp -r "$tmp/good" "$caddy/vmseed"
}

# The label edited: nobody's, and the sets still stand.
sed -i 's/"label": "vmseed-/"label": "bought-/' "$caddy/vmseed/medium.json"
says 'prepared by +unknown' vmseed --home "$dr" media show "$caddy"
if grep -q 'bought' "$tmp/out" "$tmp/err"; then fail 'edited words were shown'; fi
fails_with 5 'medium.json: signature' vmseed --home "$dr" verify --media "$caddy"
run vmseed --home "$dr" import --media "$caddy"
fails_with 7 'nothing is touched' vmseed --home "$hq" media prepare "$caddy" --allow-internal
restore

# Links and fifos in place of our files; opening never hangs.
for file in medium.json "$sealed/volume.json" "$sealed/commits/00000001.json"; do
	mv "$caddy/vmseed/$file" "$tmp/kept"
	ln -s "$tmp/kept" "$caddy/vmseed/$file"
	timeout 20 vmseed --home "$dr" media show --json "$caddy" >"$tmp/show" || [ $? -lt 8 ]
	json "d['schema']" <"$tmp/show" >/dev/null || fail "a link for $file"
	rm "$caddy/vmseed/$file"
	mkfifo "$caddy/vmseed/$file"
	timeout 20 vmseed --home "$dr" media show --json "$caddy" >"$tmp/show" || [ $? -lt 8 ]
	[ "$(json "next(s['state'] for s in d['sets'] if s['set'] == '$plain')" <"$tmp/show")" = ok ] ||
		fail "a fifo for $file cost the other set"
	restore
done
fails_with 0 'ok' vmseed --home "$dr" media show "$caddy"
mv "$caddy/vmseed" "$tmp/moved"
ln -s "$tmp/moved" "$caddy/vmseed"
fails_with 7 'link' vmseed --home "$dr" media show "$caddy"
rm "$caddy/vmseed"
restore

# The header of another set; a set in another's folder; a set of another medium.
cp "$caddy/vmseed/$plain/volume.json" "$caddy/vmseed/$plain/volume.json.minisig" \
	"$caddy/vmseed/$sealed/"
fails_with 3 'another set' vmseed --home "$dr" media show "$caddy"
grep -q 'refused' "$tmp/out" || fail 'the set is not shown as refused'
restore
other=$tmp/other
make_medium "$other"
cp -r "$caddy/vmseed/$sealed" "$other/vmseed/"
fails_with 4 'another medium' vmseed --home "$dr" media show "$other"

# A commit of another set, and a commit that is cut: the state before, and it is said.
cp "$caddy/vmseed/$plain/commits/"* "$caddy/vmseed/$sealed/commits/"
fails_with 3 'sets are not sound' vmseed --home "$dr" media show "$caddy"
grep -q "00000001.json" "$tmp/err" || fail 'the commit is not named'
restore
truncate -s 100 "$caddy/vmseed/$sealed/commits/00000001.json"
fails_with 3 'damaged' vmseed --home "$dr" media show "$caddy"
restore

# 20,000 names that mean nothing, in every folder that is listed.
(cd "$caddy/vmseed" && seq -f 'junk-%g' 20000 | xargs touch)
(cd "$caddy/vmseed/$sealed/commits" && seq -f '%g.json' 20000 | xargs touch)
(cd "$caddy/vmseed/$sealed/packs" && seq -f 'x%g.pack' 20000 | xargs touch)
says 'ok' vmseed --home "$dr" media show "$caddy"
run vmseed --home "$hq" export --media "$caddy" --for dr "web01=$tmp/web01.img"
[ -e "$caddy/vmseed/$sealed/packs/x20000.pack" ] || fail 'a name of somebody else was swept'
[ -e "$caddy/vmseed/junk-1" ] || fail 'a name of somebody else was swept'
restore

# Nobody whom this site trusts: told, and nothing else is read.
make_site "$tmp/stranger" stranger
fails_with 5 '' vmseed --home "$tmp/stranger" media show "$caddy"
if grep -q 'web01' "$tmp/out" "$tmp/err"; then fail 'words of an unknown signer were shown'; fi
