// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The end that calls: connecting, doing the VMs one after the other, and beginning anew with
 * growing pauses when the connection broke. A VM that ended the connection by its own fault (a
 * source that cannot be read, say) has its verdict, and a new connection goes on with the next one:
 * only a broken link is worth another try.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "replica/home_store.h"
#include "resync/receiver.h"
#include "resync/sender.h"

#define PAUSE_FIRST_MS 1000u
#define PAUSE_MAX_MS 60000u
#define GRACE_MS 3000u			/* that the far end has to end by itself */

struct run {
	struct seed_resync *out;
	const struct seed_dest *dest;
	const struct seed_transport_options *how;
	const struct seed_resync_options *opt;	/* with @counted as its events */
	struct seed_resync_options own;
	struct seed_events counted;
	const struct seed_events *events;	/* the caller's */
	size_t at;			/* VM that is being done */
};

/* Which of how many VMs it is: a phase's own figures do not tell how far a run is. */
static void count_event(void *arg, const struct seed_event *event)
{
	const struct run *run = arg;
	struct seed_event e = *event;

	e.vm_number = (uint32_t)(run->at + 1);
	e.vm_count = (uint32_t)run->out->vms.count;
	seed_event_send(run->events, &e);
}

/* ---- the VMs of a run ---- */

static struct seed_resync_vm *add(struct seed_resync *run)
{
	return seed_vec_push(&run->vms, sizeof(struct seed_resync_vm), NULL);
}

int seed_resync_add_def(struct seed_resync *run, struct seed_vmdef *def, struct seed_error *err)
{
	struct seed_resync_vm *vm = add(run);

	if (vm) {
		vm->def = def;
		vm->name = strdup(def->name);
	}
	if (vm && vm->name)
		return 0;
	if (!vm)
		seed_vmdef_free(def);
	return seed_error_sys(err, ENOMEM, "resync");
}

int seed_resync_add_failed(struct seed_resync *run, const char *name, const struct seed_error *why,
			   struct seed_error *err)
{
	struct seed_resync_vm *vm = add(run);

	if (vm) {
		vm->result = SEED_RESYNC_FAILED;
		vm->err = *why;
		vm->name = strdup(name);
	}
	return vm && vm->name ? 0 : seed_error_sys(err, ENOMEM, "resync");
}

int seed_resync_add_name(struct seed_resync *run, const char *name, struct seed_error *err)
{
	struct seed_resync_vm *vm;
	char quoted[SEED_QUOTED];

	if (!seed_vm_name_valid(name))
		return seed_error_set(err, SEED_ERR_USAGE, "%s is no VM's name",
				      seed_quote(name, quoted, sizeof(quoted)));
	vm = add(run);
	if (vm)
		vm->name = strdup(name);
	return vm && vm->name ? 0 : seed_error_sys(err, ENOMEM, "resync");
}

void seed_resync_clear(struct seed_resync *run)
{
	for (size_t i = 0; i < run->vms.count; i++) {
		struct seed_resync_vm *vm = seed_vec_at(&run->vms, i);

		seed_vmdef_free(vm->def);
		free(vm->name);
	}
	seed_vec_free(&run->vms);
	*run = (struct seed_resync){ 0 };
}

static struct seed_resync_vm *vm_at(const struct run *run, size_t i)
{
	return seed_vec_at(&run->out->vms, i);
}

/* ---- one VM ---- */

static int pull_vm(struct seed_session *s, struct seed_resync_vm *vm, struct seed_error *err)
{
	struct seed_msg_want want = {
		.flags = seed_session_flags(s),
		.limit = s->opt->limit,
	};
	char uuid[SEED_UUID_TEXT];
	struct seed_buf buf = { 0 };
	struct seed_frame f;

	vm->result = SEED_RESYNC_FAILED;
	/* A replica here is asked for by what does not change. */
	snprintf(want.name, sizeof(want.name), "%s",
		 vm->has_uuid ? seed_uuid_text(&vm->uuid, uuid) : vm->name);
	if (seed_msg_want_put(&buf, &want, err) < 0) {
		seed_buf_free(&buf);
		return -1;
	}
	if (seed_session_send(s, SEED_FRAME_WANT, &buf, err) < 0 ||
	    seed_session_next(s, &f, err) < 0)
		return -1;
	if (f.type == SEED_FRAME_REFUSE) {
		seed_session_refused(s, &f, &vm->err);
		return 0;
	}
	if (f.type != SEED_FRAME_HEAD)
		return seed_session_unexpected(&f, err);
	return seed_receiver_vm(s, &f, vm, err);
}

static bool may_go_on(const struct run *run)
{
	return !run->opt->may_go_on || run->opt->may_go_on(run->opt->arg);
}

