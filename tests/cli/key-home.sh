#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Which home is used, and homes that cannot be or must not be.
. "${0%/*}/lib.sh"
make_site "$tmp/hq" hq
says '^hq +own' env VMSEED_HOME="$tmp/hq" vmseed key list
make_site "$tmp/dr" dr
says '^dr +own' env VMSEED_HOME="$tmp/hq" vmseed --home "$tmp/dr" key list
says '^dr +own' vmseed --home "$tmp/hq" key list --home "$tmp/dr"

fails_with 2 "no home at .*/none.*key new" vmseed --home "$tmp/none" key list
[ ! -e "$tmp/none" ] || fail 'looking made the home'
fails_with 1 'No such file' vmseed --home "$tmp/none/deeper" key new x
: >"$tmp/file"
fails_with 1 'not a folder' vmseed --home "$tmp/file" key new x
fails_with 1 'not a folder' vmseed --home "$tmp/file" key list
fails_with 2 '"--home"' vmseed key list --home
fails_with 2 '--home' vmseed --home= key list

# Whoever can write to it decides whom we trust.
chmod 777 "$tmp/dr"
fails_with 2 'chmod go-w' vmseed --home "$tmp/dr" key list
fails_with 2 'chmod go-w' vmseed --home "$tmp/dr" key new x
chmod 720 "$tmp/dr"
fails_with 2 'chmod go-w' vmseed --home "$tmp/dr" key list
chmod 755 "$tmp/dr"
run vmseed --home "$tmp/dr" key list

# The default home, with the hint when the keys lie in that of the other kind of user.
if [ "$(id -u)" = 0 ]; then
	if [ ! -e /var/lib/vmseed ]; then
		mkdir -p "$tmp/.local/share"
		make_site "$tmp/.local/share/vmseed" mine
		fails_with 2 "no home at .*/var/lib/vmseed.*$tmp/.local/share/vmseed holds keys" \
			vmseed key list
		fails_with 2 "holds keys: give --home $tmp/data/vmseed" env XDG_DATA_HOME="$tmp/data" \
			sh -c 'mkdir -p "$XDG_DATA_HOME" && vmseed --home "$XDG_DATA_HOME/vmseed" key new x \
				>/dev/null && vmseed key list'
		if vmseed --home "$tmp/none" key list 2>&1 | grep 'holds keys'; then
			fail 'a hint although the home was named'
		fi
	fi
	# As somebody else: a home that is not ours, not writable, not readable.
	# The command is copied, for the source tree may lie where nobody else gets.
	chmod 711 "$tmp"
	cp "$VMSEED" "$tmp/vmseed"
	if setpriv --reuid 65534 --clear-groups --regid 65534 env "$tmp/vmseed" --version \
		>/dev/null 2>&1; then
		as_nobody='setpriv --reuid 65534 --regid 65534 --clear-groups env HOME=/nonexistent'
		mkdir -m 755 "$tmp/roots"
		# shellcheck disable=SC2086 # words
		fails_with 1 'Permission denied' $as_nobody "$tmp/vmseed" --home "$tmp/roots" key new x
		# shellcheck disable=SC2086
		fails_with 1 'Permission denied' $as_nobody "$tmp/vmseed" --home "$tmp/hq" key list
		mkdir -m 777 "$tmp/open"
		# shellcheck disable=SC2086
		run $as_nobody "$tmp/vmseed" --home "$tmp/open/nobody" key new nobody
		fails_with 2 'belongs to another user' vmseed --home "$tmp/open/nobody" key list
	fi
else
	says 'Made the keys' vmseed key new mine
	[ -e "$tmp/.local/share/vmseed/site/site.json" ] || fail 'not in the default home'
	says '^mine +own' vmseed key list
	chmod 500 "$tmp/hq"
	fails_with 1 'Permission denied' vmseed --home "$tmp/hq/new" key new x
	mkdir -m 500 "$tmp/sealed"
	fails_with 1 'Permission denied' vmseed --home "$tmp/sealed" key new x
fi
