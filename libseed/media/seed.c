/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See seed.h. */
#include "media/seed.h"

#include <errno.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "block/list_part.h"
#include "block/merkle.h"
#include "crypto/digest.h"
#include "pack/sealed_file.h"

#define SIDE_FILE_MAX (64u << 20)

static const struct seed_stored_facts *facts_of(const struct seed_seed *seed,
						const struct seed_file_id *id, const char *suffix,
						char path[SEED_FILE_NAME], struct seed_error *err)
{
	const struct seed_volume *v = seed->volume;
	bool elsewhere = seed->elsewhere;
	const struct seed_stored_facts *facts;

	seed_file_name(id, v->sealed, path);
	strcat(path, suffix);
	facts = seed_volume_file(v, path);
	if (!facts && elsewhere)
		seed_error_set(err, SEED_ERR_MEDIUM,
			       "%s: is on the volume of the set that the manifest came from: give "
			       "that one too",
			       path);
	else if (!facts)
		seed_error_set(err, SEED_ERR_INTEGRITY, "%s: no commit of the volume names it",
			       path);
	return facts;
}

static int take_text(struct seed_seed *seed, const char *text, size_t len, const char *signature,
		     size_t signature_len, struct seed_error *err)
{
	if (signature_len >= sizeof(seed->signature))
		return seed_error_set(err, SEED_ERR_TRUST, "signature too long");
	seed->text = malloc(len + 1);
	if (!seed->text)
		return seed_error_sys(err, ENOMEM, "manifest");
	memcpy(seed->text, text, len);
	seed->text[len] = '\0';
	seed->len = len;
	memcpy(seed->signature, signature, signature_len);
	return 0;
}

/* Plaintext set: the manifest is JSON and its signature stands beside it. */
static int load_plain(struct seed_seed *seed, const struct seed_file_id *id,
		      struct seed_error *err)
{
	const struct seed_volume *v = seed->volume;
	const struct seed_stored_facts *facts;
	SEED_AUTO(seed_freep) char *signature = NULL;
	char path[SEED_FILE_NAME];
	size_t len;

	facts = facts_of(seed, id, "", path, err);
	if (!facts)
		return -1;
	if (seed_stored_file_load(v->dir, id, &v->data_key, facts, SEED_MANIFEST_MAX, &seed->text,
				  &seed->len, err) < 0)
		return -1;
	facts = facts_of(seed, id, ".minisig", path, err);
	if (!facts ||
	    seed_file_read(v->dir, path, SEED_SIGNATURE_MAX - 1, &signature, &len, err) < 0)
		return -1;
	memcpy(seed->signature, signature, len + 1);
	return 0;
}

static int load_sealed(struct seed_seed *seed, const struct seed_file_id *id,
		       struct seed_error *err)
{
	const struct seed_volume *v = seed->volume;
	SEED_AUTO(seed_freep) char *bundle = NULL;
	const struct seed_stored_facts *facts;
	const char *text, *signature;
	size_t bundle_len, len, signature_len;
	char path[SEED_FILE_NAME];

	if (!v->data_key.known)
		return seed_error_set(err, SEED_ERR_NOTFOUND,
				      "the set is sealed for another site: its key is not here");
	facts = facts_of(seed, id, "", path, err);
	if (!facts)
		return -1;
	if (seed_stored_file_load(v->dir, id, &v->data_key, facts,
				  SEED_MANIFEST_MAX + SEED_SIGNATURE_MAX + 4, &bundle, &bundle_len,
				  err) < 0)
		return -1;
	if (seed_manifest_unbundle(bundle, bundle_len, &text, &len, &signature,
				   &signature_len, err) < 0)
		return seed_error_prefix(err, "%s", path);
	return take_text(seed, text, len, signature, signature_len, err) < 0 ?
	       seed_error_prefix(err, "%s", path) : 0;
}

