#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""at_terminal.py ANSWER... -- CMD...: runs CMD on a terminal of its own and gives one answer to each
prompt (a line that ends in ": "; "^C" is that key). What the terminal showed goes to stdout; the exit
status is the command's, 128 + N after signal N. After 60 seconds it is killed."""

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
