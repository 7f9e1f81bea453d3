/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What cmd_key.c and cmd_key_trust.c share. */
#ifndef TOOLS_CMD_KEY_H
#define TOOLS_CMD_KEY_H

#include "cli.h"
#include "doc/json.h"

int cmd_key_trust(struct cli *cli, int argc, const char **argv, struct seed_error *err);

/* name, site, fingerprint, key and receiving_key of a card, added to @object. */
void cmd_key_describe(struct seed_json *object, const char *name, const struct seed_card *card);

#endif