/* Signed by the right key, but also about this set, this seed and a VM of the signer's? */
static int check_manifest(const struct seed_seed *seed, const struct seed_id *id,
			  struct seed_error *err)
{
	const struct seed_volume *v = seed->volume;
	const struct seed_manifest *m = &seed->manifest;

	if (!seed_id_equal(&m->seed, id) || !seed_id_equal(&m->set, &v->set))
		return seed_error_set(err, SEED_ERR_INTEGRITY,
				      "its manifest belongs to another seed or set");
	if (m->has_recipient != v->sealed)
		return seed_error_set(err, SEED_ERR_INTEGRITY,
				      "its manifest is of a %s set and this one is %s",
				      m->has_recipient ? "sealed" : "plaintext",
				      v->sealed ? "sealed" : "plaintext");
	if (!seed_id_equal(&m->site, &v->signer->card.site))
		return seed_error_set(err, SEED_ERR_TRUST,
				      "its manifest speaks for a VM of another site than its "
				      "signer's");
	return seed_trust_allows(v->signer, &m->uuid, m->name, err);
}

int seed_seed_open(struct seed_seed **out, const struct seed_volume *volume,
		   const struct seed_id *id, struct seed_error *err)
{
	SEED_AUTO(seed_seed_closep) struct seed_seed *seed = calloc(1, sizeof(*seed));
	const struct seed_file_id file = {
		.set = volume->set,
		.seed = *id,
		.role = SEED_FILE_MANIFEST,
	};
	char text[SEED_ID_TEXT];
	int rc;

	if (!seed)
		return seed_error_sys(err, ENOMEM, "seed");
	seed->volume = volume;
	seed_manifest_init(&seed->manifest);
	rc = volume->sealed ? load_sealed(seed, &file, err) : load_plain(seed, &file, err);
	if (rc == 0)
		rc = seed_manifest_open(&seed->manifest, seed->text, seed->len, seed->signature,
					strlen(seed->signature), &volume->key, err);
	if (rc == 0)
		rc = check_manifest(seed, id, err);
	if (rc < 0)
		return seed_error_prefix(err, "seed %s", seed_id_text(id, text));
	seed_digest_of(&seed->digest, seed->text, seed->len);
	*out = seed_steal(&seed);
	return 0;
}

int seed_seed_of_text(struct seed_seed **out, const struct seed_volume *volume, const char *text,
		      size_t len, const char *signature, size_t signature_len,
		      struct seed_error *err)
{
	SEED_AUTO(seed_seed_closep) struct seed_seed *seed = calloc(1, sizeof(*seed));

	if (!seed)
		return seed_error_sys(err, ENOMEM, "seed");
	seed->volume = volume;
	seed->elsewhere = true;
	seed_manifest_init(&seed->manifest);
	if (take_text(seed, text, len, signature, signature_len, err) < 0 ||
	    seed_manifest_open(&seed->manifest, seed->text, seed->len, seed->signature,
			       strlen(seed->signature), &volume->key, err) < 0 ||
	    check_manifest(seed, &seed->manifest.seed, err) < 0)
		return -1;
	seed_digest_of(&seed->digest, seed->text, seed->len);
	*out = seed_steal(&seed);
	return 0;
}

void seed_seed_close(struct seed_seed *seed)
{
	if (!seed)
		return;
	seed_manifest_clear(&seed->manifest);
	free(seed->text);
	free(seed);
}

/* What a list's plaintext passes through: its form, and its own digest. */
struct part_check {
	const char *path;
	struct seed_list_reader *reader;
	struct seed_digest_stream digest;
	uint64_t length;
};

static int take_bytes(void *arg, const void *data, size_t len, struct seed_error *err)
{
	struct part_check *check = arg;

	seed_digest_add(&check->digest, data, len);
	check->length += len;
	return seed_list_reader_add(check->reader, data, len, err) < 0 ?
		       seed_error_prefix(err, "%s", check->path) : 0;
}

