// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "wire/transport_internal.h"

#define SCHEME "ssh://"
#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
#define HOST_MAX 255u
#define HOME_MAX 1024u

static int wrong(const char *text, const char *what, struct seed_error *err)
{
	char quoted[SEED_QUOTED];

	return seed_error_set(err, SEED_ERR_USAGE, "%s: %s",
			      seed_quote(text, quoted, sizeof(quoted)), what);
}

static bool only(const char *text, const char *allowed)
{
	return text[0] && text[strspn(text, allowed)] == '\0';
}

bool seed_dest_shell_safe(const char *text)
{
	return text[0] != '-' && only(text, LETTERS "._/~+@-");
}

/* user@, of which the last '@' counts: some users are named like addresses. */
static int take_user(struct seed_dest *dest, char **rest, struct seed_error *err)
{
	char *at = strrchr(*rest, '@');

	if (!at)
		return 0;
	*at = '\0';
	if (strchr(*rest, ':'))
		return seed_error_set(err, SEED_ERR_USAGE,
				      "a password does not belong into an address");
	if ((*rest)[0] == '-' || !only(*rest, LETTERS "._+@-"))
		return wrong(dest->text, "no such user name", err);
	dest->user = strdup(*rest);
	*rest = at + 1;
	return dest->user ? 0 : seed_error_sys(err, ENOMEM, "destination");
}

static bool is_address(const char *host)
{
	const char *zone = strchr(host, '%');
	size_t len = zone ? (size_t)(zone - host) : strlen(host);

	return len && memchr(host, ':', len) && strspn(host, "0123456789abcdefABCDEF:.") == len &&
	       (!zone || only(zone + 1, LETTERS "._-"));
}

static int take_port(struct seed_dest *dest, const char *port, struct seed_error *err)
{
	long n = strlen(port) <= 5 && only(port, "0123456789") ? strtol(port, NULL, 10) : 0;

	if (n < 1 || n > 65535)
		return wrong(dest->text, "a port is a number from 1 to 65535", err);
	dest->port = strdup(port);
	return dest->port ? 0 : seed_error_sys(err, ENOMEM, "destination");
}

/* host, host:port, [address] or [address]:port */
static int take_host(struct seed_dest *dest, char *host, struct seed_error *err)
{
	char *port = NULL, *end;

	if (host[0] == '[') {
		end = strchr(++host, ']');
		if (!end || (end[1] && end[1] != ':'))
			return wrong(dest->text, "an address in brackets ends with ']'", err);
		port = end[1] ? end + 2 : NULL;
		*end = '\0';
		if (!is_address(host))
			return wrong(dest->text, "no IPv6 address in the brackets", err);
	} else {
		end = strchr(host, ':');
		if (end && strchr(end + 1, ':'))
			return wrong(dest->text, "an IPv6 address stands in brackets", err);
		port = end ? end + 1 : NULL;
		if (end)
			*end = '\0';
		if (host[0] == '-' || !only(host, LETTERS "._-"))
			return wrong(dest->text, host[0] ? "no such host name" : "no host", err);
	}
	if (strlen(host) > HOST_MAX)
		return wrong(dest->text, "the host name is too long", err);
	dest->host = strdup(host);
	if (!dest->host)
		return seed_error_sys(err, ENOMEM, "destination");
	return port ? take_port(dest, port, err) : 0;
}

/* /home, of which "/" alone is none, and "/~" begins at the user's own. */
static int take_home(struct seed_dest *dest, const char *home, struct seed_error *err)
{
	if (strcmp(home, "/") == 0)
		return 0;
	if (strlen(home) > HOME_MAX || !seed_dest_shell_safe(home))
		return wrong(dest->text,
			     "a home over ssh is a path of A-Z a-z 0-9 . _ / ~ + @ -", err);
	dest->home = strdup(home[1] == '~' ? home + 1 : home);
	return dest->home ? 0 : seed_error_sys(err, ENOMEM, "destination");
}

static int parse_ssh(struct seed_dest *dest, const char *text, struct seed_error *err)
{
	SEED_AUTO(seed_freep) char *copy = strdup(text + strlen(SCHEME));
	char *rest = copy, *slash;

	if (!copy)
		return seed_error_sys(err, ENOMEM, "destination");
	slash = strchr(rest, '/');
	if (slash)
		*slash = '\0';
	/* The user first: what follows is quoted in errors, a password must not be. */
	if (take_user(dest, &rest, err) < 0 || take_host(dest, rest, err) < 0)
		return -1;
	return slash ? take_home(dest, text + strlen(SCHEME) + (slash - copy), err) : 0;
}

/* A ':' before the first '/' is what scp takes for a host: nobody means a folder of that name. */
static int parse_local(struct seed_dest *dest, const char *text, struct seed_error *err)
{
	const char *colon = strchr(text, ':'), *slash = strchr(text, '/');

	if (!text[0])
		return seed_error_set(err, SEED_ERR_USAGE, "an empty destination");
	if (strstr(text, "://") && colon < slash)
		return wrong(text,
			     "a destination is ssh://[USER@]HOST[:PORT][/HOME] or a directory",
			     err);
	if (colon && (!slash || colon < slash))
		return wrong(text, "write ssh://HOST/HOME for another host, ./ before a directory",
			     err);
	dest->local = true;
	dest->home = strdup(text);
	return dest->home ? 0 : seed_error_sys(err, ENOMEM, "destination");
}

int seed_dest_parse(struct seed_dest *out, const char *text, struct seed_error *err)
{
	struct seed_dest dest = { .text = strdup(text) };
	int rc;

	if (!dest.text)
		return seed_error_sys(err, ENOMEM, "destination");
	rc = strncmp(text, SCHEME, strlen(SCHEME)) == 0 ? parse_ssh(&dest, text, err) :
							  parse_local(&dest, text, err);
	if (rc < 0) {
		seed_dest_clear(&dest);
		return -1;
	}
	*out = dest;
	return 0;
}

void seed_dest_clear(struct seed_dest *dest)
{
	free(dest->user);
	free(dest->host);
	free(dest->port);
	free(dest->home);
	free(dest->text);
	*dest = (struct seed_dest){ .local = false };
}
