/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "trust/keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/text.h"
#include "crypto/random.h"
#include "crypto/secret.h"
#include "doc/json.h"
#include "trust/card.h"

#define PEM_MAX 16384
#define SITE_JSON_MAX 4096
#define SITE_VERSION 1

/* Text that holds key material: wiped before it is freed. */
struct secret_text {
	char *data;
	size_t len;
};

static void wipe_textp(struct secret_text *text)
{
	if (text->data)
		seed_wipe(text->data, text->len);
	free(text->data);
}

bool seed_site_name_valid(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len > SEED_NAME_MAX || name[0] == '.' || name[0] == '-')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-",
			    name[i]))
			return false;
	return true;
}

bool seed_site_exists(int home)
{
	return seed_path_exists(home, "site/site.json");
}

void seed_site_close(struct seed_site *site)
{
	if (!site)
		return;
	seed_signing_key_free(site->sign);
	seed_receiving_key_free(site->receive);
	free(site);
}

static int new_site(struct seed_site **out, const char *name, struct seed_error *err)
{
	SEED_AUTO(seed_site_closep) struct seed_site *site = calloc(1, sizeof(*site));

	if (!site)
		return seed_error_sys(err, ENOMEM, "site");
	strcpy(site->name, name);	/* seed_site_name_valid() bounds it */
	if (seed_random_id(&site->id, err) < 0 ||
	    seed_signing_key_generate(&site->sign, err) < 0 ||
	    seed_receiving_key_generate(&site->receive, err) < 0)
		return -1;
	*out = seed_steal(&site);
	return 0;
}

static int write_keys(int dir, const struct seed_site *site, const char *passphrase,
		      struct seed_error *err)
{
	SEED_AUTO(wipe_textp) struct secret_text sign = { 0 };
	SEED_AUTO(wipe_textp) struct secret_text receive = { 0 };

	if (seed_signing_key_to_pem(site->sign, passphrase, &sign.data, &sign.len, err) < 0 ||
	    seed_receiving_key_to_pem(site->receive, passphrase, &receive.data, &receive.len,
				      err) < 0 ||
	    seed_file_replace(dir, "sign.pem", sign.data, sign.len, 0600, err) < 0)
		return -1;
	return seed_file_replace(dir, "receive.pem", receive.data, receive.len, 0600, err);
}

static int write_site_json(int dir, const struct seed_site *site, struct seed_error *err)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc = seed_json_new_object();
	SEED_AUTO(seed_freep) char *text = NULL;
	size_t len;

	seed_json_set_uint(doc, "version", SITE_VERSION);
	seed_json_set_text(doc, "name", site->name);
	seed_json_set_id(doc, "site", &site->id);
	if (seed_json_dump(doc, 2, &text, &len, err) < 0)
		return -1;
	return seed_file_replace(dir, "site.json", text, len, 0644, err);
}

int seed_site_create(int home, const char *name, const char *passphrase, struct seed_error *err)
{
	SEED_AUTO(seed_site_closep) struct seed_site *site = NULL;
	SEED_AUTO(seed_fd_closep) int dir = -1;
	SEED_AUTO(seed_freep) char *card = NULL;
	char quoted[SEED_QUOTED];
	size_t len;

	if (!seed_site_name_valid(name))
		return seed_error_set(err, SEED_ERR_USAGE,
				      "%s: a site's name is 1 to %d of A-Z a-z 0-9 . _ -, not "
				      "beginning with . or -",
				      seed_quote(name, quoted, sizeof(quoted)), SEED_NAME_MAX);
	if (passphrase && !*passphrase)
		return seed_error_set(err, SEED_ERR_USAGE, "the passphrase is empty");
	/* Locked before looking, so that of two runs at once one makes the keys. */
	if (seed_path_make_folder(home, "site", 0700, err) < 0 ||
	    seed_path_open_folder_at(&dir, home, "site", err) < 0 ||
	    seed_fd_lock(dir, "the folder of this site's keys", true, err) < 0)
		return -1;
	if (seed_site_exists(home))
		return seed_error_set(err, SEED_ERR_USAGE, "this home has its keys already");
	if (seed_file_sweep(dir, err) < 0 || new_site(&site, name, err) < 0 ||
	    seed_card_write(site, &card, &len, err) < 0)
		return -1;
	/* site.json makes the rest count, so it comes last. */
	if (write_keys(dir, site, passphrase, err) < 0 ||
	    seed_file_replace(dir, "card", card, len, 0644, err) < 0)
		return -1;
	return write_site_json(dir, site, err);
}

static int read_site_json(struct seed_site *site, int home, struct seed_error *err)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc = NULL;
	SEED_AUTO(seed_freep) char *text = NULL;
	struct seed_json_reader r;
	const char *name;
	size_t len;

	if (seed_file_read(home, "site/site.json", SITE_JSON_MAX, &text, &len, err) < 0)
		return -1;
	if (seed_json_parse(&doc, text, len, err) < 0)
		return seed_error_prefix(err, "site/site.json");
	seed_json_begin(&r, doc, "", err);
	if (seed_json_take_uint(&r, "version", UINT32_MAX) != SITE_VERSION)
		seed_json_refuse(&r, "version", "not %d", SITE_VERSION);
	name = seed_json_take_text(&r, "name", SEED_NAME_MAX);
	seed_json_take_id(&r, "site", &site->id);
	if (name && !seed_site_name_valid(name))
		seed_json_refuse(&r, "name", "not a site's name");
	if (seed_json_done(&r) < 0)
		return seed_error_prefix(err, "site/site.json");
	strcpy(site->name, name);
	return 0;
}