static int do_vms(struct run *run, struct seed_session *s, struct seed_error *err)
{
	for (size_t i = 0; i < run->out->vms.count; i++) {
		struct seed_resync_vm *vm = vm_at(run, i);

		if (vm->result != SEED_RESYNC_WAITING)
			continue;
		run->at = i;
		if (seed_cancelled(run->opt->cancel, err) < 0)
			return -1;
		if (!may_go_on(run))
			return seed_error_set(err, SEED_ERR_PARTIAL, "the window closed");
		vm->err = (struct seed_error){ 0 };
		if ((s->sender ? seed_sender_vm(s, vm->def, vm, err) : pull_vm(s, vm, err)) < 0) {
			seed_session_explain(s, err);
			vm->err = *err;
			/* What a broken link left undone is not this VM's verdict yet. */
			if (err->kind == SEED_ERR_LINK)
				vm->result = SEED_RESYNC_WAITING;
			return -1;
		}
	}
	return 0;
}

/* ---- one connection ---- */

static void say_bye(struct seed_session *s)
{
	struct seed_buf none = { 0 };

	if (seed_session_send(s, SEED_FRAME_BYE, &none, NULL) == 0)
		seed_channel_drain(s->ch, NULL);
}

static void note_totals(struct run *run, struct seed_session *s)
{
	struct seed_channel_totals totals = { 0 };

	if (!s->ch)
		return;
	seed_channel_totals(s->ch, &totals);
	run->out->sent += totals.sent;
	run->out->received += totals.received;
}

/* The last line of a candidate's history is this site's own: whom it follows was chosen. */
const struct seed_id *seed_resync_source(const struct seed_replica *replica)
{
	if (replica->state == SEED_REPLICA_PROMOTED)
		return NULL;
	if (replica->state == SEED_REPLICA_CANDIDATE)
		return replica->has_follows ? &replica->follows : NULL;
	return replica->lineage.count ?
		       &replica->lineage.timelines[replica->lineage.count - 1].writer : NULL;
}

/* Which replicas there are to pull is known once the peer is. */
static int add_replica(const char *name, struct seed_replica *replica,
		       const struct seed_error *why, void *arg, struct seed_error *err)
{
	struct run *run = ((void **)arg)[0];
	const struct seed_session *s = ((void **)arg)[1];
	const struct seed_id *source = replica ? seed_resync_source(replica) : NULL;
	struct seed_resync_vm *vm;

	(void)name;
	(void)why;
	if (!source || !seed_id_equal(source, &s->peer->card.site))
		return 0;
	if (seed_resync_add_name(run->out, replica->vm_name, err) < 0)
		return -1;
	vm = vm_at(run, run->out->vms.count - 1);
	vm->uuid = replica->uuid;
	vm->has_uuid = true;
	return 0;
}

static int add_replicas(struct run *run, struct seed_session *s, struct seed_error *err)
{
	void *arg[] = { run, s };

	if (s->store >= 0 && seed_store_each(s->store, add_replica, arg, err) < 0)
		return -1;
	if (run->out->vms.count == 0)
		return seed_error_set(err, SEED_ERR_USAGE, "there is no replica of %s's VMs here",
				      s->peer->name);
	return 0;
}

static int use_session(struct run *run, struct seed_session *s, struct seed_error *err)
{
	struct seed_channel_totals totals;

	snprintf(run->out->peer, sizeof(run->out->peer), "%s", s->peer->name);
	seed_channel_totals(s->ch, &totals);
	run->out->hello_bytes += totals.sent + totals.received;
	if (!s->sender) {
		struct seed_error why = { 0 };

		if (seed_store_open(&s->store, run->opt->home, NULL, false, NULL, &why) < 0) {
			if (why.kind != SEED_ERR_NOTFOUND) {
				*err = why;
				return -1;
			}
			s->store = -1;
		}
	}
	if (run->opt->all && run->opt->pull && !run->out->vms.count &&
	    add_replicas(run, s, err) < 0)
		return -1;
	if (do_vms(run, s, err) < 0) {
		seed_session_fail(s, err);
		return -1;
	}
	say_bye(s);
	return 0;
}

static int connect_once(struct run *run, struct seed_error *err)
{
	struct seed_transport *transport;
	struct seed_session s = { .store = -1 };
	int rc;

	if (!may_go_on(run))
		return seed_error_set(err, SEED_ERR_PARTIAL, "the window is closed");
	run->out->attempts++;
	if (seed_transport_open(&transport, run->dest, run->how, err) < 0)
		return -1;
	rc = seed_session_open(&s, seed_transport_take_in(transport),
			       seed_transport_take_out(transport), !run->opt->pull, true, run->opt,
			       err);
	if (rc == 0) {
		seed_transport_greeted(transport);
		rc = use_session(run, &s, err);
	}
	note_totals(run, &s);
	seed_session_close(&s);
	seed_transport_close(transport, GRACE_MS, rc < 0 ? err : NULL);
	/* Ctrl-C at a terminal ends ssh as well, and perhaps that was seen first. */
	if (rc < 0 && err->kind == SEED_ERR_LINK)
		(void)seed_cancelled(run->opt->cancel, err);
	return rc;
}

/* ---- all of it ---- */

static size_t count_waiting(const struct run *run)
{
	size_t waiting = 0;

	for (size_t i = 0; i < run->out->vms.count; i++)
		waiting += vm_at(run, i)->result == SEED_RESYNC_WAITING;
	return waiting;
}

