// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * libcrypto allocates a lot on its way. Each allocation (of very many, a sample that thins out)
 * fails in turn, alone and with all after it: the operation then ends in an error (or did not need
 * it), and leaks nothing, which the sanitizers and valgrind see.
 */
#include "cmocka_all.h"

#include <openssl/crypto.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "crypto/hpke.h"
#include "crypto/kdf.h"
#include "crypto/sign.h"

static unsigned int fail_at;	/* the allocation that fails, counted from 1; 0: none does */
static bool fail_after;		/* and all after it */
static unsigned int allocations;

static bool runs_out(void)
{
	allocations++;
	return fail_at && (allocations == fail_at || (fail_after && allocations > fail_at));
}

static void *failing_malloc(size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return runs_out() ? NULL : malloc(size);
}

static void *failing_realloc(void *p, size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return runs_out() ? NULL : realloc(p, size);
}

static void plain_free(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	free(p);
}

static int sign_and_verify(struct seed_error *err)
{
	SEED_AUTO(seed_signing_key_freep) struct seed_signing_key *key = NULL;
	char sig[SEED_SIGNATURE_MAX];

	if (seed_signing_key_generate(&key, err) < 0 || seed_sign(key, "x", 1, "", sig, err) < 0)
		return -1;
	return seed_sign_verify(seed_signing_key_public(key), "x", 1, sig, strlen(sig), err);
}

static int write_and_read_a_key(struct seed_error *err)
{
	SEED_AUTO(seed_receiving_key_freep) struct seed_receiving_key *key = NULL, *again = NULL;
	SEED_AUTO(seed_freep) char *pem = NULL;
	size_t len;

	if (seed_receiving_key_generate(&key, err) < 0 ||
	    seed_receiving_key_to_pem(key, NULL, &pem, &len, err) < 0 ||
	    seed_receiving_key_from_pem(&again, pem, len, NULL, err) < 0)
		return -1;
	assert_memory_equal(seed_receiving_key_public(again), seed_receiving_key_public(key), 32);
	return 0;
}

static int wrap_and_unwrap(struct seed_error *err)
{
	SEED_AUTO(seed_receiving_key_freep) struct seed_receiving_key *key = NULL;
	uint8_t enc[SEED_HPKE_ENC], sealed[4 + SEED_HPKE_TAG], opened[4];

	if (seed_receiving_key_generate(&key, err) < 0 ||
	    seed_hpke_seal(enc, sealed, seed_receiving_key_public(key), "i", 1, "a", 1, "text", 4,
			   NULL, err) < 0 ||
	    seed_hpke_open(opened, key, enc, "i", 1, "a", 1, sealed, sizeof(sealed), err) < 0)
		return -1;
	assert_memory_equal(opened, "text", 4);
	return 0;
}

static int name_a_uuid(struct seed_error *err)
{
	struct seed_id space = { { 0 } }, id;

	return seed_uuid5(&id, &space, "x", err);
}

static void fail_every_allocation(int (*work)(struct seed_error *err))
{
	for (int after = 0; after < 2; after++) {
		unsigned int failures = 0;

		fail_after = after;
		for (unsigned int at = 0;; at += 1 + at / 100) {	/* a key file takes 3,500 */
			struct seed_error err = { 0 };
			int result;

			allocations = 0;
			fail_at = at;
			result = work(&err);
			fail_at = 0;
			if (result < 0 && (err.kind == SEED_ERR_NONE || !err.text[0]))
				fail_msg("allocation %u: no error told", at);
			if (result < 0 && at == 0)
				fail_msg("%s", err.text);
			if (at > allocations)
				break;
			failures += result < 0;
		}
		assert_true(failures > 0);
	}
}

static void signatures(void **state)
{
	(void)state;
	fail_every_allocation(sign_and_verify);
}

static void key_files(void **state)
{
	(void)state;
	fail_every_allocation(write_and_read_a_key);
}

static void wrapped_keys(void **state)
{
	(void)state;
	fail_every_allocation(wrap_and_unwrap);
}

static void uuids(void **state)
{
	(void)state;
	fail_every_allocation(name_a_uuid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signatures),
		cmocka_unit_test(key_files),
		cmocka_unit_test(wrapped_keys),
		cmocka_unit_test(uuids),
	};

	/* only before its first allocation */
	if (CRYPTO_set_mem_functions(failing_malloc, failing_realloc, plain_free) != 1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
