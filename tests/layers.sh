#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# layers.sh [includes] [headers] [symbols]: hold the tree to libseed/LAYERS. Without
# arguments all three:
#
#   includes  an include points down or stays in its folder; no `../`, no other folder's
#             *_internal.h, no outside library but in its room, every folder listed
#   headers   every header compiles alone, and twice
#   symbols   no global of libseed.a without the seed_ prefix, and none that can change
#             ($BUILD/libseed.a must have been built)
#
# Reads the tree it stands in; CC and BUILD as in the Makefile.
set -u
cd "${0%/*}/.." || exit 1
export LC_ALL=C

# What may change although it is global, and why: "symbol reason", one a line.
MUTABLE_ALLOWED=''

# Headers of the C library, the kernel and the compiler: free to all.
SYSTEM_HEADERS=' alloca assert byteswap cpuid ctype dirent dlfcn elf endian err errno error fcntl
 features fnmatch fts ftw getopt glob grp immintrin inttypes langinfo limits locale malloc math
 mntent netdb nl_types paths poll pthread pwd regex sched search semaphore setjmp signal spawn
 stdalign stdarg stdatomic stdbool stddef stdint stdio stdio_ext stdlib stdnoreturn string strings
 sysexits syslog termios time uchar unistd utime utmpx wchar wctype wordexp x86intrin arm_acle
 arm_neon '
SYSTEM_HEADERS=${SYSTEM_HEADERS//$'\n'/}
SYSTEM_FOLDERS=' arpa asm asm-generic linux mtd net netinet scsi sys '
TOOLS_HEADERS=' popt.h libsmartcols.h libsmartcols/libsmartcols.h '

bad=0
refuse() {
	echo "layers: $*"
	bad=1
}

declare -A rank room
folders=()
read_layers() {
	local level folder prefixes prefix line=0
	while read -r level folder prefixes; do
		line=$((line + 1))
		case $level in '' | '#'*) continue ;; esac
		if [[ ! $level =~ ^[0-9]+$ || ! $folder =~ ^[a-z0-9]+$ ]]; then
			refuse "libseed/LAYERS line $line is not \"rank folder [prefixes]\""
			continue
		fi
		[ -z "${rank[$folder]:-}" ] || refuse "libseed/LAYERS lists $folder twice"
		rank[$folder]=$level
		folders+=("$folder")
		for prefix in $prefixes; do
			[ -z "${room[$prefix]:-}" ] ||
				refuse "libseed/LAYERS gives $prefix to ${room[$prefix]} and to $folder"
			room[$prefix]=$folder
		done
	done <libseed/LAYERS
	[ "${#folders[@]}" -gt 0 ] || refuse 'libseed/LAYERS lists no folder'
}

# The folder that an outside header belongs to, by LAYERS; nothing if none does.
room_of() { # HEADER: sets $owner
	local prefix
	owner=
	for prefix in "${!room[@]}"; do
		case $prefix in
		*/) [[ $1 != "$prefix"* ]] || owner=${room[$prefix]} ;;
		*) [ "$1" != "$prefix" ] || owner=${room[$prefix]} ;;
		esac
	done
}

is_system() { # HEADER
	[[ $1 == */* && $SYSTEM_FOLDERS == *" ${1%%/*} "* ]] ||
		[[ $1 == *.h && $1 != */* && $SYSTEM_HEADERS == *" ${1%.h} "* ]]
}

