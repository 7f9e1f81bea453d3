#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# A disk of 16 TiB with little in it goes through every command in little memory and time.
. "${0%/*}/lib.sh"
# Files of 16 TiB exist on tmpfs and xfs; ext4 ends just below.
big=$tmp
truncate -s 16T "$tmp/try" 2>/dev/null || big=$(mktemp -d /dev/shm/vmseed-huge.XXXXXX)
rm -f "$tmp/try"
trap 'rm -rf "$tmp" "$big"' EXIT
requires truncate -s 16T "$big/huge.img"
two_sites
python3 - "$big/huge.img" <<'END'
import random, sys
with open(sys.argv[1], 'r+b') as disk:
    for terabyte in range(16):
        disk.seek((terabyte << 40) + terabyte * 65536 * 7 + 12345)
        disk.write(random.Random(terabyte).randbytes(200000))
    disk.seek((16 << 40) - 1)
    disk.write(b'z')
END

# The sanitizers' own memory is not ours.
limit=256
if grep -q __asan_init "$VMSEED"; then limit=2048; fi

within_memory() { # CMD...
	python3 - "$limit" "$@" <<'END'
import resource, subprocess, sys
status = subprocess.run(sys.argv[2:]).returncode
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
limit = int(sys.argv[1]) << 10
print(f'{sys.argv[6]}: peak {peak >> 10} MiB')
sys.exit(status or (f'{sys.argv[6]}: {peak >> 10} MiB' if peak > limit else 0))
END
}
caddy=$tmp/caddy
make_medium "$caddy"
run within_memory vmseed -q --home "$hq" export --media "$caddy" --for dr "huge=$big/huge.img"
[ "$(du -sk "$caddy" | cut -f1)" -lt 6000 ] || fail 'more than its data is on the medium'
run within_memory vmseed -q --home "$dr" verify --media "$caddy"
mkdir "$big/store"
run within_memory vmseed -q --home "$dr" import --media "$caddy" --store "$big/store"
python3 - "$big/huge.img" "$(replica_disk "$dr" huge vda)" <<'END'
import os, sys
a, b = (os.open(path, os.O_RDONLY) for path in sys.argv[1:])
assert os.fstat(a).st_size == os.fstat(b).st_size == 16 << 40
def extents(fd):
    at, found = 0, []
    while True:
        try:
            start = os.lseek(fd, at, os.SEEK_DATA)
        except OSError:
            return found
        at = os.lseek(fd, start, os.SEEK_HOLE)
        found.append((start, at))
for fd, other in (a, b), (b, a):
    for start, end in extents(fd):
        assert os.pread(fd, end - start, start) == os.pread(other, end - start, start), start
assert sum(end - start for start, end in extents(b)) < 20 << 20
END
run within_memory vmseed -q --home "$dr" verify --replica huge
