#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# At a terminal the fingerprint is typed (a yes is no answer), a passphrase is not shown, and
# Ctrl-C ends a prompt.
. "${0%/*}/lib.sh"
make_site "$tmp/hq" hq
make_site "$tmp/dr" dr
vmseed -q --home "$tmp/dr" key card >"$tmp/card"
print=$(vmseed --home "$tmp/dr" key card --json | json 'd["fingerprint"]')

at_terminal() { python3 "$top/tests/support/at_terminal.py" "$@"; }

fails_with 5 'fingerprint typed is not' at_terminal y -- vmseed --home "$tmp/hq" key trust "$tmp/card"
if grep -qF "$print" "$tmp/out"; then fail 'the prompt shows what is to be typed'; fi
fails_with 5 'fingerprint typed is not' at_terminal yes -- vmseed -y --home "$tmp/hq" key trust "$tmp/card"
fails_with 5 'fingerprint typed is not' at_terminal '' -- vmseed --home "$tmp/hq" key trust "$tmp/card"
fails_with 130 'stopped by signal 2' at_terminal ^C -- vmseed --home "$tmp/hq" key trust "$tmp/card"
[ ! -e "$tmp/hq/trust/dr.card" ] || fail 'a card was pinned'
says 'Trusted site dr' at_terminal "$print" -- vmseed --home "$tmp/hq" key trust "$tmp/card"

says 'Made the keys' at_terminal 'not shown' 'not shown' -- vmseed --home "$tmp/p" key new --passphrase p
if grep -q 'not shown' "$tmp/out"; then fail 'the passphrase was shown'; fi
printf 'not shown\n' | openssl pkey -in "$tmp/p/site/sign.pem" -passin stdin -noout ||
	fail 'not the passphrase that was typed'
fails_with 2 'differ' at_terminal one two -- vmseed --home "$tmp/q" key new --passphrase q
fails_with 2 'empty' at_terminal '' '' -- vmseed --home "$tmp/q" key new --passphrase q
fails_with 130 'stopped by signal 2' at_terminal ^C -- vmseed --home "$tmp/q" key new --passphrase q
[ ! -e "$tmp/q/site/site.json" ] || fail 'keys were made without their passphrase'
