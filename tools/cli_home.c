/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The home folder, and what lies in it: the site's keys and whom it trusts. */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/text.h"
#include "cli_internal.h"

#define ROOT_HOME "/var/lib/vmseed"

/* "$XDG_DATA_HOME/vmseed", or NULL when nobody knows where that is. The caller frees it. */
static char *user_home(void)
{
	const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
	const struct passwd *user;
	char *path = NULL;

	/* The XDG rules: a relative path there is to be ignored. */
	if (data && *data == '/')
		return asprintf(&path, "%s/vmseed", data) < 0 ? NULL : path;
	if (!home || *home != '/') {
		user = getpwuid(geteuid());
		home = user ? user->pw_dir : NULL;
	}
	if (!home || *home != '/')
		return NULL;
	return asprintf(&path, "%s/.local/share/vmseed", home) < 0 ? NULL : path;
}

const char *cli_home_path(struct cli *cli)
{
	struct cli_state *state = cli->state;
	const char *env = getenv("VMSEED_HOME");

	if (state->home)
		return state->home;
	if (state->home_option) {
		state->home = strdup(state->home_option);
	} else if (env && *env) {
		state->home = strdup(env);
	} else {
		state->home_default = true;
		state->home = geteuid() == 0 ? strdup(ROOT_HOME) : user_home();
	}
	return state->home;
}

/* Does the default home of the other kind of user hold a key, as far as we may look? */
static bool key_in(const char *home)
{
	char path[4096];

	if (snprintf(path, sizeof(path), "%s/site/site.json", home) >= (int)sizeof(path))
		return false;
	return access(path, F_OK) == 0 || errno == EACCES;
}

/* Whoever ran `key new` with sudo, and now runs without, finds no keys: say where they are. */
static int add_hint(struct cli *cli, struct seed_error *err)
{
	SEED_AUTO(seed_freep) char *user = user_home();
	const char *other = geteuid() == 0 ? user : ROOT_HOME;
	struct seed_error told;

	if (!err || !cli->state->home_default || !other || !key_in(other))
		return -1;
	told = *err;
	seed_error_set(err, told.kind, "%s (%s holds keys: give --home %s%s)", told.text, other,
		       other, geteuid() == 0 ? "" : ", or run as root");
	return -1;
}

static int check_folder(int fd, const char *path, struct seed_error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return seed_error_sys(err, errno, "home %s", path);
	/* Who may write here decides whom we trust. */
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return seed_error_set(err, SEED_ERR_USAGE,
				      "home %s belongs to another user: not used", path);
	if (st.st_mode & 022)
		return seed_error_set(err, SEED_ERR_USAGE,
				      "home %s: others may write to it (mode %04o): chmod go-w it",
				      path, st.st_mode & 07777);
	return 0;
}

/* The folders above a default home; a home that was named must have its parent. */
static int make_parents(const char *path, struct seed_error *err)
{
	SEED_AUTO(seed_freep) char *copy = strdup(path);

	for (char *slash = copy; copy && (slash = strchr(slash + 1, '/')); *slash = '/') {
		*slash = '\0';
		if (mkdir(copy, 0700) < 0 && errno != EEXIST)
			return seed_error_sys(err, errno, "home: make folder %s", copy);
	}
	return copy ? 0 : seed_error_sys(err, ENOMEM, "home");
}

static int make_home(struct cli *cli, const char *path, struct seed_error *err)
{
	char quoted[SEED_QUOTED];

	if (cli->state->home_default && make_parents(path, err) < 0)
		return -1;
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return seed_error_sys(err, errno, "home: make folder %s",
				      seed_quote(path, quoted, sizeof(quoted)));
	return 0;
}

int cli_home(struct cli *cli, int *out, struct seed_error *err)
{
	struct cli_state *state = cli->state;
	const char *path = cli_home_path(cli);
	SEED_AUTO(seed_fd_closep) int fd = -1;
	struct seed_error why = { 0 };
	char quoted[SEED_QUOTED];

	if (state->home_fd >= 0) {
		*out = state->home_fd;
		return 0;
	}
	if (!path)
		return seed_error_set(err, SEED_ERR_USAGE, "no home known: give --home DIR");
	seed_quote(path, quoted, sizeof(quoted));
	if (seed_path_open_folder(&fd, path, &why) < 0) {
		if (why.kind != SEED_ERR_NOTFOUND && why.sys_errno != ENOENT) {
			seed_error_prefix(&why, "home");
			if (err)
				*err = why;
			return -1;
		}
		seed_error_set(err, SEED_ERR_USAGE,
			       "no home at %s: 'vmseed key new NAME' makes one", quoted);
		return add_hint(cli, err);
	}
	if (check_folder(fd, quoted, err) < 0)
		return -1;
	*out = state->home_fd = fd;
	fd = -1;
	return 0;
}

int cli_home_make(struct cli *cli, int *out, struct seed_error *err)
{
	const char *path = cli_home_path(cli);

	if (!cli->dry_run && path && cli->state->home_fd < 0 && make_home(cli, path, err) < 0)
		return -1;
	return cli_home(cli, out, err);
}

static int ask_passphrase(void *arg, const char *prompt, char *out, size_t size,
			  struct seed_error *err)
{
	struct cli *cli = arg;

	return passphrase_get(&cli->state->passphrase, prompt, cli->cancel, out, size, err);
}

int cli_new_passphrase(struct cli *cli, bool prompt, char *out, bool *given,
		       struct seed_error *err)
{
	const struct passphrase_source *source = &cli->state->passphrase;

	*given = prompt || passphrase_source_given(source);
	if (!*given)
		return 0;
	if (prompt)
		return passphrase_choose(cli->cancel, out, SEED_PASSPHRASE_MAX, err);
	return passphrase_get(source, "", cli->cancel, out, SEED_PASSPHRASE_MAX, err);
}

int cli_no_keys(struct cli *cli, struct seed_error *err)
{
	char quoted[SEED_QUOTED];

	seed_error_set(err, SEED_ERR_USAGE, "no keys in %s: 'vmseed key new NAME' makes them",
		       seed_quote(cli_home_path(cli), quoted, sizeof(quoted)));
	return add_hint(cli, err);
}

int cli_site(struct cli *cli, const struct seed_site **out, struct seed_error *err)
{
	const struct seed_passphrase passphrase = { .ask = ask_passphrase, .arg = cli };
	struct cli_state *state = cli->state;
	int home;

	if (!state->site) {
		if (cli_home(cli, &home, err) < 0)
			return -1;
		if (!seed_site_exists(home))
			return cli_no_keys(cli, err);
		if (seed_site_open(&state->site, home, &passphrase, err) < 0)
			return -1;
	}
	*out = state->site;
	return 0;
}

int cli_trust(struct cli *cli, const struct seed_trust **out, struct seed_error *err)
{
	struct cli_state *state = cli->state;
	int home;

	if (!state->trust) {
		if (cli_home(cli, &home, err) < 0 ||
		    seed_trust_open(&state->trust, home, state->site, err) < 0)
			return -1;
	}
	*out = state->trust;
	return 0;
}

int cli_named(struct seed_error *err)
{
	if (err && err->kind == SEED_ERR_NOTFOUND)
		err->kind = SEED_ERR_USAGE;
	return -1;
}

void cli_home_close(struct cli *cli)
{
	struct cli_state *state = cli->state;

	seed_trust_close(state->trust);
	seed_site_close(state->site);
	seed_fd_closep(&state->home_fd);
	free(state->home);
	free(state->home_option);
}
