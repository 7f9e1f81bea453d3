#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every operation ended by a power cut that takes what was not synced: see sweep.py.
cd "${0%/*}" || exit 1
PYTHONDONTWRITEBYTECODE=1 exec python3 sweep.py power