static int read_part(const struct seed_seed *seed, const struct seed_file_id *id,
		     const struct seed_manifest_part *part, struct seed_list_reader *reader,
		     struct seed_error *err)
{
	const struct seed_volume *v = seed->volume;
	const struct seed_stored_facts *facts;
	struct seed_digest digest;
	char path[SEED_FILE_NAME];
	struct part_check check = { .path = path, .reader = reader };

	facts = facts_of(seed, id, "", path, err);
	if (!facts)
		return -1;
	seed_digest_begin(&check.digest);
	if (seed_list_reader_begin_part(reader, id->number & 0xffff, err) < 0)
		return seed_error_prefix(err, "%s", path);
	if (seed_stored_file_read(v->dir, id, &v->data_key, facts, part->length, take_bytes,
				  &check, err) < 0)
		return -1;
	if (seed_list_reader_end_part(reader, err) < 0)
		return seed_error_prefix(err, "%s", path);
	seed_digest_end(&check.digest, &digest);
	if (check.length != part->length || !seed_digest_equal(&digest, &part->digest))
		return seed_error_set(err, SEED_ERR_INTEGRITY,
				      "%s: differs from what the manifest says", path);
	return 0;
}

int seed_seed_list(const struct seed_seed *seed, uint32_t disk, struct seed_list *into,
		   struct seed_error *err)
{
	const struct seed_manifest_disk *d = seed_vec_at(&seed->manifest.disks, disk);
	SEED_AUTO(seed_list_reader_freep) struct seed_list_reader *reader = NULL;
	struct seed_digest root;
	uint64_t data_blocks;

	if (seed_list_reader_new(&reader, disk, d->blocks, into, err) < 0)
		return -1;
	for (uint32_t i = 0; i < d->parts.count; i++) {
		struct seed_file_id id = {
			.set = seed->volume->set,
			.seed = seed->manifest.seed,
			.role = SEED_FILE_LIST,
			.number = disk << 16 | (i + 1),
		};

		if (read_part(seed, &id, seed_vec_at(&d->parts, i), reader, err) < 0)
			return -1;
	}
	if (seed_list_reader_finish(reader, &data_blocks, err) < 0)
		return -1;
	if (data_blocks != d->data_blocks)
		return seed_error_set(err, SEED_ERR_INTEGRITY,
				      "digest list of %s: %llu data blocks, not the manifest's "
				      "%llu",
				      d->slot, (unsigned long long)data_blocks,
				      (unsigned long long)d->data_blocks);
	if (!into)
		return 0;
	if (seed_merkle_of_list(&root, into, d->size, NULL, NULL, err) < 0)
		return -1;
	if (!seed_digest_equal(&root, &d->root))
		return seed_error_set(err, SEED_ERR_INTEGRITY,
				      "digest list of %s: its root is not the manifest's", d->slot);
	return 0;
}

int seed_seed_file(const struct seed_seed *seed, uint32_t index, char **out, size_t *len,
		   struct seed_error *err)
{
	const struct seed_manifest_file *f = seed_vec_at(&seed->manifest.files, index);
	const struct seed_volume *v = seed->volume;
	const struct seed_file_id id = {
		.set = v->set,
		.seed = seed->manifest.seed,
		.role = SEED_FILE_SIDE,
		.number = index,
	};
	const struct seed_stored_facts *facts;
	SEED_AUTO(seed_freep) char *data = NULL;
	struct seed_digest digest;
	char path[SEED_FILE_NAME];

	facts = facts_of(seed, &id, "", path, err);
	if (!facts)
		return -1;
	if (seed_stored_file_load(v->dir, &id, &v->data_key, facts, SIDE_FILE_MAX, &data, len,
				  err) < 0)
		return -1;
	seed_digest_of(&digest, data, *len);
	if (*len != f->facts.length || !seed_digest_equal(&digest, &f->facts.digest))
		return seed_error_set(err, SEED_ERR_INTEGRITY,
				      "%s: differs from what the manifest says", path);
	*out = seed_steal(&data);
	return 0;
}
