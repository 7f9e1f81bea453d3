#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# One list: replicas with their states, and the VMs that the site exports itself.
. "${0%/*}/lib.sh"
two_sites
caddy=$tmp/caddy
make_medium "$caddy"
[ -z "$(vmseed --home "$dr" status)" ] || fail 'a home without replicas lists something'
[ "$(vmseed --home "$dr" status --json | json "d['schema'], d['replicas'], d['sources']")" = \
	'["vmseed-status", [], []]' ] || fail 'an empty status --json'
run vmseed --home "$dr" status --check

make_disk "$tmp/web01.img" 3M 1
make_disk "$tmp/db01.img" 1000000 2
strange=$(printf 'db\n\033[31m01')
run vmseed --home "$hq" export --media "$caddy" --for dr "web01=$tmp/web01.img" \
	"$strange=$tmp/db01.img"
says 'web01 +source +1' vmseed --home "$hq" status
[ "$(vmseed --home "$hq" status --json | json "sorted(s['generation'] for s in d['sources'])")" = \
	'[1, 1]' ] || fail 'generations of the sources'
run vmseed --home "$dr" import --media "$caddy"
says 'web01 +seeded +1 ' vmseed --home "$dr" status
if grep -q "$(printf '\033')" "$tmp/out"; then fail 'an escape sequence was shown'; fi
[ "$(wc -l <"$tmp/out")" = 3 ] || fail 'a name takes more than one line'
run vmseed --home "$dr" status --check
vmseed --home "$dr" status --json >"$tmp/status"
[ "$(json "[r['size'] for r in d['replicas'] if r['name'].startswith('db')]" <"$tmp/status")" = \
	'[1000000]' ] || fail 'size of an odd disk'
cmp "$tmp/web01.img" "$(replica_disk "$dr" web01 vda)"

# Not complete: exit 3 with --check alone. Broken: shown, the others too.
folder=$(json "next(r['path'] for r in d['replicas'] if r['name'] == 'web01')" <"$tmp/status")
cp "$folder/replica.json" "$tmp/kept"
sed -i 's/"state": "seeded"/"state": "incomplete"/; s/"missing_blocks": 0/"missing_blocks": 3/' \
	"$folder/replica.json"
says 'web01 +incomplete +1 .*192 KiB' vmseed --home "$dr" status
fails_with 3 'not complete' vmseed --home "$dr" status --check
echo '{"schema": "vmseed-replica", "schema_version": 99}' >"$folder/replica.json"
says 'broken' vmseed --home "$dr" status
grep -q 'seeded' "$tmp/out" || fail 'a broken replica hides another'
grep -q 'schema_version' "$tmp/err" || fail 'what is wrong is not said'
fails_with 3 'schema_version' vmseed --home "$dr" status --check
rm "$folder/replica.json"
mkfifo "$folder/replica.json"
says 'broken' timeout 20 vmseed --home "$dr" status
rm "$folder/replica.json"
cp "$tmp/kept" "$folder/replica.json"
run vmseed --home "$dr" status --check

# A source's record that is broken is said, and --check sees it.
for file in "$hq"/vms/*/vm.json; do :; done
echo '{}' >"$file"
says 'vm.json' vmseed --home "$hq" status
fails_with 3 'vm.json' vmseed --home "$hq" status --check
fails_with 2 'argument' vmseed --home "$dr" status web01
