// SPDX-License-Identifier: LGPL-2.1-or-later
/* What a trusted sender signs or says of its VM, and is not so: each lie is refused by name. */
#include "hostile.h"

/* ---- the manifest ---- */

static void other_uuid(struct model_sender *m, struct seed_manifest *manifest)
{
	(void)m;
	manifest->uuid.bytes[3] ^= 1;
}

static void other_name(struct model_sender *m, struct seed_manifest *manifest)
{
	(void)m;
	manifest->name[0] = 'X';
}

static void other_generation(struct model_sender *m, struct seed_manifest *manifest)
{
	(void)m;
	manifest->generation++;
}

static void other_line(struct model_sender *m, struct seed_manifest *manifest)
{
	(void)m;
	manifest->lineage.timelines[0].id.bytes[5] ^= 1;
}

static void other_recipient(struct model_sender *m, struct seed_manifest *manifest)
{
	manifest->recipient = m->s->hq.own->id;
}

static void no_recipient(struct model_sender *m, struct seed_manifest *manifest)
{
	(void)m;
	manifest->has_recipient = false;
}

static void without_data(struct model_sender *m, struct seed_manifest *manifest)
{
	(void)m;
	manifest->data = false;
}

static struct seed_manifest_disk *last_disk(struct seed_manifest *manifest)
{
	return seed_vec_at(&manifest->disks, manifest->disks.count - 1);
}

static void other_size(struct model_sender *m, struct seed_manifest *manifest)
{
	(void)m;
	last_disk(manifest)->size -= 512;
}

static void other_root(struct model_sender *m, struct seed_manifest *manifest)
{
	(void)m;
	last_disk(manifest)->root.bytes[0] ^= 1;
}

static void more_files(struct model_sender *m, struct seed_manifest *manifest)
{
	struct seed_manifest_file f = { .role = "tpm", .facts.length = 1 };

	(void)m;
	assert_non_null(seed_vec_push(&manifest->files, sizeof(f), &f));
}

static void manifests_that_are_not_what_was_offered_are_refused(void **state)
{
	static const struct {
		void (*tune)(struct model_sender *, struct seed_manifest *);
		enum seed_error_kind kind;
		const char *text;
	} lies[] = {
		{ other_uuid, SEED_ERR_IDENTITY, "another VM than was offered" },
		{ other_name, SEED_ERR_IDENTITY, "another VM than was offered" },
		{ other_generation, SEED_ERR_IDENTITY, "another generation or history" },
		{ other_line, SEED_ERR_IDENTITY, "another generation or history" },
		{ without_data, SEED_ERR_IDENTITY, "another generation or history" },
		{ other_recipient, SEED_ERR_IDENTITY, "for another site" },
		{ no_recipient, SEED_ERR_IDENTITY, "for another site" },
		{ other_size, SEED_ERR_IDENTITY, "is not the one that was offered" },
		{ more_files, SEED_ERR_IDENTITY, "side files are not those" },
		{ other_root, SEED_ERR_INTEGRITY, "vdb" },
	};

	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct model_sender m = model(*state, &old);

		m.tune_manifest = lies[i].tune;
		is_caught(*state, &m, lies[i].kind, lies[i].text);
		assert_int_equal(m.refusals, 1);	/* the next VM may follow */
	}
	honest_run_works(*state);
}

/* The key is dr's own: trusted here, and not who we speak with. */
static void documents_of_another_key_are_refused(void **state)
{
	struct place *p = *state;
	struct model_sender m = model(p, &old);

	m.key = p->s.dr.own->sign;
	is_caught_and_over(p, &m, SEED_ERR_TRUST, "");
}

static void late_key(struct model_sender *m, struct seed_manifest *manifest)
{
	(void)manifest;
	m->key = m->s->dr.own->sign;
}

static void a_manifest_of_another_key_than_the_offers_is_refused(void **state)
{
	struct model_sender m = model(*state, &old);

	m.tune_manifest = late_key;
	is_caught_and_over(*state, &m, SEED_ERR_TRUST, "");
}

static void a_peer_out_of_scope_is_refused_before_it_offers(void **state)
{
	struct place *p = *state;
	struct model_sender m = model(p, &old);

	site_trust(&p->s.dr, &p->s.hq, "somebody-else");
	p->opt.trust = p->s.dr.trust;
	is_caught(p, &m, SEED_ERR_TRUST, "");
	assert_int_equal(m.out.given, 0);
	site_trust(&p->s.dr, &p->s.hq, VM_NAME);
	p->opt.trust = p->s.dr.trust;
	honest_run_works(p);
}

/* ---- the offer ---- */

static void offer_nonce(struct model_sender *m, struct seed_offer *o)
{
	(void)m;
	o->nonce[31] ^= 1;
}

static void offer_receiver(struct model_sender *m, struct seed_offer *o)
{
	o->receiver = m->s->hq.own->id;
}

