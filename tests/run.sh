#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# run.sh [-s] [-t SECONDS] [-j JOBS] [-w WRAPPER] TEST...: run unit tests and stories.
#
# A TEST is a program: exit 0 is passed, 77 is skipped (something it requires is not here),
# anything else is failed. What a cmocka binary says about its tests is counted one by one.
# With CI=true nothing may be skipped, unless -s allows it: a missing prerequisite is a failure.
# Prints one line for each TEST, the end of the log of a failed one, and last "N passed, N failed,
# N skipped". Logs of failures stay in $BUILD/logs.
set -u

limit=600 jobs=$(nproc) wrapper='' strict=${CI:-}
while getopts st:j:w: option; do
	case $option in
	s) strict= ;;
	t) limit=$OPTARG ;;
	j) jobs=$OPTARG ;;
	w) wrapper=$OPTARG ;;
	*) echo "usage: run.sh [-s] [-t SECONDS] [-j JOBS] [-w WRAPPER] TEST..." >&2; exit 2 ;;
	esac
done
shift $((OPTIND - 1))

logs=${BUILD:-build}/logs
results=$(mktemp -d) || exit 1
trap 'rm -rf "$results"' EXIT
# Told to stop: each test stops (timeout hands it on to all of its processes), nobody else does.
trap 'kill $(jobs -p) 2>/dev/null; wait; exit 130' INT TERM
mkdir -p "$logs" || exit 1
export BUILD LC_ALL=C.UTF-8 TZ=UTC
unset VMSEED_HOME XDG_DATA_HOME NO_COLOR

# The sum of N over the lines "[  WORD  ] N test(s)" of a cmocka log; 0 when there is none.
cmocka_count() { # WORD LOG
	sed -n "s/^.*\[ *$1 *\] \([0-9][0-9]*\) test(s).*/\1/p" "$2" | awk '{ n += $1 } END { print n + 0 }'
}

run_one() { # NUMBER TEST
	local child name=${2#"${BUILD:-build}"/} log status start seconds verdict passed=0 failed=0 skipped=0
	name=${name#*tests/}
	log=$logs/${name//\//_}.log
	start=$EPOCHREALTIME
	# shellcheck disable=SC2086 # a wrapper is words
	timeout -k 10 "$limit" $wrapper "$2" </dev/null >"$log" 2>&1 &
	child=$!
	trap 'kill "$child" 2>/dev/null' TERM
	wait "$child"
	status=$?
	trap - TERM
	seconds=$(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f s", b - a }')
	passed=$(cmocka_count PASSED "$log")
	failed=$(cmocka_count FAILED "$log")
	skipped=$(cmocka_count SKIPPED "$log")
	[ $((passed + failed + skipped)) -gt 1 ] && seconds="$((passed + failed + skipped)) tests, $seconds"
	case $status in
	0) [ $((passed + failed + skipped)) -gt 0 ] || passed=1 ;;
	77) skipped=$((skipped + 1)) ;;
	*) [ "$failed" -gt 0 ] || failed=1 ;;
	esac
	if [ "$strict" = true ]; then
		failed=$((failed + skipped)) skipped=0
	fi
	if [ "$failed" -gt 0 ]; then
		verdict=FAILED
		[ "$status" != 124 ] || seconds="stopped after $limit s"
		[ "$status" != 77 ] || seconds="a prerequisite is missing"
	elif [ "$skipped" -gt 0 ]; then
		verdict=skipped
	else
		verdict=ok
	fi
	{
		printf '%-8s %s (%s)\n' "$verdict" "$name" "$seconds"
		case $verdict in
		skipped) tail -n 1 "$log" | sed 's/^/         /' ;;
		FAILED) tail -n 60 "$log" | sed 's/^/    | /'
			echo "    exit status $status; all of it: $log" ;;
		esac
	} >"$results/$1.text"
	[ "$verdict" = FAILED ] || rm -f "$log"
	cat "$results/$1.text"
	echo "$passed $failed $skipped" >"$results/$1.count"
}

number=0
for test; do
	while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do
		wait -n
	done
	number=$((number + 1))
	run_one $number "$test" &
done
wait

counted=$(find "$results" -name '*.count' | wc -l)
read -r passed failed skipped < <(cat "$results"/*.count 2>/dev/null |
	awk '{ p += $1; f += $2; s += $3 } END { print p + 0, f + 0, s + 0 }')
failed=$((failed + number - counted))
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
