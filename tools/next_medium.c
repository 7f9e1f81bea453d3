/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "next_medium.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "terminal.h"

#define LOOK_MS 1000u		/* between two looks at the folders */
#define NAP_MS 100u		/* between two looks at whether we are to stop */

void next_medium_clear(struct next_medium *next)
{
	seed_vec_free(&next->seen);
}

int next_medium_seen(struct next_medium *next, const struct seed_medium *medium,
		     struct seed_error *err)
{
	return seed_vec_push(&next->seen, sizeof(medium->id), &medium->id) ? 0 :
	       seed_error_sys(err, ENOMEM, "media");
}

static bool is_seen(const struct next_medium *next, const struct seed_medium *medium)
{
	for (size_t i = 0; i < next->seen.count; i++) {
		if (seed_id_equal(seed_vec_at(&next->seen, i), &medium->id))
			return true;
	}
	return false;
}

/* ---- waiting ---- */

static int nap(const struct seed_cancel *cancel, struct seed_error *err)
{
	const struct timespec time = { .tv_nsec = NAP_MS * 1000000L };

	for (unsigned int ms = 0; ms < LOOK_MS; ms += NAP_MS) {
		if (seed_cancelled(cancel, err) < 0)
			return -1;
		nanosleep(&time, NULL);
	}
	return 0;
}

/* Whatever is mounted there: another prepared medium, the full one still, or nothing. */
static int look(struct next_medium *next, struct seed_medium **out, struct seed_error *err)
{
	for (const char *const *dir = next->dirs; *dir; dir++) {
		struct seed_medium *medium;

		if (seed_medium_open(&medium, *dir, next->trust, NULL) < 0)
			continue;
		if (medium->known_signer && !is_seen(next, medium)) {
			if (next_medium_seen(next, medium, err) < 0) {
				seed_medium_close(medium);
				return -1;
			}
			*out = medium;
			return 0;
		}
		seed_medium_close(medium);
	}
	return 0;
}

static int wait_for_one(struct next_medium *next, const char *full,
			const struct seed_error *refused, struct seed_medium **out,
			struct seed_error *err)
{
	if (refused)
		cli_warn(next->cli, "the medium that is mounted now is not used: %s", refused->text);
	else
		cli_note(next->cli, "%s; waiting for another prepared medium to be mounted at a folder "
			 "of --media", full);
	while (!*out) {
		if (look(next, out, err) < 0 || (!*out && nap(next->cli->cancel, err) < 0))
			return -1;
	}
	return 0;
}

/* ---- asking ---- */

static int ask(struct next_medium *next, const char *full, const struct seed_error *refused,
	       struct seed_medium **out, struct seed_error *err)
{
	struct seed_error why = refused ? *refused : (struct seed_error){ 0 };
	char prompt[1024], dir[PATH_MAX];

	cli_end_progress(next->cli);
	for (;;) {
		if (why.kind)
			snprintf(prompt, sizeof(prompt), "Not this one: %s\n"
				 "Folder of the next medium (none: stop here): ", why.text);
		else
			snprintf(prompt, sizeof(prompt), "%s.\n"
				 "Mount the next prepared medium and type its folder (none: stop here): ",
				 full);
		if (terminal_ask(prompt, false, next->cli->cancel, dir, sizeof(dir), err) < 0)
			return -1;
		if (!dir[0])
			return 0;
		if (seed_medium_open(out, dir, next->trust, &why) == 0)
			return 0;
	}
}

int next_medium_get(void *arg, const struct seed_export *plan, const char *full,
		    const struct seed_error *refused, struct seed_medium **out,
		    struct seed_error *err)
{
	struct next_medium *next = arg;

	(void)plan;
	*out = NULL;
	if (next->wait)
		return wait_for_one(next, full, refused, out, err);
	if (!isatty(STDIN_FILENO) || !terminal_present())
		return 0;
	return ask(next, full, refused, out, err);
}
