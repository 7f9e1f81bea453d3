// SPDX-License-Identifier: LGPL-2.1-or-later
#include "vm_argument.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/text.h"
#include "base/vec.h"
#include "capture/vm_file.h"
#include "handover/promote.h"
#include "replica/home_store.h"

/* ---- promoted replicas ---- */

static int read_promoted(int home, const char *name, struct seed_vmdef **out,
			 struct seed_error *err)
{
	SEED_AUTO(seed_freep) char *where = NULL;
	SEED_AUTO(seed_fd_closep) int store = -1;

	if (seed_store_open(&store, home, NULL, false, &where, err) < 0)
		return -1;
	return seed_promoted_vmdef(out, store, where, name, err);
}

int vm_argument_of_record(void *arg, const char *definition, const struct seed_id *uuid,
			  struct seed_vmdef **out, struct seed_error *err)
{
	struct cli *cli = arg;
	char text[SEED_UUID_TEXT];
	int home;

	if (definition)
		return seed_vmdef_read(out, definition,
				       definition[0] != '/' ? uuid : NULL, err);
	if (cli_home(cli, &home, err) < 0)
		return -1;
	return read_promoted(home, seed_uuid_text(uuid, text), out, err);
}

/* ---- records ---- */

struct record {
	char *name, *definition;
	struct seed_id uuid;
};

struct records {
	const char *wanted;		/* a name or uuid; NULL: all that may be signed for */
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
	char uuid[SEED_UUID_TEXT];

	(void)why;
	if (!file || (r->wanted ? strcmp(file->name, r->wanted) != 0 &&
		      strcasecmp(seed_uuid_text(&file->uuid, uuid), r->wanted) != 0 :
		      file->handed_over || (!file->definition && !file->has_origin)))
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

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct record *)a)->name, ((const struct record *)b)->name);
}

int vm_argument_all(struct cli *cli, int home,
		    int (*add)(void *arg, struct seed_vmdef *def, struct seed_error *err), void *arg,
		    struct seed_error *err)
{
	SEED_AUTO(free_records) struct records r = { 0 };

	if (seed_vm_file_each(home, look, &r, err) < 0)
		return -1;
	if (r.found.count)
		qsort(r.found.items, r.found.count, r.found.size, by_name);
	for (size_t i = 0; i < r.found.count; i++) {
		const struct record *record = seed_vec_at(&r.found, i);
		char quoted[SEED_QUOTED];
		struct seed_vmdef *def;

		if (vm_argument_of_record(cli, record->definition, &record->uuid, &def, err) < 0)
			return seed_error_prefix(err, "%s", seed_quote(record->name, quoted,
								       sizeof(quoted)));
		if (add(arg, def, err) < 0)
			return -1;
	}
	return 0;
}

int vm_argument_read(struct cli *cli, int home, const char *arg, struct seed_vmdef **out,
		     struct seed_error *err)
{
	SEED_AUTO(free_records) struct records r = { .wanted = arg };
	struct seed_error why = { 0 };
	char quoted[SEED_QUOTED];

	if (seed_vmdef_read(out, arg, NULL, err) == 0)
		return 0;
	/* What exists, or has '=', was meant as what it looks like: its error is the right one. */
	if (strchr(arg, '=') || strchr(arg, '/') || err->kind != SEED_ERR_USAGE)
		return -1;
	if (seed_vm_file_each(home, look, &r, &why) < 0 || r.found.count == 0)
		return -1;
	if (r.found.count > 1)
		return seed_error_set(err, SEED_ERR_USAGE, "%s: several VMs have that name: give the uuid",
				      seed_quote(arg, quoted, sizeof(quoted)));
	return vm_argument_of_record(cli, ((struct record *)r.found.items)->definition,
				     &((struct record *)r.found.items)->uuid, out, err);
}
