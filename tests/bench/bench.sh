#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# bench.sh [JOB...]: whole commands against their peers on the fleet; one table on stdout.
#
# JOB: export verify import huge resync clones link (all, when none is named). Environment: FLEET
# (as for fleet.sh, built when missing), BENCH_DIR (scratch of about 25 GiB, by default
# $TMPDIR/vmseed-bench, made and removed), BENCH_ROUNDS (3), BENCH_CLONES (10), VMSEED.
set -eu
cd "${0%/*}/../.."
fleet=$(realpath -m "${FLEET:-${TMPDIR:-/var/tmp}/vmseed-fleet}")
work=$(realpath -m "${BENCH_DIR:-${TMPDIR:-/var/tmp}/vmseed-bench}")
[ -e "$fleet/.complete" ] || tests/support/make-fleet "$fleet" >&2
[ ! -e "$work" ] || { echo "bench.sh: $work is there already; remove it or set BENCH_DIR" >&2; exit 1; }
mkdir -p "$work"
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# The sshd of the stories, for the jobs that need one.
# shellcheck disable=SC2034 # where it lives
tmp=$work
requires() {
	"$@" >/dev/null 2>&1 || fail "required: $*"
}
fail() {
	echo "bench.sh: $*" >&2
	exit 1
}
# shellcheck source=tests/support/sshd.sh
. tests/support/sshd.sh
case " ${*:-resync} " in
*' resync '* | *' clones '*)
	sshd_start
	sshd_allow "$work/ssh/allowed"
	export BENCH_SSH="$ssh_program" BENCH_SSH_TO="$ssh_to" BENCH_SSH_ALLOWED="$work/ssh/allowed" ;;
esac
python3 tests/bench/bench.py --vmseed "${VMSEED:-build/vmseed}" --fleet "$fleet" --work "$work" \
	--rounds "${BENCH_ROUNDS:-3}" "$@"
