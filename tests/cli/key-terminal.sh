#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# At a terminal the fingerprint is typed (a yes is no answer), a passphrase is not shown, and
# Ctrl-C ends a prompt.
. "${0%/*}/lib.sh"
make_site "$tmp/hq" hq
make_site "$tmp/dr" dr
vmseed -q --home "$tmp/dr" key card >"$tmp/card"
print=$(vmseed --home "$tmp/dr" key card --json | json 'd["fingerprint"]')

# at_terminal ANSWER... -- CMD...: one answer for each prompt (a line that ends in ": "); what the
# terminal showed goes to stdout, and its exit status is the command's.
cat >"$tmp/at_terminal" <<'END'
import os, pty, select, sys, time
split = sys.argv.index('--')
answers, command = sys.argv[1:split], sys.argv[split + 1:]
pid, fd = pty.fork()
if pid == 0:
    os.execvp(command[0], command)
shown, since, limit = b'', b'', time.monotonic() + 60
while time.monotonic() < limit:
    ready, _, _ = select.select([fd], [], [], 1)
    if not ready:
        continue
    try:
        data = os.read(fd, 4096)
    except OSError:
        break
    if not data:
        break
    shown += data
    since += data
    if since.endswith(b': ') and answers:
        since = b''
        answer = answers.pop(0)
        os.write(fd, b'\x03' if answer == '^C' else answer.encode() + b'\n')
else:
    os.kill(pid, 9)
sys.stdout.buffer.write(shown)
_, status = os.waitpid(pid, 0)
sys.exit(os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))
END
at_terminal() { python3 "$tmp/at_terminal" "$@"; }

fails_with 5 'fingerprint typed is not' at_terminal y -- vmseed --home "$tmp/hq" key trust "$tmp/card"
if grep -qF "$print" "$tmp/out"; then fail 'the prompt shows what is to be typed'; fi
fails_with 5 'fingerprint typed is not' at_terminal yes -- vmseed -y --home "$tmp/hq" key trust "$tmp/card"
fails_with 5 'fingerprint typed is not' at_terminal '' -- vmseed --home "$tmp/hq" key trust "$tmp/card"
fails_with 130 'stopped by signal 2' at_terminal ^C -- vmseed --home "$tmp/hq" key trust "$tmp/card"
[ ! -e "$tmp/hq/trust/dr.card" ] || fail 'a card was pinned'
says 'Trusted site dr' at_terminal "$print" -- vmseed --home "$tmp/hq" key trust "$tmp/card"

says 'Made the keys' at_terminal 'not shown' 'not shown' -- vmseed --home "$tmp/p" key new --passphrase p
if grep -q 'not shown' "$tmp/out"; then fail 'the passphrase was shown'; fi
printf 'not shown\n' | openssl pkey -in "$tmp/p/site/sign.pem" -passin stdin -noout ||
	fail 'not the passphrase that was typed'
fails_with 2 'differ' at_terminal one two -- vmseed --home "$tmp/q" key new --passphrase q
fails_with 2 'empty' at_terminal '' '' -- vmseed --home "$tmp/q" key new --passphrase q
fails_with 130 'stopped by signal 2' at_terminal ^C -- vmseed --home "$tmp/q" key new --passphrase q
[ ! -e "$tmp/q/site/site.json" ] || fail 'keys were made without their passphrase'
