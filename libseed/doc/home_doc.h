/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A home's own documents: JSON that is not signed, because whoever can write
 * the home can do anything, but that names its schema and is read as strictly as
 * everything else. Replaced whole, so a crash leaves the old one or the new one.
 */
#ifndef SEED_DOC_HOME_DOC_H
#define SEED_DOC_HOME_DOC_H

#include "doc/json.h"

/* {"schema": SCHEMA, "schema_version": 1}; NULL when memory is short, as other writers. */
struct seed_json *seed_home_doc_new(const char *schema);
/* Durable on return, mode 0600. @doc is borrowed. */
int seed_home_doc_replace(int dir, const char *path, const struct seed_json *doc,
			  struct seed_error *err);

/* Takes both members; the reader fails when they are not @schema's, version 1. */
void seed_home_doc_take(struct seed_json_reader *r, const char *schema);
/**
 * seed_home_doc_read() - read and begin
 * @doc: the parsed document, freed by the caller
 * @r:   stands behind the schema's members
 * @err: NOTFOUND; FORMAT, named by @path, when it is not such a document
 */
int seed_home_doc_read(struct seed_json **doc, struct seed_json_reader *r, int dir,
		       const char *path, size_t max, const char *schema, struct seed_error *err);

#endif
