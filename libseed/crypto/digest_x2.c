// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * SHA-256 with the x86 SHA extensions, one message or two at a time.
 *
 * A block is a chain of 32 SHA256RNDS2, each waiting for the one before: the unit that
 * executes them is idle more than half of the time. A second message has a chain
 * of its own, so that the two fill each other's gaps. Two states, two times four words of
 * message and the round constant fit the sixteen registers; three messages do not.
 */
#include "crypto/digest_internal.h"

#if defined(__x86_64__) && defined(__GLIBC__)

#include <immintrin.h>
#include <sys/platform/x86.h>

#define SHA_TARGET __attribute__((target("sha,sse4.1,ssse3")))
#define SHA_INLINE SHA_TARGET __attribute__((always_inline)) static inline

static const uint32_t K[64] __attribute__((aligned(16))) = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
	0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
	0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
	0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
	0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
	0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
	0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
	0xc67178f2,
};

/* The state as the instructions want it: a, b, e, f in one register, c, d, g, h in the other. */
struct state {
	__m128i abef, cdgh;
};

SHA_INLINE struct state load_state(const uint32_t words[8])
{
	__m128i abcd = _mm_loadu_si128((const __m128i *)(const void *)&words[0]);
	__m128i efgh = _mm_loadu_si128((const __m128i *)(const void *)&words[4]);
	__m128i cdab = _mm_shuffle_epi32(abcd, 0xb1);
	__m128i efgh_back = _mm_shuffle_epi32(efgh, 0x1b);

	return (struct state){
		.abef = _mm_alignr_epi8(cdab, efgh_back, 8),
		.cdgh = _mm_blend_epi16(efgh_back, cdab, 0xf0),
	};
}

SHA_INLINE void store_state(uint32_t words[8], struct state s)
{
	__m128i feba = _mm_shuffle_epi32(s.abef, 0x1b);
	__m128i dchg = _mm_shuffle_epi32(s.cdgh, 0xb1);

	_mm_storeu_si128((__m128i *)(void *)&words[0], _mm_blend_epi16(feba, dchg, 0xf0));
	_mm_storeu_si128((__m128i *)(void *)&words[4], _mm_alignr_epi8(dchg, feba, 8));
}

/* Four message words, big-endian. */
SHA_INLINE __m128i load_words(const uint8_t *data)
{
	const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);

	return _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(const void *)data), swap);
}

SHA_INLINE __m128i round_constants(int group)
{
	return _mm_load_si128((const __m128i *)(const void *)&K[4 * group]);
}

SHA_INLINE void first_two_rounds(struct state *s, __m128i wk)
{
	s->cdgh = _mm_sha256rnds2_epu32(s->cdgh, s->abef, wk);
}

SHA_INLINE void last_two_rounds(struct state *s, __m128i wk)
{
	s->abef = _mm_sha256rnds2_epu32(s->abef, s->cdgh, _mm_shuffle_epi32(wk, 0x0e));
}

/* The next four words of the schedule from the last sixteen, oldest first. */
SHA_INLINE __m128i next_words(__m128i w0, __m128i w1, __m128i w2, __m128i w3)
{
	__m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(w0, w1), _mm_alignr_epi8(w3, w2, 4));

	return _mm_sha256msg2_epu32(sum, w3);
}

/* Four rounds of one message; @w holds the last sixteen words as a ring of four groups. */
#define ROUNDS(i, s, w, data)                                                                  \
	do {                                                                                   \
		if ((i) < 4)                                                                   \
			w[i] = load_words((data) + 16 * (i));                                  \
		else                                                                           \
			w[(i) % 4] = next_words(w[(i) % 4], w[((i) + 1) % 4], w[((i) + 2) % 4],\
						w[((i) + 3) % 4]);                             \
		__m128i wk = _mm_add_epi32(w[(i) % 4], round_constants(i));                    \
		first_two_rounds(&s, wk);                                                      \
		last_two_rounds(&s, wk);                                                       \
	} while (0)

/* The same of two messages, step by step in turn. */
#define ROUNDS_X2(i)                                                                           \
	do {                                                                                   \
		if ((i) < 4) {                                                                 \
			wa[i] = load_words(a + 16 * (i));                                      \
			wb[i] = load_words(b + 16 * (i));                                      \
		} else {                                                                       \
			wa[(i) % 4] = next_words(wa[(i) % 4], wa[((i) + 1) % 4],               \
						 wa[((i) + 2) % 4], wa[((i) + 3) % 4]);        \
			wb[(i) % 4] = next_words(wb[(i) % 4], wb[((i) + 1) % 4],               \
						 wb[((i) + 2) % 4], wb[((i) + 3) % 4]);        \
		}                                                                              \
		__m128i wka = _mm_add_epi32(wa[(i) % 4], round_constants(i));                  \
		__m128i wkb = _mm_add_epi32(wb[(i) % 4], round_constants(i));                  \
		first_two_rounds(&sa, wka);                                                    \
		first_two_rounds(&sb, wkb);                                                    \
		last_two_rounds(&sa, wka);                                                     \
		last_two_rounds(&sb, wkb);                                                     \
	} while (0)

SHA_INLINE void add_state(struct state *s, struct state old)
{
	s->abef = _mm_add_epi32(s->abef, old.abef);
	s->cdgh = _mm_add_epi32(s->cdgh, old.cdgh);
}

SHA_TARGET void seed_sha256_ni(uint32_t state[8], const uint8_t *data, size_t blocks)
{
	struct state s = load_state(state);

	for (; blocks > 0; blocks--, data += SEED_SHA256_BLOCK) {
		struct state old = s;
		__m128i w[4];

#pragma GCC unroll 16
		for (int i = 0; i < 16; i++)
			ROUNDS(i, s, w, data);
		add_state(&s, old);
	}
	store_state(state, s);
}

SHA_TARGET void seed_sha256_ni_x2(uint32_t state_a[8], const uint8_t *a, uint32_t state_b[8],
				  const uint8_t *b, size_t blocks)
{
	struct state sa = load_state(state_a), sb = load_state(state_b);

	for (; blocks > 0; blocks--, a += SEED_SHA256_BLOCK, b += SEED_SHA256_BLOCK) {
		struct state old_a = sa, old_b = sb;
		__m128i wa[4], wb[4];

#pragma GCC unroll 16
		for (int i = 0; i < 16; i++)
			ROUNDS_X2(i);
		add_state(&sa, old_a);
		add_state(&sb, old_b);
	}
	store_state(state_a, sa);
	store_state(state_b, sb);
}

/* Asked of libc, which looked once when the program started: the CPUID instruction itself
 * costs microseconds inside a virtual machine. */
bool seed_sha256_x2_usable(void)
{
	return CPU_FEATURE_ACTIVE(SHA) && CPU_FEATURE_ACTIVE(SSE4_1) && CPU_FEATURE_ACTIVE(SSSE3);
}

#else

bool seed_sha256_x2_usable(void)
{
	return false;
}

void seed_sha256_ni(uint32_t state[8], const uint8_t *data, size_t blocks)
{
	seed_sha256_openssl(state, data, blocks);
}

void seed_sha256_ni_x2(uint32_t state_a[8], const uint8_t *a, uint32_t state_b[8],
		       const uint8_t *b, size_t blocks)
{
	seed_sha256_openssl(state_a, a, blocks);
	seed_sha256_openssl(state_b, b, blocks);
}

#endif
