// SPDX-License-Identifier: LGPL-2.1-or-later
#include "vm_arg.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"
#include "base/vec.h"
#include "capture/vm_file.h"
#include "handover/promote.h"
#include "replica/home_store.h"
#include "replica/replica.h"

bool vm_arg_is_name(const char *arg)
{
	return !strchr(arg, '=') && access(arg, F_OK) != 0;
}

static int read_replica_or_file(struct cli *cli, struct seed_vmdef **out, const char *arg,
				const struct seed_id *uuid, struct seed_error *err)
{
	SEED_AUTO(seed_freep) char *path = NULL;
	SEED_AUTO(seed_fd_closep) int store = -1;
	struct seed_error why = { 0 };
	int home;

	if (uuid || !vm_arg_is_name(arg) || cli_home(cli, &home, NULL) < 0 ||
	    seed_store_open(&store, home, NULL, false, &path, NULL) < 0)
		return seed_vmdef_read(out, arg, uuid, err);
	if (seed_promoted_vmdef(out, store, path, arg, &why) == 0)
		return 0;
	/* No such replica: then it was meant as a file. */
	if (why.kind == SEED_ERR_NOTFOUND)
		return seed_vmdef_read(out, arg, uuid, err);
	*err = why;
	return -1;
}

/* ---- the VM of a record ---- */

static int read_promoted(struct cli *cli, const struct seed_id *uuid, struct seed_vmdef **out,
			 struct seed_error *err)
{
	SEED_AUTO(seed_freep) char *path = NULL;
	SEED_AUTO(seed_fd_closep) int store = -1;
	char text[SEED_UUID_TEXT];
	int home;

	if (cli_home(cli, &home, err) < 0 ||
	    seed_store_open(&store, home, NULL, false, &path, err) < 0)
		return -1;
	return seed_promoted_vmdef(out, store, path, seed_uuid_text(uuid, text), err);
}

int vm_arg_of_record(void *arg, const char *definition, const struct seed_id *uuid,
		     struct seed_vmdef **out, struct seed_error *err)
{
	if (definition)
		return seed_vmdef_read(out, definition, definition[0] != '/' ? uuid : NULL, err);
	if (read_promoted(arg, uuid, out, err) == 0)
		return 0;
	if (err->kind != SEED_ERR_NOTFOUND)
		return -1;
	return seed_error_set(err, SEED_ERR_USAGE,
			      "where its definition is was not noted yet: name the file, or "
			      "NAME=DISK, once");
}

/* ---- records ---- */

struct record {
	char *name, *definition;
	struct seed_id uuid;
};

struct records {
	const char *wanted;		/* a name, NAME.ID or uuid; NULL: all that may be signed
					 * for */
	const struct seed_id *site;	/* this one */
	struct seed_vec found;		/* struct record */
};

static void free_records(struct records *r)
{
	for (size_t i = 0; i < r->found.count; i++) {
		struct record *record = seed_vec_at(&r->found, i);

		free(record->name);
		free(record->definition);
	}
	seed_vec_free(&r->found);
}

static int look(const struct seed_vm_file *file, const struct seed_error *why, void *arg,
		struct seed_error *err)
{
	struct records *r = arg;
	struct record record = { 0 };

	(void)why;
	if (!file ||
	    (r->wanted ?
		     !seed_replica_is_called(r->wanted, file->has_origin ? &file->origin : r->site,
					     &file->uuid, file->name) :
		     file->handed_over))
		return 0;
	record.uuid = file->uuid;
	record.name = strdup(file->name);
	record.definition = file->definition ? strdup(file->definition) : NULL;
	if (record.name && (!file->definition || record.definition) &&
	    seed_vec_push(&r->found, sizeof(record), &record))
		return 0;
	free(record.name);
	free(record.definition);
	return seed_error_sys(err, ENOMEM, "VM");
}

static int find_records(struct cli *cli, int home, const char *wanted, struct records *r,
			struct seed_error *err)
{
	const struct seed_site *own;

	if (cli_site(cli, &own, err) < 0)
		return -1;
	r->wanted = wanted;
	r->site = &own->id;
	return seed_vm_file_each(home, look, r, err);
}

