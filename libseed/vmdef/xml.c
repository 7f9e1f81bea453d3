// SPDX-License-Identifier: LGPL-2.1-or-later
#include "vmdef/xml.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <libxml/SAX2.h>
#include <libxml/parser.h>
#include <libxml/xmlerror.h>

#include "base/cleanup.h"
#include "base/text.h"

/* libxml2 compares each attribute of an element with all before it: a tag of a megabyte
 * would keep it busy for hours. An attribute needs a '=', and a '<' cannot stand in one. */
#define EQUALS_MAX 4096u

struct parse {
	bool doctype, crowded, failed;
	unsigned int items;
	int line;
	char text[160];		/* of the first fatal error */
};

#if LIBXML_VERSION >= 21200
typedef const xmlError *xml_error_arg;
#else
typedef xmlErrorPtr xml_error_arg;
#endif

static void note_error(void *arg, xml_error_arg error)
{
	xmlParserCtxt *ctxt = arg;
	struct parse *parse = ctxt->_private;

	if (parse->failed || error->level != XML_ERR_FATAL)
		return;
	parse->failed = true;
	parse->line = error->line;
	strncpy(parse->text, error->message ? error->message : "unknown error",
		sizeof(parse->text) - 1);
	parse->text[strcspn(parse->text, "\n")] = '\0';
}

/* Before any entity could be declared. */
static void refuse_doctype(void *arg, const xmlChar *name, const xmlChar *public,
			   const xmlChar *system)
{
	xmlParserCtxt *ctxt = arg;
	struct parse *parse = ctxt->_private;

	(void)name;
	(void)public;
	(void)system;
	parse->doctype = true;
	xmlStopParser(ctxt);
}

static void count_element(void *arg, const xmlChar *name, const xmlChar *prefix,
			  const xmlChar *uri, int namespaces, const xmlChar **namespace,
			  int attributes, int defaulted, const xmlChar **attribute)
{
	xmlParserCtxt *ctxt = arg;
	struct parse *parse = ctxt->_private;

	parse->items += 1 + (unsigned int)attributes + (unsigned int)namespaces;
	if (parse->items > SEED_XML_ITEMS_MAX) {
		parse->crowded = true;
		xmlStopParser(ctxt);
		return;
	}
	xmlSAX2StartElementNs(arg, name, prefix, uri, namespaces, namespace, attributes, defaulted,
			      attribute);
}

static bool tag_too_long(const char *data, size_t len)
{
	unsigned int equals = 0;

	for (size_t i = 0; i < len; i++) {
		if (data[i] == '<')
			equals = 0;
		else if (data[i] == '=' && ++equals > EQUALS_MAX)
			return true;
	}
	return false;
}

static int explain(const struct parse *parse, struct seed_error *err)
{
	char text[SEED_QUOTED];

	if (parse->doctype)
		return seed_error_set(err, SEED_ERR_FORMAT, "has a DOCTYPE, which is refused");
	if (parse->crowded)
		return seed_error_set(err, SEED_ERR_RANGE, "over %u elements and attributes",
				      SEED_XML_ITEMS_MAX);
	if (!parse->failed)
		return seed_error_set(err, SEED_ERR_FORMAT, "not well-formed XML");
	return seed_error_set(err, SEED_ERR_FORMAT, "line %d: not well-formed XML: %s", parse->line,
			      seed_quote(parse->text, text, sizeof(text)));
}

static void free_contextp(xmlParserCtxt **ctxt)
{
	if (*ctxt)
		xmlFreeParserCtxt(*ctxt);
}

void seed_xml_freep(xmlDoc **doc)
{
	if (*doc)
		xmlFreeDoc(*doc);
}

int seed_xml_parse(xmlDoc **out, const char *data, size_t len, struct seed_error *err)
{
	SEED_AUTO(free_contextp) xmlParserCtxt *ctxt = NULL;
	SEED_AUTO(seed_xml_freep) xmlDoc *doc = NULL;
	struct parse parse = { 0 };

	if (len > SEED_XML_MAX)
		return seed_error_set(err, SEED_ERR_RANGE, "%zu bytes long, at most %u expected",
				      len, SEED_XML_MAX);
	if (tag_too_long(data, len))
		return seed_error_set(err, SEED_ERR_RANGE, "an element with over %u attributes",
				      EQUALS_MAX);
	ctxt = xmlNewParserCtxt();
	if (!ctxt)
		return seed_error_sys(err, ENOMEM, "XML parser");
	ctxt->_private = &parse;
	ctxt->sax->serror = note_error;
	ctxt->sax->internalSubset = refuse_doctype;
	ctxt->sax->startElementNs = count_element;
	doc = xmlCtxtReadMemory(ctxt, data, (int)len, NULL, NULL,
				XML_PARSE_NONET | XML_PARSE_NOCDATA | XML_PARSE_COMPACT);
	if (ctxt->errNo == XML_ERR_NO_MEMORY)
		return seed_error_sys(err, ENOMEM, "XML parser");
	if (parse.doctype || parse.crowded || !doc || !xmlDocGetRootElement(doc))
		return explain(&parse, err);
	*out = seed_steal(&doc);
	return 0;
}

static xmlNode *first_of(xmlNode *node, const xmlChar *name)
{
	for (; node; node = node->next)
		if (node->type == XML_ELEMENT_NODE && !node->ns && xmlStrEqual(node->name, name))
			return node;
	return NULL;
}

xmlNode *seed_xml_child(const xmlNode *parent, const char *name)
{
	return parent ? first_of(parent->children, (const xmlChar *)name) : NULL;
}

xmlNode *seed_xml_next(const xmlNode *node)
{
	return first_of(node->next, node->name);
}

unsigned int seed_xml_line(const xmlNode *node)
{
	long line = xmlGetLineNo(node);

	return line > 0 ? (unsigned int)line : 0;
}

/* Takes @text, which is libxml2's. */
static int copy_out(char **out, xmlChar *text, const char *name, size_t max, struct seed_error *err)
{
	size_t len = (size_t)xmlStrlen(text);
	char *copy = len <= max ? strdup((const char *)text) : NULL;

	xmlFree(text);
	if (len > max)
		return seed_error_set(err, SEED_ERR_FORMAT, "%s: %zu bytes long, at most %zu", name,
				      len, max);
	if (!copy)
		return seed_error_sys(err, ENOMEM, "%s", name);
	*out = copy;
	return 0;
}

int seed_xml_attr(char **out, const xmlNode *node, const char *name, size_t max,
		  struct seed_error *err)
{
	xmlChar *text;

	*out = NULL;
	if (!node || !xmlHasNsProp(node, (const xmlChar *)name, NULL))
		return 0;
	text = xmlGetNoNsProp(node, (const xmlChar *)name);
	if (!text)
		return seed_error_sys(err, ENOMEM, "%s", name);
	return copy_out(out, text, name, max, err);
}

int seed_xml_text(char **out, const xmlNode *node, size_t max, struct seed_error *err)
{
	xmlChar *text;

	*out = NULL;
	if (!node)
		return 0;
	text = xmlNodeGetContent(node);
	if (!text)
		return seed_error_sys(err, ENOMEM, "%s", (const char *)node->name);
	return copy_out(out, text, (const char *)node->name, max, err);
}
