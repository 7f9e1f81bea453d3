/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whom this home trusts: pinned cards under local names.
 *
 *   HOME/trust/NAME.card      the card as it came
 *   HOME/trust/NAME.scope     optional: one VM name or uuid a line; absent = any VM of its own
 *   HOME/trust/NAME.revoked   a line for each revoked card: its fingerprint and signing key
 *
 * A signing key that stands in any .revoked file stays revoked for good, under any
 * name. A .revoked file that does not read that way, an empty one say, revokes the
 * card beside it whatever it is. The home's own site is always known (under its own
 * name), so that an exporter can read its own media.
 */
#ifndef SEED_TRUST_TRUST_H
#define SEED_TRUST_TRUST_H

#include "base/vec.h"
#include "trust/card.h"

struct seed_trusted {
	char name[SEED_NAME_MAX + 1];	/* local name */
	struct seed_card card;
	bool own;			/* this home's own site */
	bool revoked;
	struct seed_vec scope;		/* char *; empty = all of its VMs */
};

struct seed_trust;			/* the loaded folder */

/* @own NULL: the card in the home stands for its own site, if there is one. A file in the folder
 * that cannot be understood fails the whole, with its name: never is a part of trust ignored. */
int seed_trust_open(struct seed_trust **out, int home, const struct seed_site *own,
		    struct seed_error *err);
void seed_trust_close(struct seed_trust *trust);
static inline void seed_trust_closep(struct seed_trust **trust) { seed_trust_close(*trust); }

/* The own site first, then by name; revoked ones too. */
size_t seed_trust_count(const struct seed_trust *trust);
const struct seed_trusted *seed_trust_at(const struct seed_trust *trust, size_t index);

/* By local name, or by site id text. NOTFOUND, or TRUST when revoked. */
int seed_trust_find(const struct seed_trusted **out, const struct seed_trust *trust,
		    const char *name, struct seed_error *err);
/* Who signed this? The trusted, not revoked key under which @signature verifies @data. TRUST with
 * the reason (malformed; unknown key id; revoked; bad signature) otherwise. */
int seed_trust_verify(const struct seed_trusted **out, const struct seed_trust *trust,
		      const void *data, size_t len, const char *signature, size_t signature_len,
		      struct seed_error *err);
/* May this signer speak for this VM? TRUST with the reason if not. */
int seed_trust_allows(const struct seed_trusted *signer, const struct seed_id *vm_uuid,
		      const char *vm_name, struct seed_error *err);

/**
 * seed_trust_add() - pin a card
 * @fingerprint: as typed by a person; must match, or TRUST
 * @scope: @scope_count names or uuids; 0 = any VM of its own
 *
 * USAGE when the name is taken by another site's card, or the card is trusted under another name.
 * TRUST when its key was revoked here. The same site with a changed key is TRUST too: revoke
 * first, then its new card may take the old name. The same card again is fine and only changes
 * the scope.
 */
int seed_trust_add(int home, const char *name, const char *card_text, size_t len,
		   const char *fingerprint, const char *const *scope, size_t scope_count,
		   struct seed_error *err);
/* Whatever seed_trust_add() would refuse; changes nothing. @home -1: a home yet to be made. */
int seed_trust_check(int home, const char *name, const char *card_text, size_t len,
		     const char *fingerprint, const char *const *scope, size_t scope_count,
		     struct seed_error *err);
/* NOTFOUND when there is no such name; revoking twice is fine. */
int seed_trust_revoke(int home, const char *name, struct seed_error *err);

#endif
