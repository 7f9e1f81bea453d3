#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Whatever comes as a card: one line of error, nothing pinned, nothing shown raw.
. "${0%/*}/lib.sh"
hq=$tmp/hq
make_site "$hq" hq
make_site "$tmp/dr" dr
vmseed -q --home "$tmp/dr" key card >"$tmp/good"
print=$(vmseed --home "$tmp/dr" key card --json | json 'd["fingerprint"]')

refused() { # STATUS REGEX CARD
	fails_with "$1" "$2" vmseed --home "$hq" key trust "$3" --fingerprint "$print"
	[ "$(wc -l <"$tmp/err")" = 1 ] || fail "$3: not one line of error"
	if LC_ALL=C grep -q '[^[:print:]]' "$tmp/err"; then fail "$3: raw bytes in the error"; fi
	[ ! -s "$tmp/out" ] || fail "$3: output in spite of the error"
	[ -z "$(find "$hq" -name '*.card')" ] || fail "$3: a card was pinned"
}

size=$(wc -c <"$tmp/good")
for cut in 0 1 2 20 $((size / 4)) $((size / 2)) $((size - 100)) $((size - 2)) $((size - 1)); do
	head -c "$cut" "$tmp/good" >"$tmp/cut"
	refused 1 '/cut' "$tmp/cut"
done
head -c 10000000 /dev/urandom >"$tmp/random"
refused 1 'not a site.s card' "$tmp/random"
{ cat "$tmp/good"; head -c 10000000 /dev/zero | tr '\0' '\n'; } >"$tmp/long"
refused 1 'longer than' "$tmp/long"
head -c 8192 /dev/zero >"$tmp/zero"
refused 1 'not a site.s card' "$tmp/zero"
refused 1 'empty' /dev/null
refused 1 'directory' "$tmp"
refused 2 'No such file' "$tmp/none"
mv "$tmp/good" "$tmp/$(printf 'go\033[2Jod\n')"
refused 2 'No such file' "$tmp/good"
mv "$tmp/$(printf 'go\033[2Jod\n')" "$tmp/good"

edit() { # NAME PYTHON: the card's text is the bytes t
	python3 -c "import sys
t = open(sys.argv[1], 'rb').read()
open(sys.argv[2], 'wb').write($2)" "$tmp/good" "$tmp/$1"
}
edit crlf 't.replace(b"\n", b"\r\n")'
refused 1 'CR LF' "$tmp/crlf"
edit name 't.replace(b"\"dr\"", b"\"dx\"")'
refused 5 'signature' "$tmp/name"
edit escape 't.replace(b"\"dr\"", b"\"\\\\u001b[2J\"")'
refused 5 'signature' "$tmp/escape"
edit raw 't.replace(b"\"dr\"", b"\"\x1b[2J\"")'
refused 1 'card' "$tmp/raw"
edit latin 't.replace(b"\"dr\"", b"\"\xe9\"")'
refused 1 'card' "$tmp/latin"
edit twice 't.replace(b"{", b"{\"name\": \"dr\",", 1)'
refused 1 'card' "$tmp/twice"
edit deep 'b"[" * 4000 + b"\n" + t[t.index(b"untrusted"):]'
refused 1 'card' "$tmp/deep"
edit unsigned 't[:t.index(b"untrusted")]'
refused 1 'card' "$tmp/unsigned"
edit swapped 't[t.index(b"untrusted"):] + t[:t.index(b"untrusted")]'
refused 1 'card' "$tmp/swapped"

# The signature of another site under this one's text; this one's keys under another's name.
vmseed -q --home "$hq" key card >"$tmp/hq.card"
{ head -n -4 "$tmp/good"; tail -n 4 "$tmp/hq.card"; } >"$tmp/mixed"
refused 5 '.' "$tmp/mixed"

# The good one still is good.
run vmseed --home "$hq" key trust "$tmp/good" --fingerprint "$print"

# A damaged trust folder is no trust, and is named; so is a damaged card of our own.
echo rubbish >"$hq/trust/evil.card"
fails_with 1 'trust/evil.card' vmseed --home "$hq" key list
rm "$hq/trust/evil.card"
: >"$hq/trust/dr.scope"
fails_with 1 'trust/dr.scope' vmseed --home "$hq" key list
rm "$hq/trust/dr.scope"
run vmseed --home "$hq" key list
sed -i 's/"hq"/"hp"/' "$hq/site/card"
fails_with 5 'site/card' vmseed --home "$hq" key card
[ ! -s "$tmp/out" ] || fail 'a damaged card was given out'
