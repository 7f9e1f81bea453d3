/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What cmd_media.c and cmd_media_show.c share. */
#ifndef TOOLS_CMD_MEDIA_H
#define TOOLS_CMD_MEDIA_H

#include "cli.h"
#include "media/set_record.h"
#include "media/volume.h"

int cmd_media_show(struct cli *cli, int argc, const char **argv, struct seed_error *err);

#endif
