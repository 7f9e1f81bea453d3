#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# A home gets its keys once; they may have a passphrase, which never is an argument.
. "${0%/*}/lib.sh"
says 'Would make' vmseed --home "$tmp/hq" key new -n hq
[ "$(vmseed --home "$tmp/hq" key new -n --json hq | json 'd["dry_run"], d["name"]')" = '[true, "hq"]' ] ||
	fail 'key new -n --json'
[ ! -e "$tmp/hq" ] || fail '-n made the home'
says 'vmseed key card' vmseed --home "$tmp/hq" key new hq
[ "$(stat -c %a "$tmp/hq")" = 700 ] || fail 'the home is open to others'
[ "$(stat -c %a "$tmp/hq/site/sign.pem" "$tmp/hq/site/receive.pem" | uniq)" = 600 ] ||
	fail 'the keys are open to others'

# A second time: refused, and nothing changes.
cp -a "$tmp/hq" "$tmp/before"
fails_with 2 'keys already' vmseed --home "$tmp/hq" key new hq
fails_with 2 'keys already' vmseed --home "$tmp/hq" key new --yes other
diff -r "$tmp/before" "$tmp/hq"

for name in '' . .. ../x a/b 'a b' -x "$(printf 'h\033[2Jq')" "$(printf 'a\nb')" \
	0123456789012345678901234567890123456789012345678901234567890123456789; do
	fails_with 2 'name' vmseed --home "$tmp/bad" key new -- "$name"
	if grep -q "$(printf '\033')" "$tmp/err"; then fail 'an escape sequence got through'; fi
done
[ ! -e "$tmp/bad" ] || fail 'a bad name made a home'
fails_with 2 'missing' vmseed --home "$tmp/bad" key new
fails_with 2 '"b": one argument too many' vmseed --home "$tmp/bad" key new a b

# Cut short before its last file, it begins again.
rm "$tmp/before/site/site.json"
fails_with 2 'no keys' vmseed --home "$tmp/before" key card
run vmseed --home "$tmp/before" key new hq
run vmseed --home "$tmp/before" key card

# JSON says the same.
vmseed --home "$tmp/json" key new --json js >"$tmp/doc"
[ "$(json "d['schema'], d['name']" <"$tmp/doc")" = '["vmseed-key", "js"]' ] || fail 'key new --json'
[ "$(json "d['fingerprint']" <"$tmp/doc")" = \
	"$(vmseed --home "$tmp/json" key card --json | json "d['fingerprint']")" ] || fail fingerprint

# A passphrase from each source, as OpenSSL then sees it.
opens_with() { # HOME PASSPHRASE
	for key in sign receive; do
		grep -q 'BEGIN ENCRYPTED PRIVATE KEY' "$tmp/$1/site/$key.pem" || fail "$1 is not encrypted"
		printf '%s\n' "$2" | openssl pkey -in "$tmp/$1/site/$key.pem" -passin stdin -noout ||
			fail "$1: $key.pem does not open"
	done
}
echo 'from a file' >"$tmp/pass"
run vmseed --home "$tmp/file" key new --passphrase-file "$tmp/pass" a
opens_with file 'from a file'
run vmseed --home "$tmp/fd" key new --passphrase-fd 5 a 5<"$tmp/pass"
opens_with fd 'from a file'
run vmseed --home "$tmp/command" key new --passphrase-command 'printf "by a %s" command' a
opens_with command 'by a command'
run env VMSEED_PASSPHRASE_COMMAND='echo variable' vmseed --home "$tmp/variable" key new a
opens_with variable variable
run env VMSEED_PASSPHRASE_FILE="$tmp/pass" vmseed --home "$tmp/variable2" key new a
opens_with variable2 'from a file'
# The card needs no passphrase.
run vmseed --home "$tmp/file" key card

: >"$tmp/empty"
printf 'a\0b\n' >"$tmp/nul"
head -c 5000 /dev/zero | tr '\0' x >"$tmp/long"
fails_with 2 'empty' vmseed --home "$tmp/p" key new --passphrase-file "$tmp/empty" a
fails_with 2 'not text' vmseed --home "$tmp/p" key new --passphrase-file "$tmp/nul" a
fails_with 2 'longer than' vmseed --home "$tmp/p" key new --passphrase-file "$tmp/long" a
fails_with 1 'No such file' vmseed --home "$tmp/p" key new --passphrase-file "$tmp/none" a
fails_with 2 'status 3' vmseed --home "$tmp/p" key new --passphrase-command 'echo x; exit 3' a
fails_with 2 'more than one source' \
	vmseed --home "$tmp/p" key new --passphrase-command 'echo x' --passphrase-file "$tmp/pass" a
fails_with 1 'descriptor 77' vmseed --home "$tmp/p" key new --passphrase-fd 77 a
fails_with 2 'terminal' setsid -w vmseed --home "$tmp/p" key new --passphrase a
[ ! -e "$tmp/p/site/site.json" ] || fail 'keys were made without their passphrase'
