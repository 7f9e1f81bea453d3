#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Each way to break the layers is planted in a copy of the tree, and `make layers` refuses it.
. "${0%/*}/lib.sh"
requires perl -v
requires "${CC:-cc}" --version
requires nm --version

tree=$tmp/tree
mkdir -p "$tree/tests"
cp -R "$top/libseed" "$tree/libseed"
cp -R "$top/tools" "$tree/tools"
cp "$top/tests/layers.sh" "$tree/tests/"
export BUILD="$tmp/built"
mkdir -p "$BUILD"

run "$tree/tests/layers.sh" includes
# A small tree from here on: what is planted is judged by itself.
find "$tree/libseed" "$tree/tools" -name '*.[ch]' -not -path '*/base/error.h' -delete

# planted FILE REGEX < TEXT: with TEXT in FILE the tree is refused for a reason like REGEX.
planted() {
	mkdir -p "$tree/${1%/*}"
	cat >"$tree/$1"
	fails_with 1 "$2" "$tree/tests/layers.sh" includes
	rm "$tree/$1"
	rmdir "$tree/${1%/*}" 2>/dev/null || true
}

planted libseed/base/zz.c 'zz.c includes crypto/digest.h: crypto/ .* not below base' <<'END'
#include "crypto/digest.h"
END
planted libseed/crypto/zz.c 'zz.c includes codec/zstd_block.h: codec/ .* not below crypto' <<'END'
#include "codec/zstd_block.h"
END
planted libseed/crypto/zz.c 'zz.c includes codec/zstd_block.h' <<'END'
	 #	include   < codec//./zstd_block.h >
END
planted libseed/pack/zz.c 'zz.c includes \.\./crypto/digest.h: a path goes down' <<'END'
#include "../crypto/digest.h"
END
planted libseed/pack/zz.c 'a path goes down' <<'END'
#include "crypto/../base/fd.h"
END
planted libseed/pack/zz.c 'a path goes down' <<'END'
#include </usr/include/zstd.h>
END
planted libseed/pack/zz.c 'zz.c includes crypto/crypto_internal.h, which is internal to crypto/' <<'END'
#include "crypto/crypto_internal.h"
END
planted tools/zz.c 'zz.c includes pack/pack_internal.h, which is internal to pack/' <<'END'
#include"pack/pack_internal.h"
END
planted tools/zz.c 'zz.c includes jansson.h: tools/ uses popt and libsmartcols only' <<'END'
#include <jansson.h>
END
planted libseed/stray/zz.c 'libseed/stray/ is not listed' <<'END'
int seed_stray;
END
planted libseed/zz.c 'libseed/zz.c lies outside the folders' <<'END'
int seed_stray;
END
planted libseed/pack/deep/zz.c 'zz.c lies too deep' <<'END'
int seed_stray;
END
planted libseed/pack/zz.inc 'zz.inc is neither' <<'END'
int seed_stray;
END
for include in '#include <zstd.h>' '#include"zstd.h"' '#  include   < zstd.h >' \
	'#/**/include/* so */<zstd.h>' '%:include <zstd.h>' '??=include <zstd.h>' \
	'#include_next <zstd.h>' '#import <zstd.h>' \
	"$(printf '/* a\n*/ # include <zstd.h>')" "$(printf '#inc\\\nlude <zst\\\nd.h>')" \
	"$(printf 'int a; // /*\n#include <zstd.h>')" "$(printf 'int n = 1 /* < */ // >\n#include <zstd.h>')" \
	"$(printf 'const char *s = "/*";\n#include <zstd.h>')" \
	"$(printf 'int c = %s"%s;\n#include <zstd.h>' "'" "'")"; do
	planted libseed/pack/zz.c 'zz.c includes zstd.h, which belongs to codec/ alone' <<END
$include
END
done
planted libseed/pack/zz.c 'includes openssl/evp.h, which belongs to crypto/ alone' <<'END'
#include <openssl/evp.h>
END
planted libseed/codec/zz.h 'includes zlib.h, which LAYERS gives to no folder' <<'END'
#include <zlib.h>
END
planted libseed/base/zz.h 'has an include that is computed' <<'END'
#define HEADER <zstd.h>
#include HEADER
END

# Comments and strings that only look like includes are left alone.
cat >"$tree/libseed/base/zz.c" <<'END'
/*
#include <zstd.h>
*/
// \
#include <zstd.h>
const char *seed_text = "\
#include <zstd.h>";
END
run "$tree/tests/layers.sh" includes
rm "$tree/libseed/base/zz.c"

# A header that needs another before it, and one that cannot stand twice.
echo 'struct seed_error *seed_zz(uint64_t n);' >"$tree/libseed/base/zz.h"
fails_with 1 'libseed/base/zz.h does not compile alone' "$tree/tests/layers.sh" headers
echo 'enum seed_zz { SEED_ZZ };' >"$tree/libseed/base/zz.h"
fails_with 1 'libseed/base/zz.h does not compile alone' "$tree/tests/layers.sh" headers
rm "$tree/libseed/base/zz.h"

# library TEXT: a libseed.a made of TEXT.
library() {
	rm -f "$BUILD/libseed.a"
	printf '%s\n' "$1" | "${CC:-cc}" -fPIE -fno-common -c -x c -o "$BUILD/zz.o" -
	ar rcs "$BUILD/libseed.a" "$BUILD/zz.o"
}
fails_with 1 'is not there' "$tree/tests/layers.sh" symbols
library 'int helper(void); int helper(void) { return 0; }'
fails_with 1 'exports helper, which lacks the seed_ prefix' "$tree/tests/layers.sh" symbols
library 'int seed_count = 4;'
fails_with 1 'global seed_count in \.data' "$tree/tests/layers.sh" symbols
library 'int seed_next(void); int seed_next(void) { static int last; return ++last; }'
fails_with 1 'global last.* in \.bss' "$tree/tests/layers.sh" symbols
library 'int seed_next(void); int seed_next(void) { static __thread int last; return ++last; }'
fails_with 1 'global last.* in \.tbss' "$tree/tests/layers.sh" symbols
library 'static const char *const names[] = { "a", "b" };
	const char *seed_name(int n); const char *seed_name(int n) { return names[n]; }'
run "$tree/tests/layers.sh" symbols
