#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Keys that have a passphrase serve export and import, given the right one; a wrong or missing
# one is refused and nothing is written.
. "${0%/*}/lib.sh"
hq=$tmp/hq dr=$tmp/dr
echo 'correct horse' >"$tmp/right"
echo 'battery staple' >"$tmp/wrong"
run vmseed --home "$hq" key new --passphrase-file "$tmp/right" hq
run vmseed --home "$dr" key new --passphrase-file "$tmp/right" dr
exchange() { # FROM TO
	vmseed --home "$1" key card >"$tmp/card"
	print=$(vmseed --home "$1" key card --json | json 'd["fingerprint"]')
	run vmseed --home "$2" key trust --passphrase-file "$tmp/right" "$tmp/card" \
		--fingerprint "$print"
}
exchange "$hq" "$dr"
exchange "$dr" "$hq"
caddy=$tmp/caddy
mkdir "$caddy"
right="--passphrase-file $tmp/right"
refuses 5 'passphrase' vmseed --home "$hq" media prepare "$caddy" --allow-internal \
	--passphrase-file "$tmp/wrong"
[ ! -e "$caddy/vmseed/medium.json" ] || fail 'a wrong passphrase prepared a medium'
# shellcheck disable=SC2086 # words
run vmseed --home "$hq" media prepare "$caddy" --allow-internal $right
make_disk "$tmp/web01.img" 700K 1
cp -a "$caddy" "$tmp/before"

refuses 5 'passphrase' vmseed --home "$hq" export --passphrase-file "$tmp/wrong" --media "$caddy" \
	--for dr "web01=$tmp/web01.img"
[ "$(wc -l <"$tmp/err")" = 1 ] || fail 'not one line of error'
refuses 1 'none.*No such file' vmseed --home "$hq" export --passphrase-file "$tmp/none" \
	--media "$caddy" --for dr "web01=$tmp/web01.img"
refuses 2 'terminal' setsid -w vmseed --home "$hq" export --media "$caddy" --for dr \
	"web01=$tmp/web01.img"
diff -r "$caddy" "$tmp/before" || fail 'the medium was written to'
# shellcheck disable=SC2086
run vmseed -q --home "$hq" export $right --media "$caddy" --for dr "web01=$tmp/web01.img"

refuses 5 'passphrase' vmseed --home "$dr" import --passphrase-file "$tmp/wrong" --media "$caddy"
refuses 2 'terminal' setsid -w vmseed --home "$dr" import --media "$caddy"
refuses 2 'status 1|command' vmseed --home "$dr" import --passphrase-command false --media "$caddy"
[ -z "$(find "$dr" -name '*.raw')" ] || fail 'something was imported'
run vmseed -q --home "$dr" import --passphrase-command "cat '$tmp/right'" --media "$caddy"
cmp "$tmp/web01.img" "$(replica_disk "$dr" web01 vda)"
VMSEED_PASSPHRASE_COMMAND="cat '$tmp/right'"
export VMSEED_PASSPHRASE_COMMAND
run vmseed -q --home "$dr" verify --media "$caddy"
if grep -rq 'correct horse' "$caddy" "$hq" "$dr" "$tmp/out" "$tmp/err"; then
	fail 'the passphrase lies about'
fi
