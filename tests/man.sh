#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The manual is lint-clean, each page says its own name, and what it refers to exists.
set -eu
cd "${0%/*}/.."
command -v mandoc >/dev/null || { echo "man.sh: mandoc is missing"; exit 77; }
set -- man/*.[1-9]
[ -e "$1" ] || { echo "man.sh: no pages in man/"; exit 0; }

bad=0
mandoc -Tlint -W warning "$@" || bad=1
for page in "$@"; do
	file=${page#man/}
	name=${file%.*} section=${file##*.}
	title=$(sed -n 's/^\.Dt  *//p' "$page" | head -n 1 | tr '[:upper:]' '[:lower:]')
	[ "$title" = "$name $section" ] || { echo "$page: .Dt says \"$title\""; bad=1; }
	# References to pages of ours (vmseed...) must lead somewhere.
	sed -n 's/^\.Xr  *\(vmseed[^ ]*\)  *\([1-9]\).*/\1.\2/p' "$page" | sort -u |
		while read -r to; do
			[ -e "man/$to" ] || echo "$page: refers to $to, which does not exist"
		done >"${TMPDIR:-/tmp}/man.$$"
	[ ! -s "${TMPDIR:-/tmp}/man.$$" ] || { cat "${TMPDIR:-/tmp}/man.$$"; bad=1; }
	rm -f "${TMPDIR:-/tmp}/man.$$"
done
exit $bad
