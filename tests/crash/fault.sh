#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every operation with each call that changes a file failing: see sweep.py.
cd "${0%/*}" || exit 1
PYTHONDONTWRITEBYTECODE=1 exec python3 sweep.py fault
