#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The bad links that other stories send a resync through do what they say: exact cuts, delay and
# rate, and a share of use that can be believed.
. "${0%/*}/lib.sh"
proxy=$top/tests/support/proxy.py
make_disk "$tmp/data" 20M 1
cp "$tmp/data" "$tmp/same"
printf '#!/bin/sh\ncat >"%s"\n' "$tmp/got" >"$tmp/keep"
chmod 755 "$tmp/keep"

"$proxy" -- cat <"$tmp/data" | cmp - "$tmp/same" || fail 'not what was sent'
fails_with 7 gone "$proxy" -- sh -c 'echo gone; exit 7'
# Whoever is behind it sees that nobody reads any more, or that nothing more comes.
"$proxy" -- yes | head -c 3 >/dev/null
[ "$(yes | "$proxy" -- head -c 3)" = "$(yes | head -c 3)" ] || fail 'an end was not passed on'

for n in 0 1 15 65535 65536 1000001; do
	status=0
	"$proxy" --cut-at $n --dir in -- cat <"$tmp/data" >"$tmp/got" 2>"$tmp/err" || status=$?
	[ $status = 255 ] || fail "exit $status after a cut"
	[ "$(wc -c <"$tmp/got")" = $n ] || fail "$(wc -c <"$tmp/got") bytes in came, not $n"
	"$proxy" --cut-at $n --dir out -- "$tmp/keep" <"$tmp/data" >/dev/null 2>"$tmp/err" || :
	[ "$(wc -c <"$tmp/got")" = $n ] || fail "$(wc -c <"$tmp/got") bytes out came, not $n"
	cmp -n $n "$tmp/got" "$tmp/data"
done
status=0
timeout 2 "$proxy" --stall-at 5 --dir out -- "$tmp/keep" <"$tmp/data" >/dev/null || status=$?
[ $status = 124 ] || fail 'a link that stalls has ended'
[ "$(wc -c <"$tmp/got")" = 5 ] || fail 'more than was to pass'
fails_with 255 'seconds are over' "$proxy" --seconds 1 -- sleep 3

share() { # EXPRESSION over d
	json "$1" <"$tmp/report"
}
# 20 MiB at 160 Mbit/s are 1.05 s; the roundtrip is 0.2 s.
"$proxy" --delay-ms 100 --rate 160e6 --report "$tmp/report" -- cat <"$tmp/data" | cmp - "$tmp/same"
[ "$(share '1.2 < d["seconds"] < 20 and d["out"]["bytes"] == d["in"]["bytes"] == 20 << 20')" = true ] ||
	fail "delay and rate: $(cat "$tmp/report")"
[ "$(share 'd["out"]["utilisation"] > .97')" = true ] || fail "full use: $(cat "$tmp/report")"
# Half of the time nothing comes.
(head -c 5M "$tmp/data"; sleep 0.5; head -c 5M "$tmp/data") |
	"$proxy" --rate 160e6 --report "$tmp/report" -- wc -c >/dev/null
[ "$(share '.35 < d["out"]["utilisation"] < .65')" = true ] || fail "half use: $(cat "$tmp/report")"
start=$(date +%s%N)
[ "$(printf hello | "$proxy" --trickle 5 --dir out -- cat)" = hello ] || fail 'a trickle loses bytes'
[ $(($(date +%s%N) - start)) -gt 900000000 ] || fail 'five bytes at 5 a second took no second'

# The pieces of a conversation: plain frames, then a stream with a flush between two frames.
python3 - "$tmp/talk" <<'END'
import struct, sys
def frame(kind, body):
    return struct.pack('<IB3x', len(body), kind) + body
def block(data, last=0):        # stored, as zstd frames it
    return (len(data) << 3 | last).to_bytes(3, 'little') + data
stream = bytes.fromhex('28b52ffd0058') + block(b'one') + block(b'three') + block(b'', 1)
with open(sys.argv[1], 'wb') as talk:
    talk.write(b'VMSEEDWR' + struct.pack('<HH4x', 1, 1) + frame(8, b'hello') + frame(0, b'')
               + frame(1, b'\x1b') + stream)
END
"$proxy" --record "$tmp/record" -- cat <"$tmp/talk" >/dev/null
cmp "$tmp/talk" "$tmp/record.out"
cmp "$tmp/talk" "$tmp/record.in"
sed -n 's/^out //p' "$tmp/record" >"$tmp/pieces"
cat >"$tmp/wanted" <<'END'
0 16 preamble
16 8 header 8
24 5 frame 8
29 8 header 0
37 8 header 1
45 1 frame 1
46 5 zstd
51 1 zstd header
52 3 block header
55 3 block
58 3 block header
61 5 block
66 3 block header
END
cmp "$tmp/wanted" "$tmp/pieces" || fail "pieces: $(cat "$tmp/pieces")"
echo garbage | "$proxy" --record "$tmp/record" -- cat >/dev/null
grep -qx 'out 0 8 cut' "$tmp/record" || fail "garbage: $(cat "$tmp/record")"
