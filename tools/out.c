/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "out.h"

#include <errno.h>
#include <libsmartcols.h>
#include <stdio.h>
#include <string.h>

#define LONG_CELL 24		/* bytes; a column of shorter cells is never cut */

struct out_table {
	struct libscols_table *scols;
	struct libscols_line *last;
	const struct out_column *asked;	/* borrowed */
	size_t columns, rows;
	bool no_memory;
};

int out_table_new(struct out_table **out, const struct out_column *columns, size_t count,
		  struct seed_error *err)
{
	SEED_AUTO(out_table_freep) struct out_table *table = calloc(1, sizeof(*table));

	if (!table || !(table->scols = scols_new_table()))
		return seed_error_sys(err, ENOMEM, "table");
	table->columns = count;
	table->asked = columns;
	for (size_t i = 0; i < count; i++)
		if (!scols_table_new_column(table->scols, columns[i].name, 0,
					    (columns[i].right ? SCOLS_FL_RIGHT : 0) |
						    (columns[i].fit == OUT_CUT ||
								     columns[i].fit == OUT_SQUEEZE ?
							     SCOLS_FL_TRUNC :
						     columns[i].fit == OUT_WRAP ? SCOLS_FL_WRAP :
										  0)))
			return seed_error_sys(err, ENOMEM, "table");
	*out = seed_steal(&table);
	return 0;
}

void out_table_free(struct out_table *table)
{
	if (!table)
		return;
	scols_unref_table(table->scols);
	free(table);
}

void out_table_row(struct out_table *table, const char *const *cells)
{
	struct libscols_line *line = scols_table_new_line(table->scols, NULL);

	table->rows++;
	table->last = line;
	if (!line)
		table->no_memory = true;
	for (size_t i = 0; line && i < table->columns; i++)
		if (scols_line_set_data(line, i, cells[i] ? cells[i] : "-") != 0)
			table->no_memory = true;
}

void out_table_mood(struct out_table *table, size_t column, enum out_mood mood)
{
	static const char *const colours[] = {
		[OUT_GOOD] = "green", [OUT_DOUBTFUL] = "yellow", [OUT_BAD] = "red",
	};
	struct libscols_cell *cell = table->last ? scols_line_get_cell(table->last, column) : NULL;

	if (cell && scols_cell_set_color(cell, colours[mood]) != 0)
		table->no_memory = true;
}

void out_table_colours(struct out_table *table, bool colours)
{
	scols_table_enable_colors(table->scols, colours);
}

/* libsmartcols takes room from what may be cut before it breaks lines: "web01" would become "we"
 * for a long reason beside it. */
static void keep_short_cells(struct out_table *table)
{
	for (size_t i = 0; i < table->columns; i++) {
		struct libscols_column *column = scols_table_get_column(table->scols, i);
		bool is_long = table->asked[i].fit == OUT_SQUEEZE;

		for (size_t k = 0; k < table->rows && !is_long; k++) {
			struct libscols_line *line = scols_table_get_line(table->scols, k);
			struct libscols_cell *cell = line ? scols_line_get_cell(line, i) : NULL;
			const char *text = cell ? scols_cell_get_data(cell) : NULL;

			is_long = text && strlen(text) > LONG_CELL;
		}
		if (!is_long)
			scols_column_set_flags(column, scols_column_get_flags(column) &
					       ~SCOLS_FL_TRUNC);
	}
}

size_t out_table_rows(const struct out_table *table)
{
	return table->rows;
}

int out_table_print(struct out_table *table, struct seed_error *err)
{
	if (table->no_memory)
		return seed_error_sys(err, ENOMEM, "table");
	keep_short_cells(table);
	if (table->rows > 0 && scols_print_table(table->scols) != 0)
		return seed_error_sys(err, errno ? errno : EIO, "print the table");
	return 0;
}

struct seed_json *out_json_new(const char *name)
{
	struct seed_json *doc = seed_json_new_object();
	char schema[64];

	snprintf(schema, sizeof(schema), "vmseed-%s", name);
	seed_json_set_text(doc, "schema", schema);
	seed_json_set_uint(doc, "schema_version", 1);
	return doc;
}

int out_json_print(struct seed_json *doc, struct seed_error *err)
{
	SEED_AUTO(seed_json_freep) struct seed_json *owned = doc;
	SEED_AUTO(seed_freep) char *text = NULL;
	size_t len;

	if (seed_json_dump(owned, 2, &text, &len, err) < 0)
		return -1;
	fwrite(text, 1, len, stdout);
	return 0;
}
