/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The subcommands, one file each: cmd_NAME.c. Their shape is in cli.h. */
#ifndef TOOLS_COMMANDS_H
#define TOOLS_COMMANDS_H

#include "cli.h"

int cmd_adopt(struct cli *cli, int argc, const char **argv, struct seed_error *err);
int cmd_export(struct cli *cli, int argc, const char **argv, struct seed_error *err);
int cmd_import(struct cli *cli, int argc, const char **argv, struct seed_error *err);
int cmd_key(struct cli *cli, int argc, const char **argv, struct seed_error *err);
int cmd_media(struct cli *cli, int argc, const char **argv, struct seed_error *err);
int cmd_points(struct cli *cli, int argc, const char **argv, struct seed_error *err);
int cmd_promote(struct cli *cli, int argc, const char **argv, struct seed_error *err);
int cmd_resync(struct cli *cli, int argc, const char **argv, struct seed_error *err);
int cmd_serve(struct cli *cli, int argc, const char **argv, struct seed_error *err);
int cmd_status(struct cli *cli, int argc, const char **argv, struct seed_error *err);
int cmd_verify(struct cli *cli, int argc, const char **argv, struct seed_error *err);

#endif
