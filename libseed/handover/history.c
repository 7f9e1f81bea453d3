// SPDX-License-Identifier: LGPL-2.1-or-later
/* Entries of HOME/history.chain about who goes on with a VM. (no .h: handover_internal.h) */
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "doc/chain.h"
#include "handover/handover_internal.h"

#define CHAIN "history.chain"

struct look {
	const struct seed_history_entry *entry;
	bool same;			/* the last one of this VM so far */
};

/* Entries of other kinds have other members, so none is required here. */
static bool says_the_same(struct seed_json_reader *r, const struct seed_history_entry *e,
			  bool *of_this_vm)
{
	struct seed_json_reader quiet = *r;
	struct seed_error ignored;
	struct seed_id site, uuid, timeline;
	const char *event;
	uint64_t generation;

	quiet.err = &ignored;
	seed_json_take_id(&quiet, "site", &site);
	seed_json_take_uuid(&quiet, "uuid", &uuid);
	*of_this_vm = !quiet.failed && seed_id_equal(&site, e->site) &&
			seed_id_equal(&uuid, e->uuid);
	if (!*of_this_vm)
		return false;
	event = seed_json_take_text(&quiet, "event", 32);
	seed_json_take_id(&quiet, "timeline", &timeline);
	generation = seed_json_take_uint(&quiet, "generation", SEED_GENERATION_MAX);
	/* What was kept then and is given up now is another decision. */
	if (!e->parent && e->discard && !seed_json_take_bool(&quiet, "discard"))
		return false;
	return !quiet.failed && strcmp(event, e->event) == 0 &&
	       seed_id_equal(&timeline, e->timeline) && generation == e->generation;
}

static int visit(struct seed_json_reader *r, const struct seed_public_key *key, void *arg,
		 struct seed_error *err)
{
	struct look *look = arg;
	bool of_this_vm, same = says_the_same(r, look->entry, &of_this_vm);

	(void)key;
	(void)err;
	if (of_this_vm)
		look->same = same;
	return 0;
}

int seed_history_note(int home, const struct seed_site *own, const struct seed_history_entry *e,
		      struct seed_error *err)
{
	SEED_AUTO(seed_json_freep) struct seed_json *fields = NULL;
	struct look look = { .entry = e };
	char time[SEED_TIME_TEXT];

	if (seed_chain_each(home, CHAIN, visit, &look, err) < 0)
		return seed_error_prefix(err, CHAIN);
	if (look.same)
		return 0;
	fields = seed_json_new_object();
	seed_json_set_text(fields, "event", e->event);
	seed_json_set_id(fields, "site", e->site);
	seed_json_set_uuid(fields, "uuid", e->uuid);
	seed_json_set_text(fields, "name", e->name);
	seed_json_set_uint(fields, "generation", e->generation);
	seed_json_set_id(fields, "timeline", e->timeline);
	if (e->parent) {
		seed_json_set_id(fields, "forked_from", e->parent);
	} else {
		seed_json_set_bool(fields, "discard", e->discard);
		seed_json_set_uint(fields, "changed_blocks", e->changed_blocks);
	}
	seed_json_set_text(fields, "at", seed_clock_text(seed_clock_wall(), time));
	if (seed_chain_append(home, CHAIN, fields, own->sign, err) < 0)
		return seed_error_prefix(err, CHAIN);
	return 0;
}
