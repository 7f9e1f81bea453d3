#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# run.sh TARGET...: run each fuzz target for FUZZ_SECONDS (60). What it learns stays beside the
# target in TARGET.corpus; tests/vectors/NAME/ (NAME without fuzz_) is what it starts from. An
# input that breaks something stays as TARGET-crash-*. Ends with the counting line.
set -u
cd "${0%/*}/../.." || exit 1
passed=0 failed=0
for target; do
	name=${target##*/fuzz_}
	corpus=$target.corpus
	mkdir -p "$corpus" || exit 1
	seeds=("$corpus")
	[ ! -d "tests/vectors/$name" ] || seeds+=("tests/vectors/$name")
	if "$target" -max_total_time="${FUZZ_SECONDS:-60}" -timeout=10 -rss_limit_mb=1024 \
		-max_len=65536 -artifact_prefix="$target-" -print_final_stats=1 "${seeds[@]}" \
		>"$target.log" 2>&1; then
		passed=$((passed + 1))
		sed -n 's/^stat::number_of_executed_units: /ok       '"$name"': runs /p' "$target.log"
	else
		failed=$((failed + 1))
		tail -n 40 "$target.log" | sed 's/^/    | /'
		echo "FAILED   $name; all of it: $target.log"
	fi
done
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
