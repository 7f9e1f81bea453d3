/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the exporter's home remembers of a volume of a set: HOME/sets/SETID.json, and
 * SETID-NNNN.json for volume NNNN, from the second one on.
 *
 * It tells a torn attempt from damage: above @confirmed an invalid file is what an
 * interrupted run left and is swept; at or below it, it is damage. And it
 * notices a volume that shows less than was confirmed: it has been rolled back.
 *
 * Order: reserve (durable) - write and sign the commit - read back - confirm
 * (durable). A crash between leaves a reserved number that is not used again.
 */
#ifndef SEED_MEDIA_SET_RECORD_H
#define SEED_MEDIA_SET_RECORD_H

#include "media/volume.h"

struct seed_set_record {
	struct seed_id set, medium;
	uint32_t volume;
	char label[SEED_LABEL_MAX + 1];	/* of the medium; "" in records of before there were labels */
	bool sealed;
	struct seed_id recipient;	/* site; zero when plaintext */
	uint8_t receiving_key[SEED_HPKE_KEY];
	uint32_t reserved;		/* highest commit number that may have been signed */
	uint32_t confirmed;		/* highest commit that was read back; 0: none */
	struct seed_digest confirmed_digest;	/* of its text */
	uint32_t next_pack;		/* pack numbers below may have been used */
	int64_t last_full_read;		/* unix seconds when all packs were last read; shown */
};

/* Durable on return. A volume's first record makes it the newest. */
int seed_set_record_write(int home, const struct seed_set_record *record, struct seed_error *err);
/* NOTFOUND when there is none. */
int seed_set_record_read(struct seed_set_record *out, int home, const struct seed_id *set,
			 uint32_t volume, struct seed_error *err);
/* All volumes of a set that this home knows: struct seed_set_record, by rising number. */
int seed_set_record_all(struct seed_vec *out, int home, const struct seed_id *set,
			struct seed_error *err);
/* The newest record (the volume begun last) for this medium and recipient (NULL: plaintext), or
 * NOTFOUND. */
int seed_set_record_find(struct seed_set_record *out, int home, const struct seed_id *medium,
			 const struct seed_card *recipient, struct seed_error *err);

/**
 * seed_volume_recover() - before adding to a volume: sweep or refuse
 * @record: NULL when the home has none
 *
 * Removes what lies above the record's confirmed commit and does not count: torn commits and
 * signatures, packs and seed files that no valid commit names, set documents of no valid commit.
 * Only names that we give are ever removed. INTEGRITY, naming the file, when a problem lies at or below it (damage: nothing
 * is swept or added), when a listed file is missing or of another length, or when a commit
 * carries the exporter's own signature and does not fit; MEDIUM when the volume shows less
 * than was confirmed (rolled back), or cannot be written to. Without a record nothing is ever
 * swept: whatever is not right is INTEGRITY.
 *
 * A valid commit above the confirmed one counts: the run that wrote it ended before it could
 * say so here. The caller then confirms it: writes the record with @volume->last_commit and
 * its digest. The next number to reserve is one above the record's and @volume->highest_seen.
 */
int seed_volume_recover(struct seed_volume *volume, const struct seed_set_record *record,
			struct seed_error *err);

/* In the middle of a run that failed: what no commit names goes, to make room, but for the packs
 * in @kept (struct seed_pack_facts). */
int seed_volume_sweep(const struct seed_volume *volume, const struct seed_vec *kept,
		      struct seed_error *err);

/* Set @torn on the problems that seed_volume_recover() would sweep: for showing them. */
void seed_volume_mark_torn(struct seed_volume *volume, const struct seed_set_record *record);

#endif
