#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Homes without a key, without trust, of somebody else or not readable: said in one line, before
# anything is written to a medium or a store.
. "${0%/*}/lib.sh"
two_sites
caddy=$tmp/caddy
make_medium "$caddy"
make_disk "$tmp/web01.img" 700K 1
run vmseed -q --home "$hq" export --media "$caddy" --for dr "web01=$tmp/web01.img"
cp -a "$caddy" "$tmp/before"

every() { # STATUS REGEX HOME
	refuses "$1" "$2" vmseed --home "$3" export --media "$caddy" --plaintext "x=$tmp/web01.img"
	refuses "$1" "$2" vmseed --home "$3" import --media "$caddy"
	refuses "$1" "$2" vmseed --home "$3" verify --media "$caddy"
	[ "$(wc -l <"$tmp/err")" = 1 ] || fail 'not one line'
	diff -r "$caddy" "$tmp/before" || fail 'the medium was written to'
}
every 2 'none.*vmseed key new' "$tmp/none"
mkdir "$tmp/empty"
every 2 'empty.*vmseed key new' "$tmp/empty"
echo text >"$tmp/file"
refuses 1 'file.*[Nn]ot a directory|file.*folder' vmseed --home "$tmp/file" import --media "$caddy"

# Files that others can read, or that are of two sites.
cp -a "$dr" "$tmp/open"
chmod 644 "$tmp/open/site/sign.pem"
refuses 2 'sign.pem' vmseed --home "$tmp/open" import --media "$caddy"
cp -a "$dr" "$tmp/mixed"
cp "$hq/site/receive.pem" "$tmp/mixed/site/receive.pem"
refuses 4 'site|receive' vmseed --home "$tmp/mixed" import --media "$caddy"
cp -a "$dr" "$tmp/cut"
truncate -s 40 "$tmp/cut/site/receive.pem"
fails_with 1 'receive.pem' vmseed --home "$tmp/cut" import --media "$caddy"

# No trust: export has no recipient, import nobody to believe.
cp -a "$dr" "$tmp/lone"
rm -rf "$tmp/lone/trust"
refuses 5 'not trusted here' vmseed --home "$tmp/lone" import --media "$caddy"
refuses 2 'hq' vmseed --home "$tmp/lone" export --media "$caddy" --for hq "x=$tmp/web01.img"

# Not readable, for whoever is not root.
if [ "$(id -u)" = 0 ]; then
	requires setpriv --reuid=65534 --clear-groups true
	chmod 755 "$tmp"
	cp -a "$dr" "$tmp/shut"
	chmod 700 "$tmp/shut"
	refuses 1 'shut.*Permission denied' setpriv --reuid=65534 --regid=65534 --clear-groups \
		"$VMSEED" --home "$tmp/shut" verify --media "$caddy"
	cp -a "$dr" "$tmp/theirs"
	chown -R 65534:65534 "$tmp/theirs"
	chmod 0 "$tmp/theirs/trust/hq.card"
	fails_with 1 'hq.card.*Permission denied' setpriv --reuid=65534 --regid=65534 --clear-groups \
		"$VMSEED" --home "$tmp/theirs" verify --media "$caddy"
fi
