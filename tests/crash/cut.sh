#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# A small resync over a link that dies, at every frame and at many bytes: see cut_sweep.py.
cd "${0%/*}" || exit 1
PYTHONDONTWRITEBYTECODE=1 exec python3 cut_sweep.py
