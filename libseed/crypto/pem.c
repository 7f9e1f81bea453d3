// SPDX-License-Identifier: LGPL-2.1-or-later
/* (declared in pem_internal.h) */
#include "crypto/pem_internal.h"

#include <errno.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>
#include <string.h>

#include "base/cleanup.h"
#include "crypto/random.h"

/* scrypt at 16 MiB, about a quarter of a second: the most memory that OpenSSL opens again by
 * default is 32 MiB. */
#define SCRYPT_N 16384
#define SCRYPT_R 8
#define SCRYPT_P 5
#define SCRYPT_SALT 16

/* The armour around the two forms of RFC 5958. */
#define PLAIN_NAME "PRIVATE KEY"
#define SEALED_NAME "ENCRYPTED PRIVATE KEY"

static void bio_freep(BIO **bio) { BIO_free(*bio); }
static void p8_freep(PKCS8_PRIV_KEY_INFO **p8) { PKCS8_PRIV_KEY_INFO_free(*p8); }
static void sig_freep(X509_SIG **sig) { X509_SIG_free(*sig); }

/* Takes nothing; @out is the caller's. */
static int encrypt(X509_SIG **out, PKCS8_PRIV_KEY_INFO *p8, const char *passphrase,
		   struct seed_error *err)
{
	uint8_t salt[SCRYPT_SALT];
	X509_ALGOR *scheme;

	if (seed_random(salt, sizeof(salt), err) < 0)
		return -1;
	scheme = PKCS5_pbe2_set_scrypt(EVP_aes_256_cbc(), salt, sizeof(salt), NULL, SCRYPT_N,
				       SCRYPT_R, SCRYPT_P);
	if (!scheme)
		return seed_libcrypto_error(err, "scrypt");
	*out = PKCS8_set0_pbe(passphrase, (int)strlen(passphrase), p8, scheme);
	if (!*out) {
		X509_ALGOR_free(scheme);
		return seed_libcrypto_error(err, "key encryption");
	}
	return 0;
}

static int copy_out(BIO *bio, char **out, size_t *len, struct seed_error *err)
{
	char *data = NULL, *copy;
	long size = BIO_get_mem_data(bio, &data);

	if (size <= 0)
		return seed_libcrypto_error(err, "PEM");
	copy = malloc((size_t)size + 1);
	if (!copy)
		return seed_error_sys(err, ENOMEM, "PEM");
	memcpy(copy, data, (size_t)size);
	copy[size] = '\0';
	*out = copy;
	*len = (size_t)size;
	return 0;
}

int seed_pem_write(int type, const uint8_t secret[32], const char *passphrase, char **out,
		   size_t *len, struct seed_error *err)
{
	SEED_AUTO(seed_pkey_freep) EVP_PKEY *key =
		EVP_PKEY_new_raw_private_key(type, NULL, secret, 32);
	SEED_AUTO(p8_freep) PKCS8_PRIV_KEY_INFO *p8 = key ? EVP_PKEY2PKCS8(key) : NULL;
	SEED_AUTO(bio_freep) BIO *bio = BIO_new(BIO_s_secmem());	/* wiped when freed */
	SEED_AUTO(sig_freep) X509_SIG *sealed = NULL;
	int written;

	if (!p8 || !bio)
		return seed_libcrypto_error(err, "PEM");
	if (passphrase && encrypt(&sealed, p8, passphrase, err) < 0)
		return -1;
	written = sealed ? PEM_write_bio_PKCS8(bio, sealed) :
			   PEM_write_bio_PKCS8_PRIV_KEY_INFO(bio, p8);
	if (written != 1)
		return seed_libcrypto_error(err, "PEM");
	return copy_out(bio, out, len, err);
}

/* ---- reading ---- */

/* One block of PEM, decoded: wiped, since it may hold the key in the clear. */
struct armour {
	char *name, *header;
	unsigned char *data;
	long len;
};

