/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * XML definitions read with libxml2, for the readers of this folder: from memory,
 * without network, DTD or entities, bounded in elements and depth. Nothing is
 * printed and no process-wide handler is set.
 */
#ifndef SEED_VMDEF_XML_H
#define SEED_VMDEF_XML_H

#include <stdbool.h>
#include <stddef.h>

#include <libxml/tree.h>

#include "base/error.h"

#define SEED_XML_MAX (8u << 20)		/* bytes of a document */
#define SEED_XML_ITEMS_MAX 100000u	/* elements and attributes of a document */

/**
 * seed_xml_parse() - parse a whole document
 * @data: @len bytes, not NUL-terminated
 * @err:  RANGE when it is too large, FORMAT with the line when it is not well-formed or has
 *        a DOCTYPE
 */
int seed_xml_parse(xmlDoc **out, const char *data, size_t len, struct seed_error *err);
void seed_xml_freep(xmlDoc **doc);

/* Elements without a namespace only: others are not libvirt's own. NULL when there is none;
 * a NULL @parent has no children. */
xmlNode *seed_xml_child(const xmlNode *parent, const char *name);
xmlNode *seed_xml_next(const xmlNode *node);	/* the next sibling of the same name */
unsigned int seed_xml_line(const xmlNode *node);

/* Copies that the caller frees; at most @max bytes, or FORMAT. *@out is NULL when there is no
 * such attribute, or @node is NULL. */
int seed_xml_attr(char **out, const xmlNode *node, const char *name, size_t max,
		  struct seed_error *err);
int seed_xml_text(char **out, const xmlNode *node, size_t max, struct seed_error *err);

#endif
