// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cmocka_all.h"

#include <stdlib.h>

#include "wire/transport.h"

static void same(const char *got, const char *want)
{
	if (want)
		assert_string_equal(got ? got : "(none)", want);
	else
		assert_null(got);
}

static void parses(const char *text, const char *user, const char *host, const char *port,
		   const char *home)
{
	struct seed_error err = { 0 };
	struct seed_dest dest;

	assert_ok(seed_dest_parse(&dest, text, &err), &err);
	assert_int_equal(dest.local, host == NULL);
	same(dest.user, user);
	same(dest.host, host);
	same(dest.port, port);
	same(dest.home, home);
	same(dest.text, text);
	seed_dest_clear(&dest);
	assert_null(dest.text);
}

static void refused(const char *text, const char *why)
{
	struct seed_dest dest = { .local = true };
	struct seed_error err;

	assert_fails(seed_dest_parse(&dest, text, &err), &err, SEED_ERR_USAGE);
	assert_null(dest.text);
	if (!strstr(err.text, why))
		fail_msg("%s: %s", text, err.text);
}

static void urls_name_user_host_port_and_home(void **state)
{
	(void)state;
	parses("ssh://dr", NULL, "dr", NULL, NULL);
	parses("ssh://dr/", NULL, "dr", NULL, NULL);
	parses("ssh://backup@dr.example.org:2222/srv/seed", "backup", "dr.example.org", "2222",
	       "/srv/seed");
	parses("ssh://ann@example.org@dr/x", "ann@example.org", "dr", NULL, "/x");
	parses("ssh://dr/~/seed", NULL, "dr", NULL, "~/seed");
	parses("ssh://dr/srv/a@b+c~d-e_f.g", NULL, "dr", NULL, "/srv/a@b+c~d-e_f.g");
	parses("ssh://[2001:db8::1]/x", NULL, "2001:db8::1", NULL, "/x");
	parses("ssh://u@[fe80::1%eth0]:22", "u", "fe80::1%eth0", "22", NULL);
}

static void anything_else_is_a_directory(void **state)
{
	(void)state;
	parses("/srv/other home", NULL, NULL, NULL, "/srv/other home");
	parses("other", NULL, NULL, NULL, "other");
	parses("./a:b", NULL, NULL, NULL, "./a:b");
	parses("-odd", NULL, NULL, NULL, "-odd");
}

static void what_ssh_or_a_shell_would_take_for_more_is_refused(void **state)
{
	(void)state;
	refused("ssh://-oProxyCommand=touch/x", "host name");
	refused("ssh://-oProxyCommand=x", "host name");
	refused("ssh://-u@dr", "user name");
	refused("ssh://u;x@dr", "user name");
	refused("ssh://dr;reboot/x", "host name");
	refused("ssh://dr$(x)", "host name");
	refused("ssh://d r", "host name");
	refused("ssh://dr\n", "host name");
	refused("ssh://dr/a b", "a home over ssh");
	refused("ssh://dr/$HOME", "a home over ssh");
	refused("ssh://dr/a;b", "a home over ssh");
	refused("ssh://dr/a'b", "a home over ssh");
	refused("ssh://dr/x?y=1", "a home over ssh");
}

static void mistakes_are_named(void **state)
{
	char longest[2000] = "ssh://";

	(void)state;
	refused("", "empty");
	refused("ssh://", "no host");
	refused("ssh:///srv/seed", "no host");
	refused("ssh://u@", "no host");
	refused("ssh://ann:secret@dr", "password");
	refused("ssh://2001:db8::1/x", "brackets");
	refused("ssh://[2001:db8::1", "brackets");
	refused("ssh://[dr]", "IPv6");
	refused("ssh://[::1]x", "brackets");
	refused("ssh://dr:", "port");
	refused("ssh://dr:0", "port");
	refused("ssh://dr:65536", "port");
	refused("ssh://dr:22x", "port");
	refused("ssh://dr:-1", "port");
	refused("https://dr/x", "ssh://");
	refused("dr:/srv/seed", "ssh://");
	memset(longest + 6, 'a', sizeof(longest) - 7);
	refused(longest, "too long");
	longest[8] = '/';
	refused(longest, "a home over ssh");
}

static void a_password_is_not_repeated(void **state)
{
	struct seed_dest dest;
	struct seed_error err;

	(void)state;
	assert_fails(seed_dest_parse(&dest, "ssh://ann:secret@dr", &err), &err, SEED_ERR_USAGE);
	assert_null(strstr(err.text, "secret"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(urls_name_user_host_port_and_home),
		cmocka_unit_test(anything_else_is_a_directory),
		cmocka_unit_test(what_ssh_or_a_shell_would_take_for_more_is_refused),
		cmocka_unit_test(mistakes_are_named),
		cmocka_unit_test(a_password_is_not_repeated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
