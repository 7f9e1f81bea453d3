#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# key new, trust and revoke, killed at every system call that changes something, also twice in a
# row: what is there is whole, and the same command again finishes with the usual result.
. "${0%/*}/../cli/lib.sh"
requires strace -e trace=none true
calls='mkdir mkdirat openat2 write fsync renameat unlinkat'

# How often CMD makes each of $calls: lines "CALL COUNT".
count_calls() {
	strace -f -qq -o "$tmp/trace" -e trace="$(echo "$calls" | tr ' ' ',')" "$@" >/dev/null 2>&1
	sed -n 's/^[0-9]* *\([a-z0-9]*\)(.*/\1/p' "$tmp/trace" | sort | uniq -c | awk '{ print $2, $1 }'
}

killed_at() { # CALL NUMBER CMD...
	call=$1 number=$2
	shift 2
	status=0
	strace -f -qq -o /dev/null -e trace="$call" -e inject="$call:signal=KILL:when=$number" \
		"$@" >/dev/null 2>&1 || status=$?
	[ "$status" = 137 ] || fail "not killed at $call $number (exit $status): $*"
}

make_site "$tmp/dr" dr
vmseed -q --home "$tmp/dr" key card >"$tmp/card"
print=$(vmseed --home "$tmp/dr" key card --json | json 'd["fingerprint"]')
make_site "$tmp/hq" hq
cp -a "$tmp/hq" "$tmp/trusting"
run vmseed --home "$tmp/trusting" key trust "$tmp/card" --fingerprint "$print" --scope web01

# Only names of ours, nothing temporary.
tidy() { # HOME
	find "$1" -name '.tmp-*' | grep . && fail "temporary files were left in $1"
	return 0
}

runs=0
sweep() { # CHECK BEFORE CMD...: in a copy of the home BEFORE (or none), at $tmp/home
	check=$1 before=$2
	shift 2
	reset "$before"
	count_calls "$@" >"$tmp/counts"
	[ -s "$tmp/counts" ] || fail "nothing to kill in: $*"
	while read -r call count; do
		for number in $(seq "$count"); do
			reset "$before"
			killed_at "$call" "$number" "$@"
			"$check" between
			# Again at the same place, where the second run still comes that far.
			strace -f -qq -o /dev/null -e trace="$call" \
				-e inject="$call:signal=KILL:when=$number" "$@" >/dev/null 2>&1 || true
			"$check" between
			try "$@"
			"$check" after
			runs=$((runs + 1))
		done
	done <"$tmp/counts"
}

reset() {
	rm -rf "$tmp/home"
	[ "$1" = none ] || cp -a "$1" "$tmp/home"
}

check_new() {
	if [ "$1" = between ]; then
		[ ! -e "$tmp/home/site/site.json" ] || run vmseed --home "$tmp/home" key list
		return
	fi
	# The run that was cut may have been done but for its last words.
	[ "$status" = 0 ] || { [ "$status" = 2 ] && grep -q 'keys already' "$tmp/err"; } ||
		fail "key new after a kill: exit $status: $(cat "$tmp/err")"
	says '^hq +own' vmseed --home "$tmp/home" key list
	[ "$(ls "$tmp/home/site" | tr '\n' ' ')" = 'card receive.pem sign.pem site.json ' ] ||
		fail "the site folder holds $(ls -A "$tmp/home/site")"
	tidy "$tmp/home"
}

check_trust() {
	run vmseed --home "$tmp/home" key list
	if grep -q 'any VM' "$tmp/out"; then fail 'trusted for more than was asked'; fi
	[ "$1" = after ] || return 0
	[ "$status" = 0 ] || fail "key trust after a kill: exit $status: $(cat "$tmp/err")"
	says '^dr +trusted.* web01$' vmseed --home "$tmp/home" key list
	tidy "$tmp/home"
}

check_revoke() {
	run vmseed --home "$tmp/home" key list
	grep -Eq '^dr +(trusted|revoked).* web01$' "$tmp/out" || fail 'a torn revocation'
	[ "$1" = after ] || return 0
	says '^dr +revoked' vmseed --home "$tmp/home" key list
	tidy "$tmp/home"
}

sweep check_new none vmseed --home "$tmp/home" key new hq
sweep check_trust "$tmp/hq" \
	vmseed --home "$tmp/home" key trust "$tmp/card" --fingerprint "$print" --scope web01
sweep check_revoke "$tmp/trusting" vmseed --home "$tmp/home" key revoke dr
echo "killed at $runs places"