static void offer_uuid(struct model_sender *m, struct seed_offer *o)
{
	(void)m;
	o->uuid.bytes[0] ^= 1;
}

static void offer_rollback(struct model_sender *m, struct seed_offer *o)
{
	(void)m;
	o->generation = 3;
}

static void offer_jump(struct model_sender *m, struct seed_offer *o)
{
	(void)m;
	o->generation = (uint64_t)1 << 40;
}

static void offer_unrelated(struct model_sender *m, struct seed_offer *o)
{
	(void)m;
	o->lineage.timelines[0].id.bytes[2] ^= 1;
}

static void offer_writer(struct model_sender *m, struct seed_offer *o)
{
	o->lineage.timelines[0].writer = m->s->dr.own->id;
}

static void offer_root(struct model_sender *m, struct seed_offer *o)
{
	(void)m;
	((struct seed_offer_disk *)seed_vec_at(&o->disks, 1))->root.bytes[0] ^= 1;
}

static void offer_fewer(struct model_sender *m, struct seed_offer *o)
{
	(void)m;
	o->disks.count--;
}

static void offer_files(struct model_sender *m, struct seed_offer *o)
{
	struct seed_manifest_file f = { .role = "nvram", .facts.length = 1 << 30 };

	(void)m;
	assert_non_null(seed_vec_push(&o->files, sizeof(f), &f));
}

static void offers_that_do_not_hold_are_refused(void **state)
{
	static const struct {
		void (*tune)(struct model_sender *, struct seed_offer *);
		enum seed_error_kind kind;
		const char *text;
	} lies[] = {
		{ offer_nonce, SEED_ERR_TRUST, "another connection" },
		{ offer_receiver, SEED_ERR_TRUST, "another connection" },
		{ offer_uuid, SEED_ERR_FORMAT, "another VM than HEAD" },
		{ offer_fewer, SEED_ERR_FORMAT, "another VM than HEAD" },
		{ offer_files, SEED_ERR_FORMAT, "another VM than HEAD" },
		{ offer_root, SEED_ERR_FORMAT, "is not that of HEAD" },
		{ offer_rollback, SEED_ERR_IDENTITY, "rollback" },
		{ offer_jump, SEED_ERR_IDENTITY, "jump" },
		{ offer_unrelated, SEED_ERR_IDENTITY, "another history" },
		{ offer_writer, SEED_ERR_IDENTITY, "another site's" },
	};

	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct model_sender m = model(*state, &old);

		m.tune_offer = lies[i].tune;
		is_caught(*state, &m, lies[i].kind, lies[i].text);
		assert_int_equal(m.refusals, 1);
	}
	honest_run_works(*state);
}

static void replays_a_used_generation(void **state)
{
	struct place *p = *state;
	struct model_sender m = model(p, &new);

	honest_run_works(p);
	m.have = &old;
	assert_int_equal(run(p, &m), 0);
	assert_int_equal(p->vm.err.kind, SEED_ERR_IDENTITY);
	assert_non_null(strstr(p->vm.err.text, "rollback"));
	assert_true(replica_disks_are(p->store, p->name, &new));
}

/* ---- HEAD ---- */

static void head_no_disks(struct model_sender *m, struct seed_msg_head *h)
{
	(void)m;
	h->disk_count = 0;
}

static void head_slot(struct model_sender *m, struct seed_msg_head *h)
{
	(void)m;
	strcpy(h->disks[1].slot, "../x");
}

static void head_origin(struct model_sender *m, struct seed_msg_head *h)
{
	(void)m;
	h->origin.bytes[0] ^= 1;
}

static void head_other_vm(struct model_sender *m, struct seed_msg_head *h)
{
	(void)m;
	h->uuid.bytes[0] ^= 1;
}

static void heads_that_no_vm_has_are_refused(void **state)
{
	static const struct {
		void (*tune)(struct model_sender *, struct seed_msg_head *);
		enum seed_error_kind kind;
		const char *text;
	} lies[] = {
		{ head_no_disks, SEED_ERR_FORMAT, "without disks" },
		{ head_slot, SEED_ERR_FORMAT, "not a disk's slot" },
		{ head_origin, SEED_ERR_TRUST, "is not the site" },
		{ head_other_vm, SEED_ERR_FORMAT, "another VM than HEAD" },
	};

	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct model_sender m = model(*state, &old);

		m.tune_head = lies[i].tune;
		is_caught(*state, &m, lies[i].kind, lies[i].text);
	}
	honest_run_works(*state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(manifests_that_are_not_what_was_offered_are_refused),
		T(documents_of_another_key_are_refused),
		T(a_manifest_of_another_key_than_the_offers_is_refused),
		T(a_peer_out_of_scope_is_refused_before_it_offers),
		T(offers_that_do_not_hold_are_refused),
		T(replays_a_used_generation),
		T(heads_that_no_vm_has_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
