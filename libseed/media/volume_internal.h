/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What opening and creating a volume share. */
#ifndef SEED_MEDIA_VOLUME_INTERNAL_H
#define SEED_MEDIA_VOLUME_INTERNAL_H

#include "media/media_internal.h"

#define SEED_VOLUME_MAX 65536u	/* bytes of volume.json */

/* HPKE info of a wrapped data key: label || set || the exporter's signing key. */
#define SEED_WRAP_LABEL "vmseed set key 1"
#define SEED_WRAP_LABEL_LEN (sizeof(SEED_WRAP_LABEL) - 1)
#define SEED_WRAP_INFO (SEED_WRAP_LABEL_LEN + SEED_ID_SIZE + sizeof(struct seed_public_key))
void seed_volume_wrap_info(uint8_t out[SEED_WRAP_INFO], const struct seed_id *set,
			   const struct seed_public_key *exporter);

#endif
