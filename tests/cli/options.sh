#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Common options anywhere, help everywhere, slips explained, standard streams looked after.
. "${0%/*}/lib.sh"
make_site "$tmp/hq" hq

# Before the command, between its words, and after them.
for line in "--json --home $tmp/hq key list" "key --json --home $tmp/hq list" \
	"key list --json --home $tmp/hq" "--home=$tmp/hq key --json list -q"; do
	# shellcheck disable=SC2086 # words
	run vmseed $line
	[ "$(json 'd["schema"]' <"$tmp/out")" = vmseed-key-list ] || fail "vmseed $line"
done

says '^vmseed [0-9]' vmseed --version
says '^vmseed [0-9]' vmseed -V
says '^vmseed [0-9]' vmseed key list -V
says 'Commands:' vmseed --help
says 'Commands:' vmseed help
for command in 'key' 'key new' 'key list' 'key card' 'key trust' 'key revoke'; do
	# shellcheck disable=SC2086
	says "Usage: vmseed $command " vmseed $command --help
	[ "$(sed '1,/^Examples:/d' "$tmp/out" | grep -c '^  vmseed ')" -ge 2 ] ||
		fail "$command --help has no two examples"
	grep -q -- '--home=DIR' "$tmp/out" || fail "$command --help lacks the common options"
	cp "$tmp/out" "$tmp/help"
	# shellcheck disable=SC2086
	run vmseed help $command
	cmp "$tmp/out" "$tmp/help"
	# shellcheck disable=SC2086
	run vmseed $command -h
	cmp "$tmp/out" "$tmp/help"
done

for command in 'key' 'key new' 'key list' 'key card' 'key trust' 'key revoke' 'media' 'media list' \
	'media prepare' 'media show' export verify import status; do
	# shellcheck disable=SC2086
	run vmseed help $command
	! sed '/^Examples:/,$d' "$tmp/out" | grep -E '.{80}' || fail "$command --help is too wide"
done

fails_with 2 'a command is needed' vmseed
fails_with 2 'a command is needed' vmseed key
fails_with 2 "did you mean 'vmseed key'" vmseed kye
fails_with 2 "did you mean 'vmseed key trust'" vmseed key turst
fails_with 2 "did you mean 'vmseed key revoke'" vmseed key rev
fails_with 2 'no command "frobnicate"; .vmseed --help. lists them' vmseed frobnicate
fails_with 2 'no command ".*%1[bB]' vmseed "$(printf 'k\033[2J')"
fails_with 2 'no command "frob"' vmseed help frob
fails_with 2 '"--frob": no such option' vmseed --frob
fails_with 2 '"--frob": no such option' vmseed key list --frob
fails_with 2 '"-Z": no such option' vmseed key list -Z
fails_with 2 '"--json.*": this option takes no value' vmseed key list --json=yes
for bad in --jobs=0 --jobs=-1 --jobs=x --jobs=1x --jobs=99999999999999999999 --jobs=257 \
	--memory=0 --memory=x --memory=-1 --progress=maybe --color=pink --passphrase-fd=x; do
	fails_with 2 "${bad%%=*}" vmseed --home "$tmp/hq" key list "$bad"
done
run vmseed --home "$tmp/hq" key list --jobs 3 --memory 512M --progress=none --color=never -vv -y

# A dry run that served would write what it is sent.
refuses 2 'serve: a dry run is for the end that calls' vmseed --home "$tmp/hq" -n serve </dev/null

# What stdout lost is an error; a closed stream is no place for another file.
fails_with 1 'write to stdout: No space left' sh -c 'vmseed --home "$1" key list >/dev/full' - "$tmp/hq"
fails_with 1 'stdout' sh -c 'vmseed --help >/dev/full'
run sh -c 'vmseed --home "$1" key new x >&- 2>&- <&-' - "$tmp/closed"
run vmseed --home "$tmp/closed" key card
status=0
vmseed --home "$tmp/closed" key list --frob 2>&- || status=$?
[ "$status" = 2 ] || fail "exit $status with stderr closed"

# The last error as a program reads it.
status=0
vmseed --progress=json --home "$tmp/none" key list 2>"$tmp/err" || status=$?
[ "$(json "d['message_type'], d['code']" <"$tmp/err")" = '["exit_error", 2]' ] ||
	fail 'no exit_error with --progress=json'

# A common option counts behind an option of the command's own that has a value, too.
make_site "$tmp/other" other
vmseed -q --home "$tmp/other" key card >"$tmp/other.card"
print=$(vmseed --home "$tmp/other" key card --json | json 'd["fingerprint"]')
run vmseed --home "$tmp/hq" key trust --fingerprint "$print" --name far -n --json "$tmp/other.card"
[ "$(json 'd["dry_run"]' <"$tmp/out")" = true ] || fail '-n was lost'
[ ! -e "$tmp/hq/trust/far.card" ] || fail '-n was lost, and a card pinned'
says '^vmseed [0-9]' vmseed --home "$tmp/hq" key trust --name far --version
