#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# A medium that is mounted read-only can be shown and imported from; writing to it is exit 7,
# and what would be noted on it is noted in the home.
. "${0%/*}/lib.sh"
# As root a folder without write permission is writable all the same: a mount of our own, in a
# namespace that ends with the story.
if [ -z "${INSIDE:-}" ]; then
	requires unshare -m true
	requires unshare -m sh -c "mount --bind '$tmp' '$tmp' && mount -o remount,ro,bind '$tmp'"
	INSIDE=1 unshare -m "$0" && exit 0 || exit $?
fi
two_sites
caddy=$tmp/caddy
make_medium "$caddy"
make_disk "$tmp/web01.img" 1M
run vmseed --home "$hq" export --media "$caddy" --for dr "web01=$tmp/web01.img"
mkdir "$tmp/blank"
for dir in "$caddy" "$tmp/blank"; do
	mount --bind "$dir" "$dir"
	mount -o remount,ro,bind "$dir"
done
trap 'umount "$tmp/caddy" "$tmp/blank" || :; rm -rf "$tmp"' EXIT

fails_with 7 'read-only' vmseed --home "$hq" media prepare "$tmp/blank" --allow-internal
says 'prepared already' vmseed --home "$hq" media prepare "$caddy"
says 'read-only' vmseed --home "$dr" media show "$caddy"
[ "$(vmseed --home "$dr" media show --json "$caddy" | json "d['writable']")" = false ] ||
	fail 'a read-only medium is shown as writable'
fails_with 7 '[Rr]ead-only' \
	vmseed --home "$hq" export --media "$caddy" --for dr "web02=$tmp/web01.img"
says 'custody is kept in the home' vmseed --home "$dr" verify --media "$caddy"
says 'custody is kept in the home' vmseed --home "$dr" import --media "$caddy"
[ "$(wc -l <"$(echo "$dr"/custody/*.chain)")" = 2 ] || fail 'custody in the home'
[ ! -e "$(echo "$caddy"/vmseed/*/receipts)" ] || fail 'a receipt was written'
cmp "$tmp/web01.img" "$(replica_disk "$dr" web01 vda)"