# Every include of the files named: "file TAB how TAB what", how being < or " or ? (computed).
# Comments and spliced lines are undone first, so that spacing hides nothing.
list_includes() {
	perl -0777 -ne '
		s/\\\r?\n//g;
		my $gap = qr{(?:[^\S\n]|/\*.*?\*/)*}s;
		my $directive = qr{(?:\#|%:|\?\?=)$gap(?:include_next|include|import)}s;
		s{((?:^|\n)$gap$directive$gap)(<[^>\n]*>)
		 |("(?:\\.|[^"\\\n])*"|\x27(?:\\.|[^\x27\\\n])*\x27)
		 |/\*.*?\*/|//[^\n]*}
		 {my ($head, $tail) = ($1, $2); defined $head ? ($head =~ s{/\*.*?\*/}{ }gsr) . $tail :
		  defined $3 ? $3 : " "}gsex;
		while (/^\s*(?:\#|%:|\?\?=)\s*(?:include|include_next|import)\b[^\S\n]*([^\n]*)/mg) {
			my $rest = $1;
			if ($rest =~ /^<\s*([^>]*?)\s*>/) { print "$ARGV\t<\t$1\n" }
			elsif ($rest =~ /^"\s*([^"]*?)\s*"/) { print "$ARGV\t\"\t$1\n" }
			else { print "$ARGV\t?\t$rest\n" }
		}' "$@" </dev/null
}

check_ours() { # FILE FROM(folder or tools) WHAT: a header of libseed/
	local to=${3%%/*}
	if [[ $3 == *_internal.h && $to != "$2" ]]; then
		refuse "$1 includes $3, which is internal to $to/"
	elif [ "$2" != tools ] && [ "$to" != "$2" ] && [ "${rank[$to]}" -ge "${rank[$2]}" ]; then
		refuse "$1 includes $3: $to/ (rank ${rank[$to]}) is not below $2/ (rank ${rank[$2]})"
	fi
}

check_include() { # FILE HOW WHAT
	local file=$1 how=$2 what=$3 from owner
	case $file in
	tools/*) from=tools ;;
	*) from=${file#libseed/} from=${from%%/*} ;;
	esac
	if [ "$how" = '?' ]; then
		refuse "$file has an include that is computed: $what"
		return
	fi
	while [[ $what == *//* || $what == ./* || $what == */./* ]]; do
		what=${what//\/\//\/} what=${what#./} what=${what//\/.\//\/}
	done
	if [[ /$what/ == */../* || $what == /* ]]; then
		refuse "$file includes $what: a path goes down from libseed/, without .. and /"
	elif [[ $what == */* && -n ${rank[${what%%/*}]:-} ]]; then
		check_ours "$file" "$from" "$what"
	elif [[ $how == '"' && $what != */* && -e ${file%/*}/$what ]]; then
		:
	elif is_system "$what"; then
		:
	elif [ "$from" = tools ]; then
		[[ $TOOLS_HEADERS == *" $what "* ]] ||
			refuse "$file includes $what: tools/ uses popt and libsmartcols only"
	else
		room_of "$what"
		if [ -z "$owner" ]; then
			refuse "$file includes $what, which LAYERS gives to no folder"
		elif [ "$owner" != "$from" ]; then
			refuse "$file includes $what, which belongs to $owner/ alone"
		fi
	fi
}

check_includes() {
	local path files=() file how what
	for path in libseed/*; do
		[ "$path" != libseed/LAYERS ] || continue
		[ -d "$path" ] || { refuse "$path lies outside the folders"; continue; }
		[ -n "${rank[${path#libseed/}]:-}" ] || refuse "$path/ is not listed in libseed/LAYERS"
	done
	while read -r path; do
		case $path in
		libseed/LAYERS) ;;
		libseed/*/*/* | tools/*/*) refuse "$path lies too deep: one folder is one layer" ;;
		tools/*.[ch]) files+=("$path") ;;
		libseed/*/*.[ch]) [ -z "${rank[$(basename "${path%/*}")]:-}" ] || files+=("$path") ;;
		libseed/*/* | tools/*) refuse "$path is neither .c nor .h" ;;
		esac
	done < <(find libseed tools -not -type d 2>/dev/null | sort)
	[ "${#files[@]}" -gt 0 ] || return
	while IFS=$'\t' read -r file how what; do
		check_include "$file" "$how" "$what"
	done < <(list_includes "${files[@]}")
}

check_headers() {
	local header flags
	flags=$(pkg-config --cflags libxml-2.0 smartcols 2>/dev/null)
	for header in libseed/*/*.h tools/*.h; do
		[ -e "$header" ] || continue
		# shellcheck disable=SC2086 # flags are words
		printf '#include "%s"\n#include "%s"\nextern int seed_nothing;\n' "$header" "$header" |
			${CC:-cc} -std=gnu11 -Wall -Wextra -Werror -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 \
				-I. -Ilibseed -Itools $flags -fsyntax-only -x c - ||
			refuse "$header does not compile alone"
	done
}

check_symbols() {
	local library=${BUILD:-build}/libseed.a name section
	[ -e "$library" ] || { refuse "$library is not there: build it first"; return; }
	while read -r name; do
		refuse "$library exports $name, which lacks the seed_ prefix"
	done < <(nm --defined-only -g "$library" | awk 'NF == 3 && $3 !~ /^seed_/ { print $3 }' | sort -u)
	while read -r section name; do
		[[ $MUTABLE_ALLOWED != *"${name%%.[0-9]*} "* ]] || continue
		refuse "$library has the global $name in $section: the library keeps no state that changes"
	done < <(nm -f sysv --defined-only "$library" | awk -F ' *[|] *' '
		$4 ~ /OBJECT|TLS/ && $7 ~ /^(\.data|\.bss|\.tdata|\.tbss|\*COM\*)/ &&
			$7 !~ /^\.data\.rel\.ro/ { print $7, $1 }' | sort -u)
}

read_layers
[ $# -gt 0 ] || set -- includes headers symbols
for part; do
	case $part in
	includes) check_includes ;;
	headers) check_headers ;;
	symbols) check_symbols ;;
	*) echo 'usage: layers.sh [includes] [headers] [symbols]' >&2; exit 2 ;;
	esac
done
exit $bad