static int read_pem(struct secret_text *out, int home, const char *path, struct seed_error *err)
{
	SEED_AUTO(seed_fd_closep) int fd = -1;
	SEED_AUTO(wipe_textp) struct secret_text pem = { 0 };
	struct stat st;

	if (seed_path_open(&fd, home, path, O_RDONLY, 0, err) < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		return seed_error_sys(err, errno, "%s", path);
	if (st.st_mode & 077)
		return seed_error_set(err, SEED_ERR_USAGE,
				      "%s: others may use this key (mode %04o): chmod 600 it", path,
				      st.st_mode & 07777);
	if (st.st_uid != geteuid() && geteuid() != 0)
		return seed_error_set(err, SEED_ERR_USAGE, "%s: belongs to another user", path);
	if (st.st_size <= 0 || st.st_size > PEM_MAX)
		return seed_error_set(err, SEED_ERR_FORMAT, "%s: not a key file", path);
	pem.len = (size_t)st.st_size;
	pem.data = calloc(1, pem.len + 1);
	if (!pem.data)
		return seed_error_sys(err, ENOMEM, "%s", path);
	if (seed_fd_read(fd, pem.data, pem.len, err) < 0)
		return seed_error_prefix(err, "%s", path);
	*out = pem;
	pem = (struct secret_text){ 0 };
	return 0;
}

static bool pem_is_encrypted(const struct secret_text *pem)
{
	static const char mark[] = "-----BEGIN ENCRYPTED PRIVATE KEY-----";

	return memmem(pem->data, pem->len, mark, sizeof(mark) - 1);
}

static int ask_passphrase(char *out, const struct seed_site *site,
			  const struct seed_passphrase *passphrase, struct seed_error *err)
{
	char prompt[SEED_NAME_MAX + 32];

	if (!passphrase || !passphrase->ask)
		return seed_error_set(err, SEED_ERR_TRUST,
				      "the keys of %s have a passphrase, and none was given",
				      site->name);
	snprintf(prompt, sizeof(prompt), "Passphrase for the keys of %s", site->name);
	return passphrase->ask(passphrase->arg, prompt, out, SEED_PASSPHRASE_MAX, err);
}

static int open_keys(struct seed_site *site, int home, const struct seed_passphrase *passphrase,
		     char *asked, struct seed_error *err)
{
	SEED_AUTO(wipe_textp) struct secret_text sign = { 0 };
	SEED_AUTO(wipe_textp) struct secret_text receive = { 0 };
	const char *phrase = NULL;

	if (read_pem(&sign, home, "site/sign.pem", err) < 0 ||
	    read_pem(&receive, home, "site/receive.pem", err) < 0)
		return -1;
	if (pem_is_encrypted(&sign) || pem_is_encrypted(&receive)) {
		if (ask_passphrase(asked, site, passphrase, err) < 0)
			return -1;
		phrase = asked;
	}
	if (seed_signing_key_from_pem(&site->sign, sign.data, sign.len,
				      pem_is_encrypted(&sign) ? phrase : NULL, err) < 0)
		return seed_error_prefix(err, "site/sign.pem");
	if (seed_receiving_key_from_pem(&site->receive, receive.data, receive.len,
					pem_is_encrypted(&receive) ? phrase : NULL, err) < 0)
		return seed_error_prefix(err, "site/receive.pem");
	return 0;
}

/* Half of another site's folder, restored over this one, would sign under the wrong id. */
static int check_card(const struct seed_site *site, int home, struct seed_error *err)
{
	SEED_AUTO(seed_freep) char *text = NULL;
	struct seed_card stored, made;
	size_t len;

	if (seed_site_card(home, &text, &len, err) < 0)
		return -1;
	if (seed_card_read(&stored, text, len, err) < 0)
		return seed_error_prefix(err, "site/card");
	seed_card_of(&made, site);
	if (!seed_card_equal(&stored, &made) || strcmp(stored.name, made.name) != 0)
		return seed_error_set(err, SEED_ERR_INTEGRITY,
				      "the files in the home's site folder are not of one site");
	return 0;
}

int seed_site_open(struct seed_site **out, int home, const struct seed_passphrase *passphrase,
		   struct seed_error *err)
{
	SEED_AUTO(seed_site_closep) struct seed_site *site = calloc(1, sizeof(*site));
	char asked[SEED_PASSPHRASE_MAX] = "";
	int status;

	if (!site)
		return seed_error_sys(err, ENOMEM, "site");
	if (!seed_site_exists(home))
		return seed_error_set(err, SEED_ERR_NOTFOUND, "this home has no keys");
	if (read_site_json(site, home, err) < 0)
		return -1;
	status = open_keys(site, home, passphrase, asked, err);
	seed_wipe(asked, sizeof(asked));
	if (status < 0 || check_card(site, home, err) < 0) {
		/* A missing file of an existing site is damage, not an empty home. */
		if (err && err->kind == SEED_ERR_NOTFOUND)
			err->kind = SEED_ERR_FORMAT;
		return -1;
	}
	*out = seed_steal(&site);
	return 0;
}

int seed_site_card(int home, char **text, size_t *len, struct seed_error *err)
{
	if (!seed_site_exists(home))
		return seed_error_set(err, SEED_ERR_NOTFOUND, "this home has no keys");
	return seed_file_read(home, "site/card", SEED_CARD_MAX, text, len, err);
}