static void armour_freep(struct armour *a)
{
	OPENSSL_free(a->name);
	OPENSSL_free(a->header);
	OPENSSL_clear_free(a->data, a->len > 0 ? (size_t)a->len : 0);
}

/* The whole of @pem is one block without the headers of the old encrypted form. */
static int read_armour(struct armour *a, const char *pem, size_t len, struct seed_error *err)
{
	static const char begin[] = "-----BEGIN ";
	SEED_AUTO(bio_freep) BIO *bio = NULL;
	char rest;

	if (len > SEED_PEM_MAX)
		return seed_error_set(err, SEED_ERR_FORMAT, "too long for a key");
	if (len < sizeof(begin) - 1 || memcmp(pem, begin, sizeof(begin) - 1) != 0)
		return seed_error_set(err, SEED_ERR_FORMAT, "not a private key in PEM");
	bio = BIO_new_mem_buf(pem, (int)len);
	if (!bio)
		return seed_libcrypto_error(err, "PEM");
	if (PEM_read_bio(bio, &a->name, &a->header, &a->data, &a->len) != 1 || a->header[0])
		return seed_libcrypto_refuse(err, SEED_ERR_FORMAT, "not a private key in PEM");
	if (BIO_read(bio, &rest, 1) > 0)
		return seed_error_set(err, SEED_ERR_FORMAT, "something follows the private key");
	return 0;
}

static int decrypt(PKCS8_PRIV_KEY_INFO **out, const struct armour *a, const char *passphrase,
		   struct seed_error *err)
{
	const unsigned char *next = a->data;
	SEED_AUTO(sig_freep) X509_SIG *sealed = d2i_X509_SIG(NULL, &next, a->len);

	if (!sealed || next != a->data + a->len)
		return seed_libcrypto_refuse(err, SEED_ERR_FORMAT, "not an encrypted private key");
	if (!passphrase)
		return seed_error_set(err, SEED_ERR_TRUST, "the key needs its passphrase");
	*out = PKCS8_decrypt(sealed, passphrase, (int)strlen(passphrase));
	return *out ? 0 : seed_libcrypto_refuse(err, SEED_ERR_TRUST, "wrong passphrase");
}

static int decode(PKCS8_PRIV_KEY_INFO **out, const struct armour *a, struct seed_error *err)
{
	const unsigned char *next = a->data;

	*out = d2i_PKCS8_PRIV_KEY_INFO(NULL, &next, a->len);
	if (!*out || next != a->data + a->len)
		return seed_libcrypto_refuse(err, SEED_ERR_FORMAT, "not a private key");
	return 0;
}

int seed_pem_read(int type, uint8_t secret[32], const char *pem, size_t len,
		  const char *passphrase, struct seed_error *err)
{
	SEED_AUTO(armour_freep) struct armour a = { .name = NULL };
	SEED_AUTO(p8_freep) PKCS8_PRIV_KEY_INFO *p8 = NULL;
	SEED_AUTO(seed_pkey_freep) EVP_PKEY *key = NULL;
	size_t size = 32;

	if (read_armour(&a, pem, len, err) < 0)
		return -1;
	if (strcmp(a.name, SEALED_NAME) == 0) {
		if (decrypt(&p8, &a, passphrase, err) < 0)
			return -1;
	} else if (strcmp(a.name, PLAIN_NAME) == 0) {
		if (decode(&p8, &a, err) < 0)
			return -1;
	} else {
		return seed_error_set(err, SEED_ERR_FORMAT, "not a private key in PKCS#8");
	}
	key = EVP_PKCS82PKEY(p8);
	if (!key || EVP_PKEY_get_id(key) != type ||
	    EVP_PKEY_get_raw_private_key(key, secret, &size) != 1 || size != 32)
		return seed_libcrypto_refuse(err, SEED_ERR_FORMAT, type == EVP_PKEY_ED25519 ?
					     "not an Ed25519 key" : "not an X25519 key");
	return 0;
}
