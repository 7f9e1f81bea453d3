// SPDX-License-Identifier: LGPL-2.1-or-later
/* The end that is called. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "capture/vm_file.h"
#include "replica/home_store.h"
#include "resync/receiver.h"
#include "resync/sender.h"

/* ---- the VM that a pulling peer asks for ---- */

struct search {
	const char *name;
	const struct seed_id *own;
	char *definition, *vm_name;
	struct seed_id uuid;
	size_t found;
};

static int look(const struct seed_vm_file *file, const struct seed_error *why, void *arg,
		struct seed_error *err)
{
	struct search *search = arg;

	(void)why;
	if (!file ||
	    !seed_replica_is_called(search->name, file->has_origin ? &file->origin : search->own,
				    &file->uuid, file->name))
		return 0;
	search->found++;
	search->uuid = file->uuid;
	free(search->definition);
	free(search->vm_name);
	search->vm_name = strdup(file->name);
	search->definition = file->definition ? strdup(file->definition) : NULL;
	return !search->vm_name || (file->definition && !search->definition) ?
		       seed_error_sys(err, ENOMEM, "VM") : 0;
}

/* One answer for what is not here and for what is not for them. */
static int not_for_them(const struct seed_session *s, const char *name, struct seed_error *err)
{
	char quoted[SEED_QUOTED];

	return seed_error_set(err, SEED_ERR_TRUST,
			      "%s is not a VM that %s serves to %s: there, export or resync it "
			      "once, and look at --vm of its 'vmseed serve' and the scope of %s's "
			      "card",
			      seed_quote(name, quoted, sizeof(quoted)), s->opt->own->name,
			      s->peer->name, s->peer->name);
}

static int take_found(const struct seed_session *s, const struct search *search,
		      struct seed_vmdef **out, struct seed_error *err)
{
	char quoted[SEED_QUOTED];

	/* Whoever may not have it need not learn that it is there. */
	if (!search->found || (search->found == 1 &&
			       seed_session_allows(s, &search->uuid, search->vm_name, NULL) < 0))
		return not_for_them(s, search->name, err);
	if (search->found > 1)
		return seed_error_set(err, SEED_ERR_USAGE,
				      "%s: several VMs have that name: ask by NAME.ID or uuid",
				      seed_quote(search->name, quoted, sizeof(quoted)));
	if (s->opt->find_def)
		return s->opt->find_def(s->opt->find_arg, search->definition, &search->uuid, out,
					err);
	if (!search->definition)
		return not_for_them(s, search->name, err);
	return seed_vmdef_read(out, search->definition,
			       search->definition[0] != '/' ? &search->uuid : NULL, err);
}

static int find_definition(struct seed_session *s, const char *name, struct seed_vmdef **out,
			   struct seed_error *err)
{
	struct search search = { .name = name, .own = &s->opt->own->id };
	int rc = seed_vm_file_each(s->opt->home, look, &search, err);

	if (rc == 0)
		rc = take_found(s, &search, out, err);
	free(search.definition);
	free(search.vm_name);
	return rc;
}

static int serve_want(struct seed_session *s, struct seed_frame *f, struct seed_error *err)
{
	SEED_AUTO(seed_vmdef_freep) struct seed_vmdef *def = NULL;
	struct seed_resync_options opt = *s->opt;
	const struct seed_resync_options *usual = s->opt;
	struct seed_resync_vm vm = { 0 };
	struct seed_error why = { 0 };
	struct seed_msg_want want;
	struct seed_id uuid;
	int rc;

	if (seed_msg_want_get(&want, f, err) < 0)
		return -1;
	if (want.limit && want.limit < SEED_WIRE_LIMIT_MIN) {
		seed_error_set(&why, SEED_ERR_RANGE,
			       "a limit of %" PRIu64 " bytes a second: %u at the least", want.limit,
			       SEED_WIRE_LIMIT_MIN);
		return seed_session_refuse(s, &why, err);
	}
	if (find_definition(s, want.name, &def, &why) < 0 ||
	    seed_source_vm_uuid(&uuid, def, s->opt->own, &why) < 0 ||
	    seed_session_allows(s, &uuid, def->name, &why) < 0)
		return seed_session_refuse(s, &why, err);
	if (want.flags & SEED_WANT_FINAL && !s->opt->allow_final) {
		seed_error_set(&why, SEED_ERR_TRUST,
			       "a last resync before a switch-over is not allowed here: 'vmseed "
			       "serve --allow-final', or push it from %s",
			       s->opt->own->name);
		return seed_session_refuse(s, &why, err);
	}
	seed_channel_limit(s->ch, want.limit);
	opt.over_wire = want.flags & SEED_WANT_OVER_WIRE;
	opt.final = want.flags & SEED_WANT_FINAL;
	opt.paranoid = want.flags & SEED_WANT_PARANOID;
	s->opt = &opt;
	rc = seed_sender_vm(s, def, &vm, err);
	s->opt = usual;
	return rc;
}

static int open_store(struct seed_session *s, struct seed_error *err)
{
	struct seed_error why = { 0 };

	if (seed_store_open(&s->store, s->opt->home, NULL, false, NULL, &why) == 0)
		return 0;
	s->store = -1;
	if (why.kind == SEED_ERR_NOTFOUND)
		return 0;
	*err = why;
	return -1;
}

/* ---- the loop ---- */

static int serve_frames(struct seed_session *s, struct seed_error *err)
{
	for (;;) {
		struct seed_resync_vm vm = { 0 };
		struct seed_frame f;
		int rc;

		if (seed_session_next(s, &f, err) < 0)
			return -1;
		if (f.type == SEED_FRAME_BYE && f.len == 0)
			return 0;
		if (f.type == SEED_FRAME_HEAD && !s->sender)
			rc = seed_receiver_vm(s, &f, &vm, err);
		else if (f.type == SEED_FRAME_WANT && s->sender)
			rc = serve_want(s, &f, err);
		else
			rc = seed_session_unexpected(&f, err);
		free(vm.name);
		if (rc < 0)
			return -1;
	}
}

int seed_resync_serve(int in, int out, const struct seed_resync_options *opt,
		      struct seed_error *err)
{
	struct seed_session s = { .store = -1 };
	int rc = seed_session_open(&s, in, out, false, false, opt, err);

	if (rc == 0) {
		rc = s.sender ? 0 : open_store(&s, err);
		if (rc == 0)
			rc = serve_frames(&s, err);
		if (rc < 0) {
			seed_session_explain(&s, err);
			seed_session_fail(&s, err);
		}
	}
	seed_session_close(&s);
	return rc;
}
