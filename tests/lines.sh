#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# lines.sh: no line of libseed/ and tools/ is longer than 100 columns, a tab being 8.
# Reads the tree it stands in.
set -u
cd "${0%/*}/.." || exit 1
export LC_ALL=C

bad=0
while read -r file; do
	while IFS=: read -r line columns; do
		echo "lines: $file line $line has $columns columns: 100 at most"
		bad=1
	done < <(expand -t 8 "$file" | awk 'length > 100 { print NR ":" length }')
done < <(find libseed tools -name '*.[ch]' | sort)
exit $bad
