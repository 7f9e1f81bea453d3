#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every file of a small medium, cut and with bits flipped and swapped for those of other sets:
# nothing wrong is ever imported, nothing changed is ever called sound, and what was good stays so.
# TAMPER_CASES=all tries every byte and every length instead of a sample of them.
. "${0%/*}/../cli/lib.sh"
requires python3 -c 'import multiprocessing'

# Thousands of small homes and media: in memory where there is room for them.
fast=$tmp
if [ -d /dev/shm ] && [ -w /dev/shm ]; then
	fast=$(mktemp -d /dev/shm/vmseed-tamper.XXXXXX)
	trap 'rm -rf "$tmp" "$fast"' EXIT
fi
export TMPDIR="$fast"
hq=$fast/hq dr=$fast/dr
make_site "$hq" hq
make_site "$dr" dr
make_site "$fast/third" third
exchange_cards "$hq" "$dr"
exchange_cards "$hq" "$fast/third"

# Two machines that share blocks, with odd ends, and an empty one. A few hundred bytes packed.
cat >"$fast/make.py" <<'END'
import os, random, sys
folder, generation = sys.argv[1], int(sys.argv[2])
block = 65536
def text(name):
    return (f'{name} of a small disk\n' * 4000).encode()[:block]
def noise(name, length):
    return random.Random(name).randbytes(length)
def write(name, parts):
    os.makedirs(folder, exist_ok=True)
    with open(f'{folder}/{name}', 'wb') as disk:
        disk.truncate(sum(len(part) if part else block for part in parts))
        at = 0
        for part in parts:
            if part:
                disk.seek(at)
                disk.write(part)
            at += len(part) if part else block
shared = text('shared')
write('web01.vda', [text('a0'), None, shared, text(f'a3 {generation}'), bytes(block), text('a5')[:1000]])
write('web01.vdb', [noise(f'b {generation}', 777)])
write('db01.vda', [shared, text('d1'), noise('d2', 900) + bytes(block - 900)])
write('empty.vda', [None, None])
END
cat >"$fast/db01.xml" <<END
<domain type='kvm'><name>db01</name><uuid>6b2f0c44-5c2e-4a39-9b0e-3f6a52a4b1aa</uuid>
<os><nvram>$fast/db01.nvram</nvram></os><devices><disk type='file' device='disk'>
<driver name='qemu' type='raw'/><source file='$fast/now/db01.vda'/><target dev='vda'/>
</disk></devices></domain>
END
echo 'firmware state' >"$fast/db01.nvram"

export_all() { # MEDIUM OPTION...
	medium=$1
	shift
	run vmseed -q --home "$hq" export --media "$medium" "$@" \
		"web01=$fast/now/web01.vda,$fast/now/web01.vdb" "$fast/db01.xml" "empty=$fast/now/empty.vda"
}
for kind in plain sealed; do
	make_medium "$fast/$kind"
	make_medium "$fast/other-$kind"
done
for generation in 1 2; do
	run python3 "$fast/make.py" "$fast/now" $generation
	export_all "$fast/plain" --plaintext
	export_all "$fast/sealed" --for dr
	# Generations rise with every export, to whichever medium.
	for kind in plain sealed; do
		cp -a "$fast/$kind" "$fast/$kind-$generation"
	done
	cp -a "$fast/now" "$fast/sources-$generation"
done
export_all "$fast/other-plain" --plaintext
export_all "$fast/other-sealed" --for dr

python3 "${0%/*}/tamper_sweep.py" "$VMSEED" "$fast" "${TAMPER_CASES:-}"
