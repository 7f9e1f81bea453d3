#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# run.sh TARGET...: run each fuzz target for FUZZ_SECONDS (60), or for FUZZ_RUNS inputs: one number
# for all, or "NAME=NUMBER ..." for those named. What it learns stays beside the target in
# TARGET.corpus; tests/vectors/NAME/ (NAME without fuzz_) is what it starts from. An input that
# breaks something stays as TARGET-crash-*. With FUZZ_RUNS, FUZZ_JOBS (1) targets run at a time, and
# fewer runs than were asked for are a failure. Ends with the counting line.
set -u
cd "${0%/*}/../.." || exit 1
passed=0 failed=0
# Most of the time goes into the shadow of large blocks that come and go: it is written, not mapped anew.
export ASAN_OPTIONS=${ASAN_OPTIONS:-quarantine_size_mb=8:clear_shadow_mmap_threshold=1073741824}

runs_of() { # NAME: how many, or nothing
	local word
	for word in ${FUZZ_RUNS:-}; do
		case $word in
		"$1"=*) echo "${word#*=}"; return ;;
		*=*) ;;
		*) echo "$word"; return ;;
		esac
	done
}

run_one() { # TARGET
	local target=$1 name=${1##*/fuzz_} runs limit
	local corpus=$target.corpus
	mkdir -p "$corpus" || return 1
	local seeds=("$corpus")
	[ ! -d "tests/vectors/$name" ] || seeds+=("tests/vectors/$name")
	runs=$(runs_of "$name")
	limit=-max_total_time=${FUZZ_SECONDS:-60}
	[ -z "$runs" ] || limit=-runs=$runs
	"$target" "$limit" -timeout=10 -rss_limit_mb=1024 -max_len="${FUZZ_LEN:-65536}" \
		-artifact_prefix="$target-" -print_final_stats=1 "${seeds[@]}" >"$target.log" 2>&1
}

executed() { # TARGET
	sed -n 's/^stat::number_of_executed_units: *//p' "$1.log"
}

told() { # TARGET STATUS: its line, and its count
	local target=$1 name=${1##*/fuzz_} runs
	runs=$(runs_of "$name")
	if [ "$2" = 0 ] && [ "$(executed "$target")" -ge "${runs:-1}" ]; then
		passed=$((passed + 1))
		echo "ok       $name: runs $(executed "$target"), a second" \
			"$(sed -n 's/^stat::average_exec_per_sec: *//p' "$target.log")"
	else
		failed=$((failed + 1))
		tail -n 40 "$target.log" | sed 's/^/    | /'
		echo "FAILED   $name; all of it: $target.log"
	fi
}

# As many at a time as there are jobs, told in the order given.
targets=("$@") jobs=1
[ -z "${FUZZ_RUNS:-}" ] || jobs=${FUZZ_JOBS:-1}
pids=()
trap 'kill "${pids[@]}" 2>/dev/null; exit 130' INT TERM
for ((i = 0; i < ${#targets[@]}; i++)); do
	while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do
		wait -n
	done
	run_one "${targets[i]}" &
	pids[i]=$!
done
for ((i = 0; i < ${#targets[@]}; i++)); do
	wait "${pids[i]}"
	told "${targets[i]}" $?
done
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
