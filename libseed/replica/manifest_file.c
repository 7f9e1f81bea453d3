// SPDX-License-Identifier: LGPL-2.1-or-later
#include "replica/manifest_file.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "crypto/digest.h"

int seed_replica_manifest(struct seed_manifest *out, struct seed_digest *digest,
			  const struct seed_replica *replica, const struct seed_trust *trust,
			  struct seed_error *err)
{
	SEED_AUTO(seed_freep) char *text = NULL;
	SEED_AUTO(seed_freep) char *signature = NULL;
	const struct seed_trusted *signer;
	size_t len, signature_len;

	seed_manifest_init(out);
	if (seed_file_read(replica->dir, "manifest.json", SEED_MANIFEST_MAX, &text, &len, err) <
		    0 ||
	    seed_file_read(replica->dir, "manifest.json.minisig", SEED_SIGNATURE_MAX, &signature,
			   &signature_len, err) < 0)
		return -1;
	if (seed_trust_verify(&signer, trust, text, len, signature, signature_len, err) < 0 ||
	    seed_manifest_open(out, text, len, signature, signature_len, &signer->card.key, err) <
		    0)
		return seed_error_prefix(err, "manifest.json");
	if (!seed_id_equal(&out->uuid, &replica->uuid) ||
	    !seed_id_equal(&out->seed, &replica->seed))
		return seed_error_set(err, SEED_ERR_IDENTITY,
				      "manifest.json belongs to another VM or seed than "
				      "replica.json says");
	if (digest)
		seed_digest_of(digest, text, len);
	return 0;
}
