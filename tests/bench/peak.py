#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""peak.py FILE COMMAND...: run COMMAND; add its largest resident set, bytes, to FILE as a line."""
import os
import subprocess
import sys

process = subprocess.Popen(sys.argv[2:])
_, status, usage = os.wait4(process.pid, 0)
with open(sys.argv[1], 'a') as file:
    print(usage.ru_maxrss * 1024, file=file)
sys.exit(os.waitstatus_to_exitcode(status) & 0xff)
