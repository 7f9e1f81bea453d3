/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verbs of cmd_media.c that have a file of their own, and what they share. */
#ifndef TOOLS_CMD_MEDIA_H
#define TOOLS_CMD_MEDIA_H

#include "cli.h"
#include "media/set_record.h"
#include "media/volume.h"

int cmd_media_prune(struct cli *cli, int argc, const char **argv, struct seed_error *err);
int cmd_media_show(struct cli *cli, int argc, const char **argv, struct seed_error *err);

#endif
