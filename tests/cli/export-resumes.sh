#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# An export that is stopped keeps the packs that it had read back; the next one reads and stores
# only the rest, and what comes out is the disk.
. "${0%/*}/lib.sh"
two_sites
caddy=$tmp/caddy

# Blocks that compress well and are all different: in each 16 there are 12, so that 512 records,
# one pack, hold 384 MiB of them. Three packs and a half.
python3 - "$tmp/web01.img" <<'END'
import os, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
chunks = 512 * 3 + 256
os.ftruncate(fd, chunks << 20)
for chunk in range(chunks):
    data = b''.join(b'%016d' % (chunk * 16 + block) * 4096 for block in range(12))
    os.pwrite(fd, data, chunk << 20)
END
sleep 3		# a file that was written within the clock's step proves nothing

# Ctrl-C while the third pack is being written: prints the exit status.
interrupt() {
	python3 - "$VMSEED" "$caddy" "$hq" "$tmp" <<'END'
import pathlib, signal, subprocess, sys, time
vmseed, caddy, hq, tmp = sys.argv[1:]
with open(f'{tmp}/err', 'w') as err:
    run = subprocess.Popen([vmseed, '--home', hq, '-q', '-j', '1', 'export', '--media', caddy,
                            '--for', 'dr', f'web01={tmp}/web01.img'],
                           stdout=subprocess.DEVNULL, stderr=err)
    while run.poll() is None and not list(pathlib.Path(caddy).rglob('00000003.pack')):
        time.sleep(0.005)
    if run.poll() is None:
        run.send_signal(signal.SIGINT)
    status = run.wait()
print(status if status >= 0 else 128 - status)
END
}

make_medium "$caddy"
[ "$(interrupt)" = 130 ] || fail "stopped by SIGINT, export did not exit 130: $(cat "$tmp/err")"
grep -q 'stopped by signal 2' "$tmp/err" || fail 'export does not say that it was stopped'
[ -e "$(find "$caddy" -path '*/commits/00000001.json')" ] || fail 'no commit keeps the packs that were read back'
# There is no seed yet, and the medium is sound as far as it goes.
run vmseed --home "$dr" verify --media "$caddy"
fails_with 7 'no seeds here' vmseed --home "$dr" import --media "$caddy"

run vmseed --home "$hq" -q export --json --media "$caddy" --for dr "web01=$tmp/web01.img"
stored=$(json 'd["blocks_stored"]' <"$tmp/out")
held=$(json 'd["blocks_held"]' <"$tmp/out")
bytes=$(json 'd["bytes_read"]' <"$tmp/out")
total=$((12 * (512 * 3 + 256)))
[ $((stored + held)) = $total ] || fail "$stored blocks stored and $held held are not $total"
[ "$held" -ge $((512 * 12)) ] || fail "only $held blocks were kept from the run before"
[ "$bytes" = $((stored * 65536)) ] || fail "$bytes bytes read for $stored blocks"

run vmseed --home "$dr" -q verify --media "$caddy"
run vmseed --home "$dr" -q import --media "$caddy"
cmp "$tmp/web01.img" "$(replica_disk "$dr" web01 vda)"
