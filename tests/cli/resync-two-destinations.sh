#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# One VM goes to two sites in turn: each has a base of its own, each gets every change with no block
# sent twice, and the generations between are gaps, no rollbacks; status at the source shows what
# both acknowledged.
. "${0%/*}/lib.sh"
. "$top/tests/support/resync.sh"
two_sites
dr1=$dr dr2=$tmp/dr2
make_site "$dr2" dr2
exchange_cards "$hq" "$dr2"
make_disk "$tmp/web01.img" 4M 1
make_disk "$tmp/db01.img" 1M 2
web=web01=$tmp/web01.img db=db01=$tmp/db01.img

is_at() { # HOME GENERATION STATE: the replica of web01, whose disk is the source's
	dr=$1
	same web01 "$tmp/web01.img"
	replica_is web01 "$3"
	[ "$(replica_of web01 'r["generation"]')" = "$2" ] ||
		fail "${1##*/}: generation $(replica_of web01 'r["generation"]'), not $2"
	run vmseed --home "$1" verify --replica web01
}

to() { # HOME ARG...
	dest=$1
	shift
	resync "$@" "$web"
}

acknowledged() { # EXPRESSION over r, the receipts of web01 by site, and g, the source's generation
	vmseed --home "$hq" status --json | json "(lambda s:
		(lambda r, g: $1)({each['site']: each for each in s['receipts']}, s['generation']))(
		next(s for s in d['sources'] if s['name'] == 'web01'))"
}

acknowledge() { # EXPRESSION
	[ "$(acknowledged "$1")" = true ] || fail "not so: $1, in $(vmseed --home "$hq" status --json)"
}

# Both by one medium, sealed for one and plain for the other: generations 1 and 2.
seed "$web" "$db"
mkdir "$tmp/second"
run vmseed -q --home "$hq" media prepare "$tmp/second" --allow-internal
run vmseed -q --home "$hq" export --media "$tmp/second" --plaintext "$web" "$db"
run vmseed -q --home "$dr2" import --media "$tmp/second"
settle
is_at "$dr1" 1 seeded
is_at "$dr2" 2 seeded
acknowledge 'r == {} and g == 2'

# Nothing new: both acknowledge, and no generation is signed.
to "$dr1"
is 'vm["web01"]["result"] == "current" and vm["web01"]["fetched_blocks"] == 0'
to "$dr2"
is 'vm["web01"]["result"] == "current"'
acknowledge 'g == 2 and r["dr"]["generation"] == 1 and r["dr2"]["generation"] == 2'
acknowledge 'r["dr"]["state"] == r["dr2"]["state"] == "current"'

# A change goes to the one, then to the other: a manifest each.
change "$tmp/web01.img" first 3 20
to "$dr1"
is 'vm["web01"]["result"] == "synced" and vm["web01"]["fetched_blocks"] == 2'
is_at "$dr1" 3 current
acknowledge 'g == 3 and r["dr"]["generation"] == 3 and r["dr2"]["generation"] == 2'
to "$dr2"
is 'vm["web01"]["result"] == "synced" and vm["web01"]["fetched_blocks"] == 2'
is_at "$dr2" 4 current
is_at "$dr1" 3 current
acknowledge 'g == 4 and r["dr"]["generation"] == 3 and r["dr2"]["generation"] == 4'

# One misses two rounds: what differs from its own base is sent, not what was read last.
for round in second third; do
	change "$tmp/web01.img" $round 3 4
	[ $round = second ] || change "$tmp/web01.img" $round 21
	to "$dr1"
	is 'vm["web01"]["result"] == "synced"'
done
is_at "$dr1" 6 current
to "$dr2"
is 'vm["web01"]["fetched_blocks"] == 3'
is_at "$dr2" 7 current
to "$dr1"
is 'vm["web01"]["result"] == "current"'
acknowledge 'g == 7 and r["dr"]["generation"] == 6 and r["dr2"]["generation"] == 7'

# Both at once: one of them waits its turn or is told so, and nothing is torn.
change "$tmp/web01.img" both 8 9
vmseed --home "$hq" --json --progress=none resync --to "$dr2" "$web" >"$tmp/other.out" \
	2>"$tmp/other.err" &
other=$!
status=0
vmseed --home "$hq" --json --progress=none resync --to "$dr1" "$web" >"$tmp/out" 2>"$tmp/err" ||
	status=$?
other_status=0
wait "$other" || other_status=$?
case $status,$other_status in
0,0 | 0,9 | 9,0) ;;
*) fail "two at once: $status and $other_status: $(cat "$tmp/err" "$tmp/other.err")" ;;
esac
to "$dr1"
to "$dr2"
same web01 "$tmp/web01.img"
dr=$dr1
same web01 "$tmp/web01.img"

# A cut on the way to the one is nothing to the other, and what had arrived is not sent again.
change "$tmp/web01.img" cut 30 31 32 33
dr=$dr1
link_through --cut-at 200000 --dir out
resync_fails 1 '.' --retries 0 "$web"
no_link
to "$dr2"
is 'vm["web01"]["fetched_blocks"] == 4'
to "$dr1"
is '0 < vm["web01"]["journal_blocks"] and vm["web01"]["fetched_blocks"] < 4'
dr=$dr2
same web01 "$tmp/web01.img"
dr=$dr1
same web01 "$tmp/web01.img"

# The table has a row for each below the VM's own; the other VM has none of them.
says '^web01 +source +[0-9]+ ' vmseed --home "$hq" status
for site in dr dr2; do
	grep -Eq "^web01 +at $site +[0-9]+ " "$tmp/out" || fail "no row of $site: $(cat "$tmp/out")"
done
if grep -Eq '^db01 +at ' "$tmp/out"; then fail 'db01 was acknowledged by nobody'; fi

# The one is promoted: it takes no more, and the other one still does, from hq.
run vmseed --home "$dr1" promote web01
change "$tmp/web01.img" after 40
dest=$dr1
resync_fails 6 'promoted' "$web"
to "$dr2"
is 'vm["web01"]["fetched_blocks"] == 1'
dr=$dr2
same web01 "$tmp/web01.img"
