/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Results on stdout: tables as lsblk prints them (libsmartcols: on a terminal
 * fitted to its width, in a pipe whole), and JSON documents that name their schema.
 */
#ifndef TOOLS_OUT_H
#define TOOLS_OUT_H

#include <stdbool.h>
#include <stddef.h>

#include "doc/json.h"
#include "cli.h"

enum out_fit {
	OUT_WHOLE,		/* stays as it is */
	OUT_CUT,		/* is cut if it is long */
	OUT_SQUEEZE,		/* is cut however short it is */
	OUT_WRAP,		/* is broken into lines: nothing of it may be lost */
};

struct out_column {
	const char *name;	/* upper case, as the heading */
	bool right;		/* numbers and sizes */
	enum out_fit fit;	/* when the terminal is too narrow for the row */
};

enum out_mood { OUT_GOOD, OUT_DOUBTFUL, OUT_BAD };	/* green, yellow, red */

struct out_table;

/* @columns is borrowed until the table is freed. */
int out_table_new(struct out_table **out, const struct out_column *columns, size_t count,
		  struct seed_error *err);
void out_table_free(struct out_table *table);
static inline void out_table_freep(struct out_table **table) { out_table_free(*table); }
/* One row: exactly @count cells, NULL shown as "-". Texts are copied; control characters in them
 * are made visible. Memory running short is noticed by out_table_print(). */
void out_table_row(struct out_table *table, const char *const *cells);
/* The cell @column of the last row is a verdict: it has a colour if the table has colours. */
void out_table_mood(struct out_table *table, size_t column, enum out_mood mood);
void out_table_colours(struct out_table *table, bool colours);
size_t out_table_rows(const struct out_table *table);
/* Prints a heading and all rows; nothing at all when there are none. */
int out_table_print(struct out_table *table, struct seed_error *err);

/* A name from outside as a table shows it: itself when it is plain ([A-Za-z0-9._:-]), else as
 * seed_quote() gives it. Returns @name or @buf. */
const char *out_name(const char *name, char *buf, size_t size);

/* The same for JSON: itself when it is valid UTF-8, else percent-encoded and in quotes. */
void out_json_name(struct seed_json *object, const char *key, const char *name);

/* A new document: {"schema": "vmseed-NAME", "schema_version": 1}; add to it, then print. */
struct seed_json *out_json_new(const char *name);
/* Prints and frees @doc (also on failure, also NULL). */
int out_json_print(struct seed_json *doc, struct seed_error *err);

#endif