static int pause_for(const struct run *run, unsigned int ms, struct seed_error *err)
{
	uint64_t until = seed_clock_ms() + ms;

	while (seed_clock_ms() < until) {
		if (seed_cancelled(run->opt->cancel, err) < 0)
			return -1;
		poll(NULL, 0, 100);
	}
	return 0;
}

/* Is another connection worth it, after this error? */
static bool goes_on(const struct run *run, const struct seed_error *why, size_t before,
		    unsigned int *tries)
{
	if ((run->out->vms.count && count_waiting(run) == 0) || why->kind == SEED_ERR_CANCELLED ||
	    !may_go_on(run))
		return false;
	/* Whoever never said a word (no such host, no home there) will not a second later either:
	 * only a link that stood is worth it. */
	if (why->kind == SEED_ERR_LINK)
		return run->out->received && (*tries)++ < run->opt->retries;
	/* A VM's own fault: the others have not had their turn. */
	return count_waiting(run) < before;
}

static int connect_until_done(struct run *run, struct seed_error *err)
{
	unsigned int tries = 0, pause = PAUSE_FIRST_MS;

	while (count_waiting(run) || (run->opt->all && !run->out->vms.count)) {
		struct seed_error why = { 0 };
		size_t before = count_waiting(run);

		if (connect_once(run, &why) == 0)
			return 0;
		/* Only a VM that is done begins the counting anew: bytes alone anybody can send. */
		if (count_waiting(run) < before) {
			tries = 0;
			pause = PAUSE_FIRST_MS;
		}
		if (!goes_on(run, &why, before, &tries)) {
			*err = why;
			return -1;
		}
		if (why.kind != SEED_ERR_LINK)
			continue;
		seed_event_note(run->opt->events, SEED_EVENT_WARNING,
				"%s; trying again in %u s (%u of %u)", why.text, pause / 1000,
				tries, run->opt->retries);
		if (pause_for(run, pause, err) < 0)
			return -1;
		pause = pause * 2 < PAUSE_MAX_MS ? pause * 2 : PAUSE_MAX_MS;
	}
	return 0;
}

/* "web01: " before its error, or "" where the error begins with the name already. @out holds
 * SEED_QUOTED + 2. */
static void name_before(const struct seed_resync_vm *vm, char *out)
{
	seed_quote(vm->name, out, SEED_QUOTED);
	if (strncmp(vm->err.text, out, strlen(out)) == 0)
		*out = '\0';
	else
		strcat(out, ": ");
}

static int verdict(const struct run *run, struct seed_error *err)
{
	const struct seed_resync_vm *first = NULL;
	size_t failed = 0, count = run->out->vms.count;
	char quoted[SEED_QUOTED + 2];

	for (size_t i = 0; i < count; i++) {
		const struct seed_resync_vm *vm = vm_at(run, i);

		if (vm->result != SEED_RESYNC_FAILED && vm->result != SEED_RESYNC_WAITING)
			continue;
		failed++;
		if (!first && vm->err.kind)
			first = vm;
	}
	if (!failed)
		return 0;
	if (!first)
		return seed_error_set(err, SEED_ERR_PARTIAL, "%zu of %zu VMs were not reached",
				      failed, count);
	name_before(first, quoted);
	if (count == 1)
		seed_error_set(err, first->err.kind, "%s%s", quoted, first->err.text);
	else
		seed_error_set(err, failed < count ? SEED_ERR_PARTIAL : first->err.kind,
			       "%zu of %zu VMs are not up to date, the first is %s%s", failed,
			       count, quoted, first->err.text);
	err->sys_errno = first->err.sys_errno;
	return -1;
}

int seed_resync_run(struct seed_resync *out, const struct seed_dest *dest,
		    const struct seed_transport_options *how,
		    const struct seed_resync_options *opt, struct seed_error *err)
{
	struct run run = { .out = out, .dest = dest, .how = how, .own = *opt,
			   .events = opt->events };
	struct seed_error why = { 0 };

	run.counted = (struct seed_events){ .report = count_event, .arg = &run };
	run.own.events = &run.counted;
	run.opt = &run.own;

	if (connect_until_done(&run, &why) < 0) {
		/* One that concerns the connection and no VM is the whole run's. */
		for (size_t i = 0; i < out->vms.count; i++) {
			struct seed_resync_vm *vm = vm_at(&run, i);

			/* Of a link that broke, the last word is the connection's: it has what ssh
			 * said. */
			if (vm->result == SEED_RESYNC_WAITING &&
			    (!vm->err.kind ||
			     (vm->err.kind == SEED_ERR_LINK && why.kind == SEED_ERR_LINK)))
				vm->err = why;
			if (vm->result == SEED_RESYNC_WAITING && vm->err.kind == SEED_ERR_LINK)
				vm->result = SEED_RESYNC_FAILED;
		}
		if (count_waiting(&run) == out->vms.count || why.kind == SEED_ERR_CANCELLED) {
			*err = why;
			return -1;
		}
	}
	return verdict(&run, err);
}