/* A replica of it may have been called so before the VM had another name. */
static bool is_replica(struct cli *cli, const char *text, struct seed_id *uuid)
{
	SEED_AUTO(seed_replica_closep) struct seed_replica *r = NULL;
	SEED_AUTO(seed_fd_closep) int store = -1;
	int home;

	if (cli_home(cli, &home, NULL) < 0 ||
	    seed_store_open(&store, home, NULL, false, NULL, NULL) < 0 ||
	    seed_replica_open(&r, store, text, false, NULL) < 0)
		return false;
	*uuid = r->uuid;
	return true;
}

int vm_arg_by_id(struct cli *cli, const char *text, struct seed_id *uuid, bool *found,
		 struct seed_error *err)
{
	SEED_AUTO(free_records) struct records r = { 0 };
	int home;

	*found = seed_replica_name_valid(text) && is_replica(cli, text, uuid);
	if (*found || !seed_replica_name_valid(text))
		return 0;
	if (cli_home(cli, &home, err) < 0 || find_records(cli, home, text, &r, err) < 0)
		return -1;
	*found = r.found.count == 1;
	if (*found)
		*uuid = ((struct record *)r.found.items)->uuid;
	return 0;
}

int vm_arg_record(struct cli *cli, const char *text, struct seed_id *uuid, char **name, bool *found,
		  struct seed_error *err)
{
	SEED_AUTO(free_records) struct records r = { 0 };
	char quoted[SEED_QUOTED];
	struct record *record;
	int home;

	if (cli_home(cli, &home, err) < 0 || find_records(cli, home, text, &r, err) < 0)
		return -1;
	if (r.found.count > 1)
		return seed_error_set(err, SEED_ERR_USAGE,
				      "%s: several VMs have that name: give NAME.ID or the uuid",
				      seed_quote(text, quoted, sizeof(quoted)));
	*found = r.found.count == 1;
	if (!*found)
		return 0;
	record = r.found.items;
	*uuid = record->uuid;
	*name = record->name;
	record->name = NULL;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct record *)a)->name, ((const struct record *)b)->name);
}

int vm_arg_all(struct cli *cli, int home,
	       int (*add)(void *arg, const char *name, struct seed_vmdef *def,
			  const struct seed_error *why, struct seed_error *err), void *arg,
	       struct seed_error *err)
{
	SEED_AUTO(free_records) struct records r = { 0 };

	if (seed_vm_file_each(home, look, &r, err) < 0)
		return -1;
	if (r.found.count)
		qsort(r.found.items, r.found.count, r.found.size, by_name);
	for (size_t i = 0; i < r.found.count; i++) {
		const struct record *record = seed_vec_at(&r.found, i);
		struct seed_error why = { 0 };
		struct seed_vmdef *def = NULL;

		vm_arg_of_record(cli, record->definition, &record->uuid, &def, &why);
		if (add(arg, record->name, def, &why, err) < 0)
			return -1;
	}
	return 0;
}

int vm_arg_read(struct cli *cli, struct seed_vmdef **out, const char *arg,
		const struct seed_id *uuid, struct seed_error *err)
{
	SEED_AUTO(free_records) struct records r = { 0 };
	char quoted[SEED_QUOTED];
	int home;

	if (read_replica_or_file(cli, out, arg, uuid, err) == 0)
		return 0;
	/* What exists, or has '=' or '/', was meant as what it looks like: its error is the right
	 * one. */
	if (uuid || !vm_arg_is_name(arg) || strchr(arg, '/') || err->kind != SEED_ERR_USAGE ||
	    cli_home(cli, &home, NULL) < 0 || find_records(cli, home, arg, &r, NULL) < 0 ||
	    r.found.count == 0)
		return -1;
	if (r.found.count > 1)
		return seed_error_set(err, SEED_ERR_USAGE,
				      "%s: several VMs have that name: give NAME.ID or the uuid",
				      seed_quote(arg, quoted, sizeof(quoted)));
	return vm_arg_of_record(cli, ((struct record *)r.found.items)->definition,
				&((struct record *)r.found.items)->uuid, out, err);
}
