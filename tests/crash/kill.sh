#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every operation killed at each call that changes a file, and its rerun as well: see sweep.py.
cd "${0%/*}" || exit 1
PYTHONDONTWRITEBYTECODE=1 exec python3 sweep.py kill
