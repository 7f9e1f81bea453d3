#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# On a terminal of 80 columns the progress line is gone, or closed, before the result is printed.
. "${0%/*}/lib.sh"

# screen COLUMNS CMD...: what a terminal of that width shows when CMD has ended, without colours,
# in $tmp/screen; the bytes as they came in $tmp/raw.
screen() {
	TERM=xterm python3 - "$tmp" "$@" <<'END'
import fcntl, os, pty, re, struct, sys, termios
tmp, columns, argv = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
pid, fd = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack('4H', 24, columns, 0, 0))
    os.execvp(argv[0], argv)
raw = b''
while True:
    try:
        got = os.read(fd, 65536)
    except OSError:
        break
    if not got:
        break
    raw += got
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
open(f'{tmp}/raw', 'wb').write(raw)
lines, row, col = [''], 0, 0
for token in re.findall(r'\x1b\[[0-9;]*[A-Za-z]|.', raw.decode(), re.S):
    if token == '\x1b[K':
        lines[row] = lines[row][:col]
    elif token[0] == '\x1b':
        continue
    elif token == '\r':
        col = 0
    elif token == '\n':
        lines.append('')
        row += 1
    else:
        if col == columns:
            lines.append('')
            row, col = row + 1, 0
        lines[row] = lines[row][:col].ljust(col) + token + lines[row][col + 1:]
        col += 1
open(f'{tmp}/screen', 'w').write('\n'.join(line.rstrip() for line in lines) + '\n')
sys.exit(status)
END
}
shows() { # REGEX: a line of the screen matches
	grep -Eq -- "$1" "$tmp/screen" && return
	cat "$tmp/screen" >&2
	fail "no line like $1 on the screen"
}

two_sites
make_medium "$tmp/caddy"
make_disk "$tmp/web01.img" 48M
make_disk "$tmp/db01.img" 16M 2
export="vmseed --home $hq export --media $tmp/caddy --for dr web01=$tmp/web01.img"

# shellcheck disable=SC2086 # words
run screen 80 $export "db01=$tmp/db01.img"
shows '^VM +GENERATION .* RESULT$'
shows '^web01 .* exported$'
shows '^reading .* 100 %'
grep -a -q 'committing' "$tmp/raw" || fail "the last phase is never shown"
# shellcheck disable=SC2086
says '^vmseed: web01 vda: ".*/web01.img", 48 MiB, .* read, .* data blocks, .* own ' \
	$export -v --progress=none
run screen 80 vmseed --home "$dr" verify --media "$tmp/caddy"
shows '^VM +SEED .* VERDICT$'
run screen 80 vmseed --home "$dr" import --media "$tmp/caddy"
shows '^VM +REPLICA .* RESULT$'
run screen 80 vmseed --home "$dr" verify --replica web01
shows '^web01[.][0-9a-f]{8}: .* read, '

# A medium that is damaged: its warnings have lines of their own too.
flip_byte "$(find "$tmp/caddy" -name 00000001.pack)" 5000
status=0
screen 80 vmseed --home "$dr" verify --media "$tmp/caddy" || status=$?
[ "$status" = 4 ] || fail "exit $status from a damaged medium"
shows '^vmseed: warning: pack 00000001: '
shows '^VM +SEED .* VERDICT$'

# What does not fit: a reason is broken into lines and whole, names beside it stay whole too.
status=0
# shellcheck disable=SC2086
screen 80 $export "a-vm=$tmp/there is no such disk in this folder.img" || status=$?
[ "$status" = 3 ] || fail "exit $status from an export of which one VM fails"
shows '^web01 .* exported$'
shows '^a-vm +- +1 +- +- +- +disk vda: '
cut -c 40- "$tmp/screen" | tr -d ' \n' | grep -q 'nosuchdiskinthisfolder.img' ||
	fail "the reason is cut"

# Verdicts have colours there: red for damage, green for what is right, unless told otherwise.
red=$(printf '\033\\[31m') green=$(printf '\033\\[32m')
colours() { # REGEX: as of the last screen
	grep -a -Eq -- "$1" "$tmp/raw" || fail "no $1"
}
plain() {
	! sed "s/$(printf '\033')\\[K//g" "$tmp/raw" | grep -a -q "$(printf '\033')" || fail "colours: $*"
}
screen 80 vmseed --home "$dr" verify --media "$tmp/caddy" || true
colours "${red}DAMAGED"
run screen 80 vmseed --home "$dr" status
colours "${green}seeded"
run screen 80 vmseed --home "$dr" status --color=never
plain --color=never
run screen 80 env NO_COLOR=1 vmseed --home "$dr" status
plain NO_COLOR
run screen 80 env NO_COLOR=1 vmseed --home "$dr" status --color=always
colours "${green}seeded"
run screen 80 env TERM=dumb vmseed --home "$dr" status
plain dumb
run vmseed --home "$dr" status
cp "$tmp/out" "$tmp/raw"
plain pipe
