/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verbs of vmseed media, a file each. */
#ifndef TOOLS_CMD_MEDIA_H
#define TOOLS_CMD_MEDIA_H

#include "cli.h"
#include "media/set_record.h"
#include "media/volume.h"

int cmd_media_list(struct cli *cli, int argc, const char **argv, struct seed_error *err);
int cmd_media_prepare(struct cli *cli, int argc, const char **argv, struct seed_error *err);
int cmd_media_prune(struct cli *cli, int argc, const char **argv, struct seed_error *err);
int cmd_media_show(struct cli *cli, int argc, const char **argv, struct seed_error *err);

#endif
